// SPDX-License-Identifier: Apache-2.0
//
// Who leads: elections, pre-votes and the promise that makes leases safe.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "raft/core.h"
#include "raft/quorum.h"

namespace kvorum::raft {
namespace {

// Of an election timeout. Members ask for votes two of these apart when the leader falls silent.
constexpr Micros kSilenceSteps = 10;

// A turn that begins later than so much of an election timeout is late.
constexpr Micros kLateParts = 4;

bool AddOnce(std::vector<NodeId>& list, NodeId id) {
  if (std::find(list.begin(), list.end(), id) != list.end()) return false;
  list.push_back(id);
  return true;
}

}  // namespace

Micros Core::RandomTimeout() { return timeout_us_ + rng_.Between(0, timeout_us_ - 1); }

// Among those that would follow `leader`: whoever notices that it is gone does so at the same time
// as the others, and two that ask for votes at once split them (3.4).
Micros Core::Rank(NodeId leader) const {
  // Of every append that is heard: nothing is copied for it.
  const Configuration::Ids& voters = configuration().voters;
  const Configuration::Ids& old_voters = configuration().old_voters;
  const auto before = [&](NodeId id) { return id < options_.id && id != leader; };
  const auto only_before = [&](NodeId id) { return before(id) && !Configuration::Has(voters, id); };
  return std::count_if(voters.begin(), voters.end(), before) +
         std::count_if(old_voters.begin(), old_voters.end(), only_before);
}

Micros Core::PromiseUs() const {
  return options_.lease_us + options_.lease_us * options_.clock_drift_percent / 100;
}

// Voters do. So does who would leave by a configuration that is not known to be committed: its vote
// and its log may be needed until then, by members that have not got that configuration (4.2.2).
bool Core::MayCampaign() const {
  if (!MayVote()) return false;
  for (auto it = configurations_.rbegin(); it != configurations_.rend(); ++it) {
    if (it->configuration.IsVoter(options_.id)) return true;
    if (it->index <= commit_) break;
  }
  return false;
}

// A member that hears the leader does not help to depose it (thesis 4.2.3 and 9.6).
bool Core::LeaderSeemsAlive() const {
  if (IsLeader()) return true;
  const auto* follower = std::get_if<Follower>(&role_);
  if (follower == nullptr || follower->leader == NodeId() || follower->leader_lost) return false;
  return now_ - follower->heard_at < timeout_us_ || now_ < listens_until_;
}

// Who has not run for long has not listened either: what the others said meanwhile waits to be
// read, and their silence is not believed before it was. Once, until turns begin in time again.
void Core::NoticeLateness(Micros late) {
  if (late <= timeout_us_ / kLateParts) {
    late_ = late_ && now_ < listens_until_;
  } else if (!std::exchange(late_, true)) {
    listens_until_ = now_ + options_.heartbeat_us;
  }
}

void Core::BecomeFollower(Term term, NodeId leader) {
  KV_CHECK(term >= hard_state_.term);
  if (term > hard_state_.term) SetHardState(term, NodeId());
  role_ = Follower{.leader = leader, .heard_at = now_, .deadline = now_ + RandomTimeout()};
  if (leader != NodeId()) stats_.leader_changes.Add();
}

void Core::TickFollower(Follower& follower) {
  if (now_ < follower.deadline) return;
  if (!MayCampaign()) {  // the leader is lost all the same, and another one may ask for a vote
    BecomeFollower(hard_state_.term, NodeId());
    return;
  }
  if (now_ < listens_until_ && !follower.leader_lost) {
    follower.deadline = listens_until_;
    return;
  }
  if (now_ < promise_until_) {  // the promise binds this member's own ambition too
    follower.deadline = promise_until_;
    return;
  }
  StartElection(Campaign::kPreVote, follower.evidence_until);
}

void Core::StartElection(Campaign kind, Micros evidence_until) {
  if (!MayCampaign()) {
    BecomeFollower(hard_state_.term, NodeId());
    return;
  }
  const bool pre = kind == Campaign::kPreVote;
  Candidate candidate{.pre = pre, .evidence_until = evidence_until};
  candidate.deadline = now_ + RandomTimeout();
  if (now_ < evidence_until) {
    // On evidence the others will see it any moment: ask again soon, but not for ever. A split vote
    // is tried again as soon as the disks can have answered.
    const Micros soon = options_.evidence_stagger_us * (pre ? 1 : 4);
    candidate.deadline = now_ + soon + rng_.Between(0, soon);
  }
  if (pre) {
    candidate.granted.push_back(options_.id);
  } else {
    stats_.elections_started.Add();
    SetHardState(hard_state_.term + 1, options_.id);
    candidate.vote_batch = last_batch_ + 1;
  }
  role_ = std::move(candidate);
  const Index last = log_.last_index();
  const Term last_term = log_.last_term();
  for (const NodeId voter : configuration().AllVoters()) {
    if (voter == options_.id) continue;
    if (pre) {
      SendNow(voter, PreVote{hard_state_.term + 1, last, last_term});
    } else {
      // The own vote must be durable before anybody answers it (3.8).
      SendDurable(voter, Vote{hard_state_.term, last, last_term, kind == Campaign::kTransfer});
    }
  }
  CheckVotes();
}

void Core::CheckVotes() {
  const Candidate& candidate = std::get<Candidate>(role_);
  if (IsQuorum(configuration(), candidate.granted)) {
    if (candidate.pre) {
      StartElection(Campaign::kVote, candidate.evidence_until);
    } else {
      BecomeLeader();
    }
  } else if (IsBlocked(configuration(), candidate.refused) && now_ >= candidate.evidence_until) {
    BecomeFollower(hard_state_.term, NodeId());
  }
}

void Core::BecomeLeader() {
  Leader leader;
  SyncPeers(leader);
  leader.term_start = log_.last_index() + 1;
  leader.heartbeat_at = now_ + options_.heartbeat_us;
  leader.round_wanted = true;
  role_ = std::move(leader);
  uncommitted_bytes_ = log_.BytesAfter(commit_);
  stats_.elections_won.Add();
  stats_.leader_changes.Add();
  log_.Append({hard_state_.term, log_.last_index() + 1, EntryType::kNoop, Payload()});
}

void Core::OnPreVote(NodeId from, const PreVote& m) {
  const bool grant = m.term > hard_state_.term && log_.IsUpToDate(m.last_index, m.last_term) &&
                     now_ >= promise_until_ && !LeaderSeemsAlive() && MayVote();
  SendNow(from, PreVoteReply{grant ? m.term : hard_state_.term, grant});
}

void Core::OnVote(NodeId from, const Vote& m) {
  // Before the term is looked at: a candidate must not even raise the term of a member that still
  // has a leader or has promised not to vote. The leader's own wish is the exception (4.2.3).
  const bool bound = now_ < promise_until_ || LeaderSeemsAlive();
  if (m.term > hard_state_.term && bound && !m.transfer) return;
  if (m.term > hard_state_.term) BecomeFollower(m.term, NodeId());
  const bool free = hard_state_.vote == NodeId() || hard_state_.vote == from;
  // Somebody who still only asks whether to run may as well vote.
  const auto* follower = std::get_if<Follower>(&role_);
  const auto* candidate = std::get_if<Candidate>(&role_);
  const bool idle = (follower != nullptr && follower->leader == NodeId()) ||
                    (candidate != nullptr && candidate->pre);
  const bool grant = m.term == hard_state_.term && free && idle && (m.transfer || !bound) &&
                     log_.IsUpToDate(m.last_index, m.last_term) && MayVote();
  if (grant) {
    SetHardState(m.term, from);
    BecomeFollower(m.term, NodeId());
  }
  SendDurable(from, VoteReply{hard_state_.term, grant});
}

void Core::OnVoteReply(NodeId from, Term term, bool granted, bool pre) {
  if (term > hard_state_.term && !(pre && granted)) {
    BecomeFollower(term, NodeId());
    return;
  }
  auto* candidate = std::get_if<Candidate>(&role_);
  if (candidate == nullptr || candidate->pre != pre) return;
  if (granted && term != hard_state_.term + (pre ? 1 : 0)) return;  // an older campaign's
  if (!granted && term < hard_state_.term && !pre) return;
  AddOnce(granted ? candidate->granted : candidate->refused, from);
  CheckVotes();
}

void Core::PeerUnreachable(NodeId peer) {
  if (auto* leader = std::get_if<Leader>(&role_)) {
    for (Peer& p : leader->peers) {
      if (p.id == peer && p.progress.state() == Progress::State::kReplicate) {
        p.progress.BecomeProbe();
      }
    }
    return;
  }
  auto* follower = std::get_if<Follower>(&role_);
  if (follower == nullptr || follower->leader != peer || follower->leader_lost) return;
  follower->leader_lost = true;
  follower->evidence_until = now_ + timeout_us_;
  const Micros soon = std::max(now_, promise_until_) + Rank(peer) * options_.evidence_stagger_us +
                      rng_.Between(0, options_.evidence_stagger_us / 4);
  follower->deadline = std::min(follower->deadline, soon);
}

void Core::HeardFromLeader(NodeId from, Term term) {
  auto* follower = std::get_if<Follower>(&role_);
  if (term > hard_state_.term || follower == nullptr || follower->leader == NodeId()) {
    KV_CHECK_MSG(!(IsLeader() && term == hard_state_.term), "two leaders in one term");
    BecomeFollower(term, from);
    follower = &std::get<Follower>(role_);
  }
  KV_CHECK_MSG(follower->leader == from, "two leaders in one term");
  follower->heard_at = now_;
  follower->leader_lost = false;
  // A little more than the timeout, that the others may have missed the leader as long as that.
  const Micros step = timeout_us_ / kSilenceSteps;
  const Micros rank = std::min(Rank(from), kSilenceSteps / 2 - 1);
  follower->deadline = now_ + timeout_us_ + step * (1 + 2 * rank) + rng_.Between(0, step - 1);
  promise_until_ = std::max(promise_until_, now_ + PromiseUs());
}

bool Core::TransferLeadership(NodeId target) {
  auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) return false;
  if (leader->transfer) return target == NodeId() || leader->transfer->target == target;
  const Peer* best = nullptr;
  for (const Peer& p : leader->peers) {
    if (target != NodeId() && p.id != target) continue;
    if (!Configuration::Has(configuration().voters, p.id)) continue;
    if (target == NodeId() && now_ - p.progress.last_heard() > timeout_us_) {
      continue;
    }
    if (best == nullptr || p.progress.match() > best->progress.match()) best = &p;
  }
  if (best == nullptr) return false;
  leader->transfer = Transfer{best->id, now_ + timeout_us_};
  return true;
}

void Core::ContinueTransfer(Leader& leader, Output& out) {
  if (!leader.transfer || leader.transfer->told) return;
  const Peer* target = FindPeer(leader.transfer->target);
  if (target == nullptr || target->progress.match() != log_.last_index()) return;
  // No read may be served on the lease from here on: the target is excused from every promise.
  leader.lease_released = true;
  leader.transfer->told = true;
  out.send_now.push_back({target->id, TimeoutNow{hard_state_.term}});
}

void Core::OnTimeoutNow(NodeId from, const TimeoutNow& m) {
  const auto* follower = std::get_if<Follower>(&role_);
  if (m.term != hard_state_.term || follower == nullptr || follower->leader != from) return;
  StartElection(Campaign::kTransfer, 0);
}

}  // namespace kvorum::raft
