// SPDX-License-Identifier: Apache-2.0
#include "raft/core.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "raft/limits.h"

namespace kvorum::raft {

void Output::Clear() {
  save.hard_state.reset();
  save.reset_to.reset();
  save.entries.clear();
  send_now.clear();
  send_durable.clear();
  reads.clear();
  snapshots.clear();
  restore.reset();
}

Core::Core(const Options& options, Restart restart, Micros now)
    : options_(options),
      rng_(options.seed),
      timeout_us_(options.election_timeout_us),
      now_(now),
      hard_state_(restart.hard_state),
      log_(restart.base_index, restart.base_term, std::move(restart.entries)),
      commit_(std::max(restart.base_index, restart.snapshot.index)),
      applied_(restart.snapshot.index),
      snapshot_(std::move(restart.snapshot)),
      configurations_{snapshot_.index == Index()
                          ? ConfigurationEntry{Index(), options.bootstrap}
                          : ConfigurationEntry{snapshot_.index, snapshot_.configuration}},
      vote_barrier_(restart.vote_barrier),
      promise_until_(now + PromiseUs()),
      role_(Follower{.leader = NodeId(), .heard_at = now, .deadline = now + RandomTimeout()}) {
  KV_CHECK(IsValid(options_.bootstrap) && IsValid(configuration()));
  for (Index i = std::max(snapshot_.index, log_.base_index()) + 1; i <= log_.last_index(); ++i) {
    NoteEntry(log_.At(i));
  }
  KV_CHECK(commit_ <= log_.last_index());
  KV_CHECK(log_.last_term() <= hard_state_.term);
  uncommitted_bytes_ = log_.BytesAfter(commit_);
  if (configuration().IsSoleVoter(options_.id) && MayCampaign()) {
    StartElection(Campaign::kVote, 0);
  }
}

void Core::Tick(Micros now) {
  KV_CHECK(now >= now_);
  const Micros late = now - NextWakeup();
  now_ = now;
  NoticeLateness(late);
  switch (role()) {
    case RoleKind::kFollower:
      TickFollower(std::get<Follower>(role_));
      break;
    case RoleKind::kCandidate: {
      const Candidate& candidate = std::get<Candidate>(role_);
      if (now_ < candidate.deadline) break;
      // Votes wait for disks, and these may be too slow for what is in force.
      if (!candidate.pre && now_ >= candidate.evidence_until) SetTimeout(2 * timeout_us_);
      StartElection(Campaign::kPreVote, candidate.evidence_until);
      break;
    }
    case RoleKind::kLeader:
      TickLeader(std::get<Leader>(role_));
      break;
  }
}

void Core::Step(NodeId from, const Message& message) {
  // Strangers are heard (4.1): the sender may belong to a configuration that is not here yet. Which
  // nodes can speak to this one at all is the transport's business.
  if (from == options_.id || from == NodeId()) return;
  std::visit(
      [&](const auto& m) {
        using M = std::decay_t<decltype(m)>;
        if constexpr (std::is_same_v<M, PreVote>) {
          OnPreVote(from, m);
        } else if constexpr (std::is_same_v<M, PreVoteReply>) {
          OnVoteReply(from, m.term, m.granted, true);
        } else if constexpr (std::is_same_v<M, Vote>) {
          OnVote(from, m);
        } else if constexpr (std::is_same_v<M, VoteReply>) {
          OnVoteReply(from, m.term, m.granted, false);
        } else if constexpr (std::is_same_v<M, Append>) {
          OnAppend(from, m);
        } else if constexpr (std::is_same_v<M, AppendReply>) {
          OnAppendReply(from, m);
        } else if constexpr (std::is_same_v<M, Heartbeat>) {
          OnHeartbeat(from, m);
        } else if constexpr (std::is_same_v<M, HeartbeatReply>) {
          OnHeartbeatReply(from, m);
        } else if constexpr (std::is_same_v<M, TimeoutNow>) {
          OnTimeoutNow(from, m);
        } else if constexpr (std::is_same_v<M, MatchLost>) {
          OnMatchLost(from, m);
        } else if constexpr (std::is_same_v<M, InstallSnapshotReply>) {
          OnInstallSnapshotReply(from, m);
        } else {
          // What the replica carries: snapshots and read points.
          static_assert(std::is_same_v<M, InstallSnapshot> || std::is_same_v<M, ReadIndex> ||
                        std::is_same_v<M, ReadIndexReply>);
          if constexpr (std::is_same_v<M, InstallSnapshot>) AcceptSnapshotPiece(from, m);
        }
      },
      message);
}

ProposeResult Core::Propose(Payload batch) {
  if (!IsLeader() || IsTransferring()) return ProposeError::kNotLeader;
  if (uncommitted_bytes_ > 0 && uncommitted_bytes_ + batch.size() > kMaxUncommittedBytes) {
    return ProposeError::kOverloaded;
  }
  uncommitted_bytes_ += batch.size();
  log_.Append({hard_state_.term, log_.last_index() + 1, EntryType::kBatch, std::move(batch)});
  return Proposed{hard_state_.term, log_.last_index()};
}

void Core::Persisted(BatchNumber number) {
  KV_CHECK(number <= last_batch_);
  log_.Persisted(number);
  if (IsLeader()) MaybeCommit();
  auto* candidate = std::get_if<Candidate>(&role_);
  if (candidate != nullptr && !candidate->pre && number >= candidate->vote_batch &&
      candidate->granted.empty()) {  // a reply comes only after it was asked for, which is now
    candidate->granted.push_back(options_.id);
    CheckVotes();
  }
}

void Core::Applied(Index index) {
  KV_CHECK(index >= applied_ && index <= commit_);
  applied_ = index;
}

void Core::SnapshotSaved(const SnapshotMeta& meta, Index compact_to) {
  KV_CHECK(meta.index <= applied_ && compact_to <= meta.index);
  if (meta.index > snapshot_.index) snapshot_ = meta;
  if (compact_to > log_.base_index()) log_.CompactTo(compact_to);
  ForgetOldConfigurations();
}

void Core::Take(Output& out) {
  out.Clear();
  if (IsLeader()) TakeLeader(std::get<Leader>(role_), out);

  if (hard_state_dirty_) out.save.hard_state = hard_state_;
  hard_state_dirty_ = false;
  out.save.reset_to = std::exchange(reset_to_, std::nullopt);
  if (out.save.hard_state || out.save.reset_to || log_.HasUnsaved()) {
    ++last_batch_;
    log_.TakeUnsaved(last_batch_, out.save.entries);
  }
  out.save.number = last_batch_;
  out.restore = std::exchange(restore_, std::nullopt);
  out.send_now.insert(out.send_now.end(), std::make_move_iterator(send_now_.begin()),
                      std::make_move_iterator(send_now_.end()));
  out.send_durable.swap(send_durable_);
  send_now_.clear();
}

Micros Core::NextWakeup() const {
  if (const auto* follower = std::get_if<Follower>(&role_)) return follower->deadline;
  if (const auto* candidate = std::get_if<Candidate>(&role_)) return candidate->deadline;
  return std::get<Leader>(role_).heartbeat_at;
}

NodeId Core::leader() const {
  if (IsLeader()) return options_.id;
  const auto* follower = std::get_if<Follower>(&role_);
  return follower != nullptr && !follower->leader_lost ? follower->leader : NodeId();
}

Index Core::known_commit() const {
  const auto* follower = std::get_if<Follower>(&role_);
  return follower == nullptr ? commit_ : std::max(commit_, follower->leader_commit);
}

Micros Core::heard_at() const {
  const auto* follower = std::get_if<Follower>(&role_);
  return follower == nullptr ? now_ : follower->heard_at;
}

bool Core::IsTransferring() const {
  const auto* leader = std::get_if<Leader>(&role_);
  return leader != nullptr && leader->transfer.has_value();
}

size_t Core::progress_count() const {
  const auto* leader = std::get_if<Leader>(&role_);
  return leader == nullptr ? 0 : leader->peers.size();
}

const Progress* Core::ProgressOf(NodeId peer) const {
  const auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) return nullptr;
  for (const Peer& p : leader->peers) {
    if (p.id == peer) return &p.progress;
  }
  return nullptr;
}

void Core::SetHardState(Term term, NodeId vote) {
  KV_CHECK(term >= hard_state_.term);
  const HardState next{term, vote};
  if (next == hard_state_) return;
  hard_state_ = next;
  hard_state_dirty_ = true;
}

void Core::SendNow(NodeId to, Message message) { send_now_.push_back({to, std::move(message)}); }

void Core::SendDurable(NodeId to, Message message) {
  send_durable_.push_back({to, std::move(message)});
}

}  // namespace kvorum::raft
