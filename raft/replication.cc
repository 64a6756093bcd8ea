// SPDX-License-Identifier: Apache-2.0
//
// Getting the leader's log onto the others' disks, and knowing when it is there.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "raft/core.h"
#include "raft/limits.h"
#include "raft/quorum.h"

namespace kvorum::raft {
namespace {

// How soon followers hear that the commit index moved when no entry is about to tell them.
constexpr Micros kCommitNoticeUs = 5'000;
// An election timeout is an order of magnitude above what it takes to hear of each other (thesis
// 3.9).
constexpr Micros kTimeoutRoundTrips = 10;

}  // namespace

// ---- follower -----------------------------------------------------------------------------------

void Core::OnAppend(NodeId from, const Append& m) {
  if (m.term < hard_state_.term) {  // a deposed leader must learn it (3.3)
    SendNow(from, AppendReply{.term = hard_state_.term});
    return;
  }
  HeardFromLeader(from, m.term);
  AppendEntries(m);
}

void Core::AppendEntries(const Append& m) {
  // What a snapshot covers is committed, so it is equal: start behind it.
  Index prev = m.prev_index;
  Term prev_term = m.prev_term;
  size_t skip = 0;
  while (prev < log_.base_index() && skip < m.entries.size()) {
    prev = m.entries[skip].index;
    prev_term = m.entries[skip].term;
    ++skip;
  }
  AppendReply reply{.term = hard_state_.term, .round = m.round};
  if (prev < log_.base_index()) {
    reply.ok = true;
    reply.match = log_.base_index();
    SendDurable(std::get<Follower>(role_).leader, reply);
    return;
  }
  if (!log_.Matches(prev, prev_term)) {
    KV_CHECK_MSG(prev > commit_, "the leader's log contradicts a committed entry");
    RejectAppend(m.prev_index, log_.LastPossibleMatch(prev - 1, prev_term), m.round);
    return;
  }
  Index match = prev;
  for (size_t i = skip; i < m.entries.size(); ++i) {
    const Entry& entry = m.entries[i];
    match = entry.index;
    if (log_.Matches(entry.index, entry.term)) continue;
    if (entry.index <= log_.last_index()) {
      KV_CHECK_MSG(entry.index > commit_, "the leader's log contradicts a committed entry");
      TruncateFrom(entry.index);
    }
    log_.Append(entry);
    NoteEntry(entry);
  }
  auto& follower = std::get<Follower>(role_);
  follower.matched = std::max(follower.matched, match);
  follower.leader_commit = std::max(follower.leader_commit, m.commit);
  CommitTo(std::min(follower.leader_commit, match));
  reply.ok = true;
  reply.match = match;
  SendDurable(follower.leader, reply);
}

void Core::LearnCommit(NodeId from, Term term, Index index) {
  auto* follower = std::get_if<Follower>(&role_);
  if (follower == nullptr || term != hard_state_.term || follower->leader != from) return;
  follower->leader_commit = std::max(follower->leader_commit, index);
  CommitTo(std::min(index, follower->matched));
}

void Core::RejectAppend(Index prev, Index hint, Round round) {
  SendNow(std::get<Follower>(role_).leader, AppendReply{.term = hard_state_.term,
                                                        .round = round,
                                                        .prev_index = prev,
                                                        .hint_index = hint,
                                                        .hint_term = log_.TermAt(hint)});
}

void Core::OnHeartbeat(NodeId from, const Heartbeat& m) {
  if (m.term >= hard_state_.term) {
    SetTimeout(m.timeout_us);
    HeardFromLeader(from, m.term);
    CommitTo(std::min(m.commit, log_.last_index()));
    // It speaks only of what it believes to be here, and without new entries it would not ask.
    if (m.commit > log_.last_index()) RejectAppend(m.commit, log_.last_index(), m.round);
  }
  // Rounds begin anew with each term: one of an older term says nothing about those of this one.
  const Round round = m.term < hard_state_.term ? Round() : m.round;
  SendNow(from, HeartbeatReply{hard_state_.term, round, options_.priority});
}

void Core::OnMatchLost(NodeId from, const MatchLost& m) {
  const auto* follower = std::get_if<Follower>(&role_);
  if (m.term != hard_state_.term || follower == nullptr || follower->leader != from) return;
  if (m.index > log_.durable_index()) vote_barrier_ = std::max(vote_barrier_, m.index);
}

bool Core::AcceptSnapshotPiece(NodeId from, const InstallSnapshot& piece) {
  if (from == options_.id) return false;
  if (piece.term < hard_state_.term) {
    SendNow(from, InstallSnapshotReply{.term = hard_state_.term, .index = piece.meta.index});
    return false;
  }
  HeardFromLeader(from, piece.term);
  return true;
}

bool Core::SnapshotReceived(const SnapshotMeta& meta) {
  if (meta.index <= commit_) return false;
  if (log_.Matches(meta.index, meta.term)) {  // the entries are here: only their commit was news
    CommitTo(meta.index);
    return false;
  }
  if (std::get_if<Follower>(&role_) == nullptr) BecomeFollower(hard_state_.term, NodeId());
  log_.Reset(meta.index, meta.term);
  commit_ = meta.index;
  applied_ = meta.index;
  snapshot_ = meta;
  configurations_ = {{meta.index, meta.configuration}};
  reset_to_ = meta;
  restore_ = meta;
  return true;
}

void Core::CommitTo(Index index) {
  KV_CHECK(index <= log_.last_index());
  while (commit_ < index) {
    ++commit_;
    if (IsLeader()) uncommitted_bytes_ -= log_.At(commit_).payload.size();
  }
}

// ---- leader -------------------------------------------------------------------------------------

Core::Peer* Core::FindPeer(NodeId id) {
  auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) return nullptr;
  for (Peer& p : leader->peers) {
    if (p.id == id) return &p;
  }
  return nullptr;
}

