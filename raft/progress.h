// SPDX-License-Identifier: Apache-2.0
//
// What a leader knows of one follower, and how fast it may send to it.
//
//              ack of what was probed
//      Probe --------------------------> Replicate     window of messages and bytes, no waiting
//        ^  <--------------------------      |
//        |     reject, lost link, silence    |
//        |                                   | the log no longer reaches back to `next`
//        |     delivered or failed           v
//        +------------------------------- Snapshot      the replica streams; the core waits
#pragma once

#include <deque>

#include "base/ids.h"
#include "base/time.h"
#include "raft/round_trip.h"

namespace kvorum::raft {

class Progress {
 public:
  enum class State : uint8_t { kProbe, kReplicate, kSnapshot };

  Progress(Index next, Micros now) : next_(next), last_heard_(now) {}

  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] Index match() const { return match_; }
  [[nodiscard]] Index next() const { return next_; }
  // What was sent in later rounds was sent to somebody who had acknowledged match().
  [[nodiscard]] Round match_round() const { return match_round_; }
  // What it has acknowledged and then lost: the highest match before Forget; none: it has it again.
  [[nodiscard]] Index lost() const { return match_ < lost_ ? lost_ : Index(); }
  [[nodiscard]] Round acked_round() const { return acked_round_; }
  [[nodiscard]] Micros last_heard() const { return last_heard_; }
  [[nodiscard]] Index snapshot_index() const { return snapshot_index_; }
  [[nodiscard]] size_t inflight_messages() const { return inflight_.size(); }
  [[nodiscard]] size_t inflight_bytes() const { return inflight_bytes_; }
  [[nodiscard]] Index told_commit() const { return told_commit_; }
  [[nodiscard]] Micros round_trip() const { return round_trip_; }    // of the newest heartbeat
  [[nodiscard]] const RoundTrip& beat() const { return beat_; }      // of heartbeats
  [[nodiscard]] const RoundTrip& append() const { return append_; }  // until entries are durable

  [[nodiscard]] uint8_t priority() const { return priority_; }

  void Heard(Micros now) { last_heard_ = now; }
  void Wishes(uint8_t priority) { priority_ = priority; }
  void ToldCommit(Index commit) { told_commit_ = commit; }
  // Rounds only move forward: late, duplicated and reordered echoes change nothing.
  void AckRound(Round round) {
    if (round > acked_round_) acked_round_ = round;
  }
  void MeasuredRoundTrip(Micros us) {
    round_trip_ = us;
    beat_.Observe(us);
  }
  // Before Acked.
  void MeasuredAppend(Index match, Micros now);

  // May another AppendEntries with entries be sent?
  [[nodiscard]] bool CanSend() const;
  // One was sent, up to `last` (== next - 1 for an empty probe).
  void Sent(Index last, size_t bytes, Micros now);
  // Everything up to `match` is durable there; `newest` is the round sent last. Returns whether
  // that is news.
  bool Acked(Index match, Round newest);
  // The follower has no entry like ours at `prev_index`. Returns false for a stale reply.
  bool Rejected(Index prev_index, Index next_try);
  // The follower has lost what it once had: nothing is known of it any more. The one way for match
  // to fall; what was committed with its help stays committed.
  void Forget(Index next);
  // A probe may be sent again (a heartbeat was answered, or time has passed).
  void Unpause() { probe_sent_ = false; }
  // The oldest unanswered sending is older than `patience`.
  [[nodiscard]] bool Overdue(Micros now, Micros patience) const;
  [[nodiscard]] Micros oldest_sent() const;

  void BecomeProbe();
  void BecomeSnapshot(Index index);

 private:
  struct Sending {
    Index last;
    size_t bytes;
    Micros at;
  };

  State state_ = State::kProbe;
  bool probe_sent_ = false;
  Index match_;           // durable on the follower; grows in a term, but for Forget
  Index lost_;            // highest match_ that was forgotten
  Index next_;            // first index to send; match_ < next_
  Index told_commit_;     // highest commit index sent
  Index snapshot_index_;  // kSnapshot: what is being delivered
  Round acked_round_;
  Round match_round_;
  Micros last_heard_;
  uint8_t priority_ = 0;  // not known yet: nobody hands over to it for that
  Micros probe_sent_at_ = 0;
  Micros round_trip_ = 0;
  RoundTrip beat_;
  RoundTrip append_;
  std::deque<Sending> inflight_;  // kReplicate only
  size_t inflight_bytes_ = 0;     // sum over inflight_
};

}  // namespace kvorum::raft
