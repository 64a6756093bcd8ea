// SPDX-License-Identifier: Apache-2.0
#include "raft/progress.h"

#include <algorithm>

#include "base/check.h"
#include "raft/limits.h"

namespace kvorum::raft {

bool Progress::CanSend() const {
  switch (state_) {
    case State::kProbe:
      return !probe_sent_;
    case State::kReplicate:
      return inflight_.size() < kMaxInflightMessages && inflight_bytes_ < kMaxInflightBytes;
    case State::kSnapshot:
      return false;
  }
  return false;
}

void Progress::Sent(Index last, size_t bytes, Micros now) {
  if (state_ == State::kProbe) {
    probe_sent_ = true;
    probe_sent_at_ = now;
    return;
  }
  KV_CHECK(state_ == State::kReplicate && last >= next_);
  next_ = last + 1;
  inflight_.push_back({last, bytes, now});
  inflight_bytes_ += bytes;
}

bool Progress::Acked(Index match, Round newest) {
  if (match <= match_ && state_ != State::kProbe) return false;
  const bool news = match > match_;
  if (news) match_round_ = newest;
  match_ = std::max(match_, match);
  next_ = std::max(next_, match_ + 1);
  if (state_ == State::kProbe) {
    state_ = State::kReplicate;
    probe_sent_ = false;
    next_ = match_ + 1;
  } else if (state_ == State::kSnapshot && match_ >= snapshot_index_) {
    BecomeProbe();
  }
  while (!inflight_.empty() && inflight_.front().last <= match_) {
    inflight_bytes_ -= inflight_.front().bytes;
    inflight_.pop_front();
  }
  return news;
}

void Progress::MeasuredAppend(Index match, Micros now) {
  Micros sent = state_ == State::kProbe && probe_sent_ ? probe_sent_at_ : 0;
  for (const Sending& sending : inflight_) {
    if (sending.last > match) break;
    sent = sending.at;
  }
  if (sent != 0) append_.Observe(now - sent);
}

bool Progress::Rejected(Index prev_index, Index next_try) {
  // It has matched there since: a late reply. Unless what follows was not taken for that reason.
  if (prev_index < match_ || (prev_index == match_ && state_ != State::kReplicate)) return false;
  if (state_ == State::kSnapshot) return false;
  if (state_ == State::kProbe && prev_index != next_ - 1) return false;
  BecomeProbe();
  next_ = std::max(match_ + 1, std::min(prev_index, next_try));
  return true;
}

void Progress::Forget(Index next) {
  if (state_ == State::kSnapshot) return;
  BecomeProbe();
  lost_ = std::max(lost_, match_);
  match_ = Index();
  next_ = next;
}

bool Progress::Overdue(Micros now, Micros patience) const {
  if (state_ == State::kProbe) return probe_sent_ && now - probe_sent_at_ >= patience;
  return !inflight_.empty() && now - inflight_.front().at >= patience;
}

Micros Progress::oldest_sent() const {
  if (state_ == State::kProbe) return probe_sent_ ? probe_sent_at_ : 0;
  return inflight_.empty() ? 0 : inflight_.front().at;
}

void Progress::BecomeProbe() {
  // A probe that goes on keeps the position it is at: match_ may say nothing yet.
  if (state_ != State::kProbe) next_ = match_ + 1;
  state_ = State::kProbe;
  probe_sent_ = false;
  inflight_.clear();
  inflight_bytes_ = 0;
}

void Progress::BecomeSnapshot(Index index) {
  BecomeProbe();
  state_ = State::kSnapshot;
  snapshot_index_ = index;
}

}  // namespace kvorum::raft
