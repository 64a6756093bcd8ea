// SPDX-License-Identifier: Apache-2.0
#include "store/snapshot_writer.h"

#include <algorithm>

#include "base/check.h"
#include "store/snapshot_format.h"

namespace kvorum::store {

namespace {
constexpr uint32_t kMaxAbortedInARow = 60000;
// What a step charges for looking at a page, so that a stretch that writes have saved already does
// not become one long step.
constexpr size_t kPageCostBytes = 64;
// Fetched together: a record that is not in the cache costs several times its serialization.
constexpr size_t kPagesAhead = 8;
static_assert(kMaxAbortedInARow < UINT16_MAX);
}  // namespace

void SnapshotWriter::Begin(std::span<const std::unique_ptr<Database>> databases, UnixMs log_time,
                           FeatureLevel level) {
  KV_CHECK(!running_);
  if (aborted_in_a_row_ >= kMaxAbortedInARow) ForgetEpochs(databases);
  running_ = true;
  ++epoch_;
  parts_.clear();
  for (size_t i = 0; i < databases.size(); ++i) {
    if (databases[i] == nullptr) continue;
    parts_.push_back({databases[i].get(), static_cast<uint8_t>(i)});
  }
  part_ = 0;
  position_ = {};
  records_ = 0;
  side_.clear();
  AppendSnapshotHeader(side_, {log_time, static_cast<uint32_t>(databases.size()), level});
}

void SnapshotWriter::ForgetEpochs(std::span<const std::unique_ptr<Database>> databases) {
  for (const auto& database : databases) {
    if (database == nullptr) continue;
    database->ForEach([this](Record* record) { record->set_epoch(epoch_); });
  }
  aborted_in_a_row_ = 0;
}

void SnapshotWriter::Serialize(const Part& part, Record* record, std::string& out) {
  AppendSnapshotRecord(out, part.number, *record);
  record->set_epoch(epoch_);
  ++records_;
}

void SnapshotWriter::Save(const Database& database, Record* record) {
  for (const Part& part : parts_) {
    if (part.database != &database) continue;
    Serialize(part, record, side_);
    ++saved_by_writes_;
    return;
  }
  // A database that was made after the cut has no record of an older epoch.
  CheckFailed(__FILE__, __LINE__, "database is part of the cut", {});
}

bool SnapshotWriter::Step(size_t budget_bytes, std::string& out) {
  KV_CHECK(running_);
  const size_t end = out.size() + budget_bytes;
  size_t looked_at = 0;
  out.append(side_);
  side_.clear();
  if (side_.capacity() > 4 * budget_bytes) side_.shrink_to_fit();
  while (part_ < parts_.size()) {
    const Part& part = parts_[part_];
    for (size_t page = 0; !position_.AtEnd(); ++page) {
      if (out.size() + looked_at >= end) return true;
      looked_at += kPageCostBytes;
      if (page % kPagesAhead == 0) part.database->PrefetchPages(position_, kPagesAhead);
      // A page may be left half done: its records say which ones are.
      bool whole_page = true;
      Database::Position next = position_;
      part.database->VisitPage(next, [&](Record* record) {
        if (record->epoch() == epoch_) return;
        if (out.size() >= end) {
          whole_page = false;
          return;
        }
        Serialize(part, record, out);
      });
      if (!whole_page) return true;
      position_ = next;
    }
    ++part_;
    position_ = {};
  }
  AppendSnapshotEnd(out, records_);
  running_ = false;
  parts_.clear();
  aborted_in_a_row_ = 0;
  ++completed_;
  return false;
}

void SnapshotWriter::Abort() {
  if (!running_) return;
  running_ = false;
  parts_.clear();
  side_ = {};
  ++aborted_in_a_row_;
}

bool SnapshotWriter::Holds(const Database& database) const {
  return std::any_of(parts_.begin() + static_cast<ptrdiff_t>(running_ ? part_ : parts_.size()),
                     parts_.end(), [&](const Part& part) { return part.database == &database; });
}

}  // namespace kvorum::store
