// SPDX-License-Identifier: Apache-2.0
#include "store/keyspace.h"

#include <xxhash.h>

#include <algorithm>
#include <utility>

#include "base/coding.h"
#include "store/snapshot_format.h"

namespace kvorum::store {

Database& Keyspace::Open(size_t number) {
  auto& database = databases_[number];
  if (database == nullptr) database = std::make_unique<Database>(key_hash_, snapshot_, heap_);
  return *database;
}

void Keyspace::Drop(size_t number) {
  if (databases_[number] != nullptr) dropped_.push_back(std::move(databases_[number]));
}

Database* Keyspace::EarliestDeadline() const {
  Database* first = nullptr;
  for (const auto& database : databases_) {
    if (database == nullptr || !database->next_deadline().has_value()) continue;
    if (first == nullptr || *database->next_deadline() < *first->next_deadline()) {
      first = database.get();
    }
  }
  return first;
}

std::optional<UnixMs> Keyspace::next_deadline() const {
  const Database* const first = EarliestDeadline();
  return first == nullptr ? std::nullopt : first->next_deadline();
}

size_t Keyspace::RemoveExpired(size_t limit) {
  for (size_t removed = 0; removed < limit; ++removed) {
    Database* const first = EarliestDeadline();
    if (first == nullptr || *first->next_deadline() > log_time_) return removed;
    first->RemoveFirstDeadline();
  }
  return limit;
}

void Keyspace::Inherit(Keyspace& old) {
  old.snapshot_.Abort();
  for (auto* from : {&old.databases_, &old.dropped_}) {
    for (auto& database : *from) {
      if (database != nullptr) dropped_.push_back(std::move(database));
    }
    from->clear();
  }
}

bool Keyspace::FreeSome(size_t budget) {
  for (auto& database : dropped_) {
    if (snapshot_.Holds(*database)) continue;
    if (database->FreeSome(budget)) {
      // The order of dropped databases means nothing.
      std::swap(database, dropped_.back());
      dropped_.pop_back();
    }
    return !dropped_.empty();
  }
  return false;
}

size_t Keyspace::MemoryBytes() const {
  size_t bytes = 0;
  for (const auto* all : {&databases_, &dropped_}) {
    for (const auto& database : *all) {
      if (database != nullptr) bytes += database->MemoryBytes();
    }
  }
  return bytes;
}

uint64_t Keyspace::Digest() const { return DigestOfSlots(0, kSlots); }

uint64_t Keyspace::DigestOfSlots(uint32_t first, uint32_t count) const {
  std::string bytes;
  PutFixed(bytes, log_time_);
  // The first level has the digest of the release that knew no others: both are compared.
  if (feature_level_ > kFirstFeatureLevel) PutFixed(bytes, feature_level_);
  uint64_t digest = XXH3_64bits(bytes.data(), bytes.size());
  for (size_t i = 0; i < databases_.size(); ++i) {
    if (databases_[i] == nullptr) continue;
    // A sum: replicas with another hash seed visit in another order.
    const auto add = [&](const Record* record) {
      bytes.clear();
      AppendSnapshotRecord(bytes, static_cast<uint8_t>(i), *record);
      digest += XXH3_64bits(bytes.data(), bytes.size());
    };
    const uint32_t end = std::min<uint32_t>(first + count, kSlots);
    databases_[i]->ForEachInSlots(first, end, add);
    databases_[i]->ForEachInSlots(0, first + count - end, add);
  }
  return digest;
}

}  // namespace kvorum::store