bool Core::IsReadyLeader() const {
  const auto* leader = std::get_if<Leader>(&role_);
  return leader != nullptr && commit_ >= leader->term_start;
}

void Core::TickLeader(Leader& leader) {
  // CheckQuorum (6.2): a leader that a majority has not spoken to for a timeout is none.
  const Micros heard =
      Agreed(leader, now_, [](const Progress& progress) { return progress.last_heard(); });
  if (now_ - heard > timeout_us_ && now_ >= listens_until_) {
    BecomeFollower(hard_state_.term, NodeId());
    return;
  }
  if (leader.transfer && now_ >= leader.transfer->deadline) leader.transfer.reset();
  for (Peer& p : leader.peers) {
    if (p.progress.state() == Progress::State::kReplicate) {
      if (p.progress.Overdue(now_, timeout_us_)) p.progress.BecomeProbe();
    } else if (p.progress.Overdue(now_, 2 * options_.heartbeat_us)) {
      p.progress.Unpause();
    }
  }
  if (now_ >= leader.heartbeat_at) leader.round_wanted = true;
  TickMembership(leader);
}

void Core::OnAppendReply(NodeId from, const AppendReply& m) {
  if (m.term > hard_state_.term) {
    BecomeFollower(m.term, NodeId());
    return;
  }
  Peer* peer = FindPeer(from);
  if (peer == nullptr || m.term < hard_state_.term) return;
  auto& leader = std::get<Leader>(role_);
  peer->progress.Heard(now_);
  peer->progress.AckRound(std::min(m.round, leader.round));
  AdvanceRounds(leader);
  if (m.ok) {
    if (m.match > log_.last_index()) return;  // no follower of ours can say this: not for this log
    peer->progress.MeasuredAppend(m.match, now_);
    if (peer->progress.Acked(m.match, leader.round)) MaybeCommit();
    return;
  }
  const Index agreed =
      log_.LastPossibleMatch(std::max(m.hint_index, log_.base_index()), m.hint_term);
  // What was sent after its acknowledgement was here, and is not matched there, was lost since.
  if (m.hint_index < peer->progress.match() && m.round > peer->progress.match_round()) {
    stats_.matches_lost.Add();
    peer->progress.Forget(m.hint_index + 1);
    leader.round_wanted = true;  // with which the follower is told
    return;
  }
  // Where the follower ends before our log begins, the snapshot path takes over.
  peer->progress.Rejected(m.prev_index,
                          (m.hint_index < log_.base_index() ? m.hint_index : agreed) + 1);
}

void Core::OnHeartbeatReply(NodeId from, const HeartbeatReply& m) {
  if (m.term > hard_state_.term) {
    BecomeFollower(m.term, NodeId());
    return;
  }
  Peer* peer = FindPeer(from);
  if (peer == nullptr || m.term < hard_state_.term) return;
  auto& leader = std::get<Leader>(role_);
  peer->progress.Heard(now_);
  peer->progress.Wishes(m.priority);
  if (m.round == leader.heartbeat_round) {
    peer->progress.MeasuredRoundTrip(now_ - leader.heartbeat_sent_at);
  }
  peer->progress.AckRound(std::min(m.round, leader.round));
  AdvanceRounds(leader);
}

// 3.6.2: only an entry of the leader's own term is committed by counting copies; what came before
// is committed with it. The leader's own copy counts like any other: when it is durable, and if it
// is a voter. May end leadership.
void Core::MaybeCommit() {
  auto& leader = std::get<Leader>(role_);
  const Index agreed = Agreed(leader, log_.durable_index(),
                              [](const Progress& progress) { return progress.match(); });
  if (agreed <= commit_ || log_.TermAt(agreed) != hard_state_.term) return;
  CommitTo(agreed);
  for (PendingRead& read : leader.reads) {
    if (read.index == Index() && commit_ >= leader.term_start) read.index = commit_;
  }
  AdvanceChange();
}

void Core::SnapshotDelivered(NodeId peer, Index index, bool installed) {
  Peer* p = FindPeer(peer);
  if (p == nullptr || p->progress.state() != Progress::State::kSnapshot ||
      p->progress.snapshot_index() != index) {
    return;
  }
  if (installed && index <= log_.last_index()) {
    if (p->progress.Acked(index, std::get<Leader>(role_).round)) MaybeCommit();
  } else {
    p->progress.BecomeProbe();
  }
}

