// SPDX-License-Identifier: Apache-2.0
#include "store/call.h"

namespace kvorum::store {

const Record* Call::FindForWriteIn(size_t number, std::string_view key) {
  const Database* const db = context_.keyspace.Get(number);
  const Record* const record = db == nullptr ? nullptr : db->Find(key);
  if (record == nullptr) return nullptr;
  if (!record->ExpiredAt(now())) return record;
  WritableDb(number).Remove(key);
  context_.stats.expired_keys.Add();
  return nullptr;
}

}  // namespace kvorum::store
