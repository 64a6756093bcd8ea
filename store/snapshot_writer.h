// SPDX-License-Identifier: Apache-2.0
//
// A snapshot of the keyspace while writes go on, without fork and without copying tables.
//
// The cut is made by counting: Begin raises the epoch. A record whose epoch is older belongs to the
// cut and was not serialized yet; one that has the current epoch either was, or was made after the
// cut. The walk visits the databases that existed at the cut in hash order and serializes what is
// old. A write that is about to change or remove an old record serializes it first, into a side
// buffer that the next step hands out. So:
//
// - every record of the cut appears exactly once, in the state it had at the cut;
// - a write pays for the one record it changes, never for its neighbours: the unit of
//   copy-on-write is the record. A page would be the cheaper mark, but 27 values of 64 MiB
//   would then be serialized by a write to one of them;
// - splits and merges of pages need no care: a record keeps its epoch wherever it moves, and the
//   walk's position is a hash;
// - FLUSHALL and SWAPDB need little: the walk holds the database objects and the numbers they had
//   at the cut, and a dropped database is not freed before the walk is through with it.
//
// The epoch has 16 bits. A completed snapshot leaves all records at the current epoch, so an old
// one is never more than the number of consecutive aborted snapshots behind; before that number
// can wrap, all records are marked anew (ForgetEpochs).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/stats.h"
#include "base/time.h"
#include "store/database.h"
#include "store/feature.h"

namespace kvorum::store {

class SnapshotWriter {
 public:
  [[nodiscard]] uint16_t epoch() const { return epoch_; }
  [[nodiscard]] bool running() const { return running_; }

  // `databases[i]` is database i at the cut, null when it has never had a key.
  void Begin(std::span<const std::unique_ptr<Database>> databases, UnixMs log_time,
             FeatureLevel level);
  // Appends the next part; false when the stream ends with it.
  bool Step(size_t budget_bytes, std::string& out);
  void Abort();

  // Called by a database before it changes or removes a record of its own.
  void BeforeChange(const Database& database, Record* record) {
    if (running_ && record->epoch() != epoch_) Save(database, record);
  }
  // Whether the walk still needs a database that was dropped from the keyspace.
  [[nodiscard]] bool Holds(const Database& database) const;

  // Of all snapshots.
  [[nodiscard]] uint64_t saved_by_writes() const { return saved_by_writes_; }
  [[nodiscard]] uint64_t completed() const { return completed_; }

 private:
  struct Part {
    const Database* database;
    uint8_t number;  // at the cut
  };

  void Save(const Database& database, Record* record);
  void Serialize(const Part& part, Record* record, std::string& out);
  void ForgetEpochs(std::span<const std::unique_ptr<Database>> databases);

  bool running_ = false;
  uint16_t epoch_ = 0;
  uint32_t aborted_in_a_row_ = 0;
  std::vector<Part> parts_;
  size_t part_ = 0;  // of the walk
  Database::Position position_;
  std::string side_;  // what writes saved, and the header
  uint64_t records_ = 0;
  uint64_t saved_by_writes_ = 0;
  uint64_t completed_ = 0;
};

}  // namespace kvorum::store