void Core::OnInstallSnapshotReply(NodeId from, const InstallSnapshotReply& m) {
  if (m.term > hard_state_.term) BecomeFollower(m.term, NodeId());
  if (m.term != hard_state_.term || m.index != Index()) return;
  if (Peer* const peer = FindPeer(from)) peer->busy_until = now_ + kBusyTimeouts * timeout_us_;
}

Round Core::StampRound(Leader& leader) {
  ++leader.round;
  leader.open_rounds.push_back({leader.round, now_});
  // Forgetting a sending time only costs a lease that nobody has confirmed for a long time.
  if (leader.open_rounds.size() > kMaxOpenRounds) leader.open_rounds.pop_front();
  return leader.round;
}

void Core::SendAppends(Leader& leader, Peer& peer, Output& out) {
  Progress& progress = peer.progress;
  while (progress.CanSend()) {
    const bool probe = progress.state() == Progress::State::kProbe;
    if (!probe && progress.next() > log_.last_index()) return;
    const Index prev = progress.next() - 1;
    if (prev < log_.base_index()) {
      KV_CHECK(snapshot_.index >= log_.base_index());
      progress.BecomeSnapshot(snapshot_.index);
      out.snapshots.push_back(peer.id);
      return;
    }
    Append append{.term = hard_state_.term,
                  .prev_index = prev,
                  .prev_term = log_.TermAt(prev),
                  .commit = commit_,
                  .round = leader.round};
    // A member that does not answer is probed, not fed.
    const bool silent = now_ - progress.last_heard() > 2 * options_.heartbeat_us;
    if (!(probe && silent)) {
      log_.Slice(progress.next(), kMaxAppendEntries, kMaxAppendBytes, append.entries);
    }
    size_t bytes = 0;
    for (const Entry& entry : append.entries) bytes += entry.payload.size();
    const Index last = prev + append.entries.size();
    progress.Sent(last, bytes, now_);
    progress.ToldCommit(std::min(commit_, last));
    out.send_now.push_back({peer.id, std::move(append)});
  }
}

void Core::SetTimeout(Micros wanted) {
  const Micros least = options_.election_timeout_us;
  timeout_us_ = std::clamp(wanted, least, std::max(least, options_.election_timeout_most_us));
}

void Core::MeasureTimeout(const Leader& leader) {
  Micros beats = 0;
  bool known = false;
  for (const Peer& p : leader.peers) {
    if (!p.progress.beat().known()) continue;
    known = true;
    // Whoever does not answer at all would not be calmed by any timeout.
    if (now_ - p.progress.last_heard() > timeout_us_) continue;
    beats = std::max(beats, p.progress.beat().bound());
  }
  if (!known) return;  // what the leader before has measured is the best guess
  const Micros appends =
      -Agreed<Micros>(leader, 0, [](const Progress& p) { return -p.append().bound(); });
  SetTimeout(kTimeoutRoundTrips * std::max(beats, appends));
}

void Core::SendHeartbeats(Leader& leader, Output& out) {
  MeasureTimeout(leader);
  leader.heartbeat_at = now_ + options_.heartbeat_us;
  leader.heartbeat_round = leader.round;
  leader.heartbeat_sent_at = now_;
  for (Peer& p : leader.peers) {
    const Index commit = std::min(commit_, p.progress.match());
    p.progress.ToldCommit(commit);
    out.send_now.push_back({p.id, Heartbeat{hard_state_.term, commit, leader.round, timeout_us_}});
    if (p.progress.lost() != Index()) {
      out.send_now.push_back({p.id, MatchLost{hard_state_.term, p.progress.lost()}});
    }
  }
}

void Core::TakeLeader(Leader& leader, Output& out) {
  ContinueTransfer(leader, out);
  const bool unsent_reads = !leader.reads.empty() && leader.reads.back().round == Round();
  const bool heartbeats = std::exchange(leader.round_wanted, false) || unsent_reads;
  bool appends = false;
  for (const Peer& p : leader.peers) {
    appends |= p.progress.CanSend() && (p.progress.state() == Progress::State::kProbe ||
                                        p.progress.next() <= log_.last_index());
  }
  if (heartbeats || appends) StampRound(leader);
  for (PendingRead& read : leader.reads) {
    if (read.round == Round()) read.round = leader.round;
  }
  for (Peer& p : leader.peers) SendAppends(leader, p, out);
  if (heartbeats) SendHeartbeats(leader, out);
  for (const Peer& p : leader.peers) {
    if (p.progress.told_commit() < std::min(commit_, p.progress.match())) {
      leader.heartbeat_at = std::min(leader.heartbeat_at, now_ + kCommitNoticeUs);
    }
  }
  AdvanceRounds(leader);
  ResolveReads(leader, out);
}

}  // namespace kvorum::raft
