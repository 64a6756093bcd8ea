// SPDX-License-Identifier: Apache-2.0
//
// Reads a log directory and decides what is true: which batches count, what may be cut, what is
// corruption. Changes nothing, so recovery and kvorum-tool share it; the rules are argued in wal.h.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "disk/files.h"
#include "disk/segment.h"
#include "disk/vote_file.h"
#include "raft/types.h"

namespace kvorum::disk {

std::string SegmentName(uint64_t sequence);
std::string SpareName(uint64_t number);

// Whose log it must be; nobody's in particular for the tool.
struct LogOwner {
  uint64_t cluster_id = 0;
  NodeId node;
  GroupId group;
};

// The log as the records say it is. Feeding it checks what the core guarantees: indexes without
// gaps, terms that never fall, nothing rewritten below the base.
class LogReplay {
 public:
  // Entries up to `floor` are known to be compacted away later: their payloads are not copied.
  void Start(const SegmentHeader& oldest, Index floor);
  // nullptr, or what is wrong. `segment` counts from 0, the oldest.
  const char* Apply(const Record& record, size_t segment);
  // After the last record: is everything after the base there?
  [[nodiscard]] const char* Finish() const;
  // Does the header of the next segment restate where we are?
  [[nodiscard]] bool Continues(const SegmentHeader& next, uint64_t last_batch) const;

  [[nodiscard]] const raft::SnapshotMeta& base() const { return base_; }
  [[nodiscard]] Index last_index() const { return last_index_; }
  [[nodiscard]] Term last_term() const { return last_term_; }
  [[nodiscard]] Index last_live(size_t segment) const;
  std::vector<raft::Entry>& entries() { return entries_; }

 private:
  const char* ApplyEntry(const Record& record, size_t segment);
  const char* ApplyBase(const Record& record);
  [[nodiscard]] std::optional<Term> TermAt(Index index) const;
  void NoteLive(Index index, size_t segment);

  raft::SnapshotMeta base_;
  Index last_index_;
  Term last_term_;
  Index floor_;
  std::vector<raft::Entry> entries_;  // what was read of base..last, contiguous up to last
  std::vector<Index> last_live_;
};

struct LogContents {
  struct Segment {
    SegmentHeader header;
    uint64_t file_bytes = 0;
    uint64_t used_bytes = 0;  // up to the last batch that is proven durable
    Index last_live;
  };
  bool fresh = false;                  // nothing was ever written here
  bool half_created = false;           // ... but a first start was interrupted
  std::vector<Segment> segments;       // oldest first
  std::vector<std::string> leftovers;  // names of superseded segments and temporary files
  std::vector<uint64_t> spares;        // numbers of spare segments
  VoteContents vote;

  uint64_t durable_batch = 0;  // the last one that is proven durable
  SegmentHeader next;          // the state there, as a next segment has to state it
  // Bodies of the records behind it that verify, in order. Views into last_segment.
  std::vector<std::string_view> unproven;
  std::unique_ptr<std::string> last_segment;

  raft::SnapshotMeta base;
  std::vector<raft::Entry> entries;
  uint64_t last_batch = 0;
  Index last_index;
  Term last_term;
  bool shorter_than_witness = false;
  std::string note;
};

// Called for each record that counts, commit records included.
using RecordVisitor = std::function<void(const std::string& file, const Record& record)>;

// kCorrupt with file and offset, kInvalid for somebody else's log (when `owner` is given).
Status ReadLog(Files& files, const std::string& dir, const LogOwner* owner,
               const RecordVisitor* visitor, LogContents* out);

}  // namespace kvorum::disk
