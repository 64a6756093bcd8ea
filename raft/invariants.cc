// SPDX-License-Identifier: Apache-2.0
#include "raft/invariants.h"

#include "base/check.h"
#include "raft/limits.h"

namespace kvorum::raft {

void InvariantChecker::Check(const Core& core) {
  // 3.4 and 3.8: terms grow, a vote in a term is never changed.
  KV_CHECK(core.term() >= hard_state_.term);
  if (core.term() == hard_state_.term && hard_state_.vote != NodeId()) {
    KV_CHECK(core.vote() == hard_state_.vote);
  }
  KV_CHECK(core.commit() >= commit_);
  KV_CHECK(core.applied() >= applied_);
  CheckLog(core);
  CheckConfiguration(core);
  if (core.IsLeader()) {
    CheckLeader(core);
    // 3.5, leader append-only: a leader never removes from its own log.
    if (was_leader_ && leader_term_ == core.term())
      KV_CHECK(core.log().last_index() >= leader_last_);
  }
  if (core.role() == RoleKind::kCandidate && !std::get<Core::Candidate>(core.role_).pre) {
    KV_CHECK(core.vote() == core.id());
  }
  hard_state_ = {core.term(), core.vote()};
  commit_ = core.commit();
  applied_ = core.applied();
  was_leader_ = core.IsLeader();
  leader_term_ = core.term();
  leader_last_ = core.log().last_index();
}

void InvariantChecker::CheckLog(const Core& core) {
  const Log& log = core.log();
  KV_CHECK(log.base_index() <= log.durable_index() && log.durable_index() <= log.last_index());
  KV_CHECK(log.base_index() <= core.commit() && core.commit() <= log.last_index());
  KV_CHECK(core.applied() <= core.commit());
  KV_CHECK(core.snapshot().index <= core.applied());
  KV_CHECK(log.base_index() <= core.snapshot().index);
  KV_CHECK(log.last_term() <= core.term());
  // Only the newest entries can have changed since the last check.
  if (log.last_index() == seen_last_ && log.last_term() == seen_term_) return;
  seen_last_ = log.last_index();
  seen_term_ = log.last_term();
  Term term = log.last_term();
  size_t looked_at = 0;
  for (Index i = log.last_index(); i > log.base_index() && looked_at < 16; i = i - 1, ++looked_at) {
    KV_CHECK(log.At(i).index == i);
    KV_CHECK(log.At(i).term <= term && log.At(i).term > Term());
    term = log.At(i).term;
  }
}

// 4.1: what is in force is the newest of the log.
void InvariantChecker::CheckConfiguration(const Core& core) {
  Index previous;
  for (const auto& [index, configuration] : core.configurations_) {
    KV_CHECK(IsValid(configuration));
    KV_CHECK(index <= core.log().last_index());
    KV_CHECK(previous == Index() || index > previous);
    previous = index;
  }
  const Index newest = core.configuration_index();
  if (newest > core.log().base_index() && newest > core.snapshot().index) {
    KV_CHECK(core.log().At(newest).type == EntryType::kConfig);
  }
  if (core.log().last_index() > newest) {
    KV_CHECK(core.log().last_index() == core.log().base_index() ||
             core.log().At(core.log().last_index()).type != EntryType::kConfig);
  }
}

void InvariantChecker::CheckLeader(const Core& core) {
  const auto& leader = std::get<Core::Leader>(core.role_);
  const Log& log = core.log();
  KV_CHECK(core.vote() == core.id());
  KV_CHECK(leader.term_start > log.base_index() || core.commit() >= leader.term_start);
  if (leader.term_start > log.base_index()) {
    KV_CHECK(log.TermAt(leader.term_start) == core.term());
  }
  size_t uncommitted = 0;
  if (log.last_index() - core.commit() < 16) {
    uncommitted = log.BytesAfter(core.commit());
    KV_CHECK(uncommitted == core.uncommitted_bytes());
  }
  // 4.3: what this leader changes it changes step by step, each committed before the next one, and
  // not before an entry of its own term is (the bug of 2015).
  const auto& configurations = core.configurations_;
  if (configurations.back().index >= leader.term_start) {
    KV_CHECK(core.commit() >= leader.term_start);
    KV_CHECK(configurations.size() < 2 ||
             core.commit() >= configurations[configurations.size() - 2].index);
  }
  KV_CHECK(leader.quorum_round <= leader.round);
  for (const NodeId id : core.configuration().Members()) {
    KV_CHECK(id == core.id() || core.ProgressOf(id) != nullptr);
  }
  for (const auto& peer : leader.peers) {
    const Progress& p = peer.progress;
    KV_CHECK(p.match() < p.next());
    KV_CHECK(p.match() <= log.last_index());
    KV_CHECK(p.next() <= log.last_index() + 1);
    KV_CHECK(p.acked_round() <= leader.round);
    KV_CHECK(p.inflight_messages() <= kMaxInflightMessages);
    if (p.inflight_messages() == 0) KV_CHECK(p.inflight_bytes() == 0);
  }
  Round previous = leader.quorum_round;
  for (const auto& open : leader.open_rounds) {
    KV_CHECK(open.round > previous && open.round <= leader.round);
    previous = open.round;
  }
}

}  // namespace kvorum::raft
