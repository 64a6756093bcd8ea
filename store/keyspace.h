// SPDX-License-Identifier: Apache-2.0
//
// The numbered databases, the log's clock, the feature level, and what is shared between databases:
// the hash, the running snapshot, and the dropped databases that wait to be freed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/time.h"
#include "store/database.h"
#include "store/feature.h"
#include "store/snapshot_writer.h"

namespace kvorum::store {

class Keyspace {
 public:
  Keyspace(const KeyHash& key_hash, int databases)
      : key_hash_(key_hash), databases_(static_cast<size_t>(databases)) {}
  Keyspace(const Keyspace&) = delete;
  Keyspace& operator=(const Keyspace&) = delete;

  [[nodiscard]] int databases() const { return static_cast<int>(databases_.size()); }
  // Null: it has never had a key, or was dropped.
  [[nodiscard]] const Database* Get(size_t number) const { return databases_[number].get(); }
  // Makes it if need be.
  Database& Open(size_t number);

  // FLUSHDB: the object goes to the dropped ones, whatever its size, in constant time.
  void Drop(size_t number);
  void Swap(size_t a, size_t b) { databases_[a].swap(databases_[b]); }

  [[nodiscard]] UnixMs log_time() const { return log_time_; }
  void AdvanceTime(UnixMs time) {
    if (time > log_time_) log_time_ = time;
  }
  [[nodiscard]] FeatureLevel feature_level() const { return feature_level_; }
  void RaiseFeatureLevel(FeatureLevel level) {
    if (level > feature_level_) feature_level_ = level;
  }
  [[nodiscard]] std::optional<UnixMs> next_deadline() const;
  // Removes keys whose deadline has come, in order of (deadline, database, key), at most `limit`;
  // returns how many.
  size_t RemoveExpired(size_t limit);

  SnapshotWriter& snapshot() { return snapshot_; }
  [[nodiscard]] const SnapshotWriter& snapshot() const { return snapshot_; }
  void BeginSnapshot() { snapshot_.Begin(databases_, log_time_, feature_level_); }

  // Takes all databases of `old`, to be freed in slices.
  void Inherit(Keyspace& old);
  // Frees about `budget` records of dropped databases; true while there is more to free.
  bool FreeSome(size_t budget);

  // Nothing is loaded into it any more.
  void WantHugePages() { heap_->WantHugePages(); }

  [[nodiscard]] size_t MemoryBytes() const;
  [[nodiscard]] uint64_t Digest() const;
  [[nodiscard]] uint64_t DigestOfSlots(uint32_t first, uint32_t count) const;

 private:
  // Where the earliest deadline is; the lower number among equals.
  [[nodiscard]] Database* EarliestDeadline() const;

  KeyHash key_hash_;
  // Before the databases: they refer to it.
  SnapshotWriter snapshot_;
  std::shared_ptr<RecordHeap> heap_ = std::make_shared<RecordHeap>();
  std::vector<std::unique_ptr<Database>> databases_;
  std::vector<std::unique_ptr<Database>> dropped_;
  UnixMs log_time_ = 0;
  FeatureLevel feature_level_ = kFirstFeatureLevel;
};

}  // namespace kvorum::store
