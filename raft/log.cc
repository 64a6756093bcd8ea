// SPDX-License-Identifier: Apache-2.0
#include "raft/log.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace kvorum::raft {

Log::Log(Index base_index, Term base_term, std::vector<Entry> entries)
    : base_index_(base_index),
      base_term_(base_term),
      durable_(base_index),
      unsaved_(base_index + 1) {
  for (Entry& entry : entries) Append(std::move(entry));
  durable_ = last_index();
  unsaved_ = last_index() + 1;
}

Term Log::TermAt(Index index) const { return index == base_index_ ? base_term_ : At(index).term; }

const Entry& Log::At(Index index) const {
  KV_CHECK(index > base_index_ && index <= last_index());
  return entries_[index - base_index_ - 1];
}

bool Log::Matches(Index index, Term term) const {
  return index >= base_index_ && index <= last_index() && TermAt(index) == term;
}

bool Log::IsUpToDate(Index index, Term term) const {
  if (term != last_term()) return term > last_term();
  return index >= last_index();
}

Index Log::LastPossibleMatch(Index index, Term term) const {
  index = std::min(index, last_index());
  while (index > base_index_ && TermAt(index) > term) index = index - 1;
  return std::max(index, base_index_);
}

size_t Log::BytesAfter(Index from) const {
  size_t bytes = 0;
  for (Index i = std::max(from, base_index_) + 1; i <= last_index(); ++i) {
    bytes += At(i).payload.size();
  }
  return bytes;
}

void Log::Slice(Index first, size_t max_entries, size_t max_bytes, std::vector<Entry>& out) const {
  size_t bytes = 0;
  for (Index i = first; i <= last_index() && out.size() < max_entries; ++i) {
    const Entry& entry = At(i);
    if (!out.empty() && bytes + entry.payload.size() > max_bytes) break;
    bytes += entry.payload.size();
    out.push_back(entry);
  }
}

void Log::Append(Entry entry) {
  KV_CHECK(entry.index == last_index() + 1);
  KV_CHECK(entry.term >= last_term());
  bytes_ += entry.payload.size();
  entries_.push_back(std::move(entry));
}

void Log::TruncateFrom(Index index) {
  KV_CHECK(index > base_index_);
  while (last_index() >= index) {
    bytes_ -= entries_.back().payload.size();
    entries_.pop_back();
  }
  const Index last = index - 1;
  durable_ = std::min(durable_, last);
  unsaved_ = std::min(unsaved_, index);
  for (InFlight& save : in_flight_) save.last = std::min(save.last, last);
}

void Log::CompactTo(Index index) {
  KV_CHECK(index >= base_index_ && index <= last_index());
  // What the disk has not got yet stays: it must still reach it.
  if (index >= unsaved_) index = unsaved_ - 1;
  while (base_index_ < index) {
    base_term_ = entries_.front().term;
    bytes_ -= entries_.front().payload.size();
    entries_.pop_front();
    ++base_index_;
  }
  durable_ = std::max(durable_, base_index_);
}

void Log::Reset(Index index, Term term) {
  entries_.clear();
  bytes_ = 0;
  base_index_ = index;
  base_term_ = term;
  durable_ = index;
  unsaved_ = index + 1;
  in_flight_.clear();
}

void Log::TakeUnsaved(BatchNumber number, std::vector<Entry>& out) {
  if (!HasUnsaved()) return;
  for (Index i = unsaved_; i <= last_index(); ++i) out.push_back(At(i));
  unsaved_ = last_index() + 1;
  in_flight_.push_back({number, last_index()});
}

void Log::Persisted(BatchNumber number) {
  while (!in_flight_.empty() && in_flight_.front().number <= number) {
    durable_ = std::max(durable_, in_flight_.front().last);
    in_flight_.pop_front();
  }
}

}  // namespace kvorum::raft
