// SPDX-License-Identifier: Apache-2.0
//
// What a handler works with: the request, the reply, the database it runs in, and the two times. A
// handler of a read sees the keyspace as const; one of a write changes it through WritableDb().
//
// Expired keys. A read treats them as absent. A write removes one it meets first (FindForWrite), so
// that no handler has to think about a key that is there and is not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/check.h"
#include "base/rng.h"
#include "base/time.h"
#include "resp/reply.h"
#include "store/command.h"
#include "store/errors.h"
#include "store/keyspace.h"
#include "store/machine.h"

namespace kvorum::store {

class Call {
 public:
  // What outlives single commands.
  struct Context {
    Keyspace& keyspace;
    MachineStats& stats;
    const MachineOptions& options;
    uint64_t& random_key_counter;
    FeatureLevel level;  // in force
  };
  // Where and when this command runs.
  struct Scene {
    uint8_t database = 0;
    UnixMs display_now = 0;  // never before the log's time
    uint64_t seed = 0;       // writes: differs for each command of an entry
  };

  Call(const Context& context, const CommandRow& row, Argv arguments, const Scene& scene,
       resp::Reply& reply_to)
      : argv(arguments), reply(reply_to), context_(context), row_(row), scene_(scene) {}

  const Argv argv;
  resp::Reply& reply;

  [[nodiscard]] size_t argc() const { return argv.size(); }
  [[nodiscard]] std::string_view Arg(size_t i) const { return argv[i]; }
  [[nodiscard]] const CommandRow& row() const { return row_; }
  [[nodiscard]] uint8_t database() const { return scene_.database; }
  [[nodiscard]] int databases() const { return context_.keyspace.databases(); }
  [[nodiscard]] size_t max_string_bytes() const { return context_.options.max_string_bytes; }

  // In force: what decides between an old behaviour and a new one.
  [[nodiscard]] FeatureLevel feature_level() const { return context_.level; }

  // The log's time: what decides.
  [[nodiscard]] UnixMs now() const { return context_.keyspace.log_time(); }
  // For TTL replies alone; equals now() in a write.
  [[nodiscard]] UnixMs display_now() const { return scene_.display_now; }
  // The same numbers on every replica. Writes only.
  [[nodiscard]] Rng Random() const { return Rng(scene_.seed); }
  // Differs from call to call and from node to node. Reads only.
  uint64_t ArbitraryNumber() { return Rng(++context_.random_key_counter).Next(); }

  // --- Reads. Null when absent or expired.
  [[nodiscard]] const Record* Find(std::string_view key) const {
    return FindIn(scene_.database, key);
  }
  // As Find, and counts a hit or a miss.
  [[nodiscard]] const Record* Lookup(std::string_view key) {
    const Record* const record = Find(key);
    (record != nullptr ? context_.stats.keyspace_hits : context_.stats.keyspace_misses).Add();
    return record;
  }
  [[nodiscard]] const Record* FindIn(size_t number, std::string_view key) const {
    const Database* const db = context_.keyspace.Get(number);
    const Record* const record = db == nullptr ? nullptr : db->Find(key);
    return record == nullptr || record->ExpiredAt(now()) ? nullptr : record;
  }
  // Null when there has never been a key.
  [[nodiscard]] const Database* Db() const { return context_.keyspace.Get(scene_.database); }

  // --- Writes.
  [[nodiscard]] const Record* FindForWrite(std::string_view key) {
    return FindForWriteIn(scene_.database, key);
  }
  [[nodiscard]] const Record* FindForWriteIn(size_t number, std::string_view key);
  Database& WritableDb() { return WritableDb(scene_.database); }
  Database& WritableDb(size_t number) {
    KV_CHECK(row_.route == Route::kWrite);
    return context_.keyspace.Open(number);
  }
  Keyspace& WritableKeyspace() {
    KV_CHECK(row_.route == Route::kWrite);
    return context_.keyspace;
  }
  // Removes a key; whether it was there and had not expired.
  bool Remove(std::string_view key) {
    if (FindForWrite(key) == nullptr) return false;
    return WritableDb().Remove(key);
  }

  // False, and the error was written, when the record is there and no string.
  bool WantString(const Record* record) {
    if (record == nullptr || record->is_string()) return true;
    reply.Error(kErrWrongType);
    return false;
  }

 private:
  Context context_;
  const CommandRow& row_;
  Scene scene_;
};

}  // namespace kvorum::store
