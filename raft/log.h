// SPDX-License-Identifier: Apache-2.0
//
// The log as the core sees it: everything after `base` in memory, and how much of it is durable.
//
//        base                    commit        durable       last
//   ......|--------------------------|-------------|------------|
//   gone    entries_[0] ...                        not yet acknowledged by the disk
//
// The retained log lives in memory whole (docs/decisions/0002): compaction bounds it, so a slow
// peer is served from here or gets a snapshot, and the core never waits for a disk read.
//
// Durability and the A-B-A trap: an index may be written, truncated and written again with another
// entry while the first write is still in flight. Its acknowledgement must not count for the new
// entry. So every save in flight remembers the last index it covers, and a truncation clips those
// that reach beyond it: what an old save says about a cut index is forgotten.
#pragma once

#include <deque>
#include <vector>

#include "base/ids.h"
#include "raft/types.h"

namespace kvorum::raft {

class Log {
 public:
  // `entries` are contiguous from base_index + 1 and durable already.
  Log(Index base_index, Term base_term, std::vector<Entry> entries);

  [[nodiscard]] Index base_index() const { return base_index_; }
  [[nodiscard]] Term base_term() const { return base_term_; }
  [[nodiscard]] Index last_index() const { return base_index_ + entries_.size(); }
  [[nodiscard]] Term last_term() const {
    return entries_.empty() ? base_term_ : entries_.back().term;
  }
  [[nodiscard]] Index durable_index() const { return durable_; }
  [[nodiscard]] size_t bytes() const { return bytes_; }

  // The term at `index`; base_index() <= index <= last_index().
  [[nodiscard]] Term TermAt(Index index) const;
  [[nodiscard]] const Entry& At(Index index) const;
  [[nodiscard]] bool Matches(Index index, Term term) const;
  // 3.6.1: is a log ending at (index, term) at least as complete as this one?
  [[nodiscard]] bool IsUpToDate(Index index, Term term) const;
  // The last index at or below `index` whose term is at most `term`: where two logs may agree.
  [[nodiscard]] Index LastPossibleMatch(Index index, Term term) const;
  // Payload bytes of the entries after `from`.
  [[nodiscard]] size_t BytesAfter(Index from) const;
  // Entries from `first` on, until one of the limits is passed; at least one.
  void Slice(Index first, size_t max_entries, size_t max_bytes, std::vector<Entry>& out) const;

  void Append(Entry entry);
  // Drops every entry at and after `index`.
  void TruncateFrom(Index index);
  // Forgets the prefix up to `index`, which a durable snapshot covers.
  void CompactTo(Index index);
  // A snapshot replaces everything. Nothing is in doubt: the reset itself is saved.
  void Reset(Index index, Term term);

  // Moves what has not been handed to the disk yet into `out`, as part of save `number`.
  void TakeUnsaved(BatchNumber number, std::vector<Entry>& out);
  [[nodiscard]] bool HasUnsaved() const { return unsaved_ <= last_index(); }
  // Saves up to `number` are on disk.
  void Persisted(BatchNumber number);

 private:
  struct InFlight {
    BatchNumber number;
    Index last;
  };

  Index base_index_;
  Term base_term_;
  std::deque<Entry> entries_;
  size_t bytes_ = 0;                // payload bytes of entries_
  Index durable_;                   // base_index_ <= durable_ <= last_index()
  Index unsaved_;                   // first index not handed to the disk
  std::deque<InFlight> in_flight_;  // numbers ascend; every last <= last_index()
};

}  // namespace kvorum::raft
