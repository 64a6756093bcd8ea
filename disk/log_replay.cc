// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "disk/log_reader.h"

namespace kvorum::disk {

void LogReplay::Start(const SegmentHeader& oldest, Index floor) {
  base_ = oldest.base;
  last_index_ = oldest.last_index;
  last_term_ = oldest.last_term;
  floor_ = floor;
}

const char* LogReplay::Apply(const Record& record, size_t segment) {
  switch (record.type) {
    case RecordType::kEntry:
      return ApplyEntry(record, segment);
    case RecordType::kBase:
      return ApplyBase(record);
    case RecordType::kCommit:
      return nullptr;
  }
  return "a record of an unknown type";
}

std::optional<Term> LogReplay::TermAt(Index index) const {
  if (index == last_index_) return last_term_;
  if (index == base_.index) return base_.term;
  if (entries_.empty() || index < entries_.front().index || index > entries_.back().index) {
    return std::nullopt;
  }
  return entries_[index - entries_.front().index].term;
}

void LogReplay::NoteLive(Index index, size_t segment) {
  if (last_live_.size() <= segment) last_live_.resize(segment + 1);
  for (Index& live : last_live_) live = std::min(live, index - 1);
  last_live_[segment] = index;
}

Index LogReplay::last_live(size_t segment) const {
  return segment < last_live_.size() ? last_live_[segment] : Index();
}

const char* LogReplay::ApplyEntry(const Record& record, size_t segment) {
  if (record.index <= base_.index) return "an entry below the start of the log";
  if (record.index > last_index_ + 1) return "entries are missing before this one";
  if (const std::optional<Term> before = TermAt(record.index - 1); before > record.term) {
    return "an entry whose term is below the one before it";
  }
  while (!entries_.empty() && entries_.back().index >= record.index) entries_.pop_back();
  raft::Entry entry;
  entry.term = record.term;
  entry.index = record.index;
  entry.type = record.entry_type;
  if (record.index > floor_) entry.payload = Payload(record.payload);
  entries_.push_back(std::move(entry));
  last_index_ = record.index;
  last_term_ = record.term;
  NoteLive(record.index, segment);
  return nullptr;
}

const char* LogReplay::ApplyBase(const Record& record) {
  if (record.base.index < base_.index) return "the start of the log moves back";
  if (record.reset) {
    base_ = record.base;
    last_index_ = base_.index;
    last_term_ = base_.term;
    entries_.clear();
    std::fill(last_live_.begin(), last_live_.end(), Index());
    return nullptr;
  }
  if (record.base.index > last_index_) return "the start of the log is behind its end";
  if (const std::optional<Term> term = TermAt(record.base.index); term.has_value()) {
    if (*term != record.base.term) return "a base of another term";
  } else {
    // That entry was in a segment that is gone: its term is not known, only what it is between.
    const Term after = entries_.empty() ? last_term_ : entries_.front().term;
    if (record.base.term < base_.term || record.base.term > after) {
      return "a base whose term does not fit between its neighbors";
    }
  }
  base_ = record.base;
  const auto kept = std::find_if(entries_.begin(), entries_.end(),
                                 [&](const raft::Entry& e) { return e.index > base_.index; });
  entries_.erase(entries_.begin(), kept);
  return nullptr;
}

const char* LogReplay::Finish() const {
  if (last_index_ < base_.index) return "the log ends before it starts";
  if (last_index_ == base_.index) return nullptr;
  if (entries_.empty() || entries_.front().index != base_.index + 1) {
    return "segments with the first entries are missing";
  }
  return nullptr;
}

bool LogReplay::Continues(const SegmentHeader& next, uint64_t last_batch) const {
  return next.last_batch == last_batch && next.last_index == last_index_ &&
         next.last_term == last_term_ && next.base == base_;
}

}  // namespace kvorum::disk
