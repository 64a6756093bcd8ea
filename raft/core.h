// SPDX-License-Identifier: Apache-2.0
//
// One member of one Raft group, as a pure function of its inputs.
//
//                       election timeout, or evidence that the leader is dead
//   Follower --------------------------------------------------------> Candidate (pre-vote)
//      ^  ^                                                              |  majority would vote
//      |  |  leader of this or a newer term heard                        v
//      |  +--------------------------------------------------------- Candidate (vote)
//      |                                                                 |  majority voted
//      |      newer term seen, or no majority heard for a timeout        v
//      +-------------------------------------------------------------- Leader
//
// The contract. The owner calls Tick first in every turn, feeds any inputs, then calls Take once
// and carries out what it got, in this order:
//   1. hand `save` to the disk; report Persisted(save.number) when it is durable (cumulative),
//   2. send `send_now`; these may overtake the disk,
//   3. send `send_durable` once `save.number`, or the newest save before it, is durable,
//   4. replace the state machine when `restore` is set, then apply entries up to commit(),
//   5. answer `reads`, start streaming to `snapshots`.
// Membership (chapter 4). The configuration in force is the newest in the log, from the moment it
// is appended; a truncation brings the one before it back. Voters change through joint consensus,
// one change at a time; learners come and go in one step. Messages of strangers are answered: who
// is not in this member's configuration may be in a newer one. Members removed do not campaign, and
// cannot disturb: nobody who hears a leader helps to depose it.
//
// The core calls nothing, holds no clock and no randomness of its own, and is used by one thread.
//
// Reads (design: docs/architecture.md). LeaseRead answers at once while the leader's lease holds.
// The lease is short and independent of the election timeout: a member that answers a round
// promises no vote to anybody, itself included, until the lease duration, stretched by the drift
// bound, has passed on its own clock since the round arrived; the leader counts from the time it
// *sent* the newest round that a majority answered. The promise lives in memory, so a member that
// starts behaves as if it had just made one. RequestRead asks a majority instead (thesis 6.4) and
// trusts no clock.
//
// Elections on evidence. PeerUnreachable(leader) makes a follower start a pre-vote within
// milliseconds. Evidence can be wrong; it only makes elections start sooner, what keeps reads true
// is the promise alone. A pre-vote is granted only by members that have lost the leader themselves.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/rng.h"
#include "base/stats.h"
#include "base/time.h"
#include "raft/configuration.h"
#include "raft/log.h"
#include "raft/messages.h"
#include "raft/progress.h"
#include "raft/quorum.h"
#include "raft/types.h"

namespace kvorum::raft {

struct Options {
  NodeId id;
  // In force until the log or a snapshot says something else. Empty for a member that joins: it
  // waits for a leader to tell it.
  Configuration bootstrap;
  // Silence of the leader that starts an election: that and a little more, by rank. After a failed
  // election randomized to [1, 2) times this. What is in force is measured
  // (Core::election_timeout_us), between these two; without the second, fixed.
  Micros election_timeout_us = 300'000;
  Micros election_timeout_most_us = 0;
  Micros heartbeat_us = 50'000;
  Micros lease_us = 10'000;
  // How much faster the fastest member's clock may run than the slowest one's, in percent. The
  // promise is the lease stretched by it.
  int clock_drift_percent = 50;
  Micros evidence_stagger_us = 4'000;   // between members that see the same evidence
  uint8_t priority = kDefaultPriority;  // Core::SetPriority
  uint64_t seed = 1;
};

// What the disk gave back. Defaults describe a member that never ran.
struct Restart {
  HardState hard_state;
  Index base_index;  // the log starts after it
  Term base_term;
  std::vector<Entry> entries;
  SnapshotMeta snapshot;  // newest durable one; index 0 = none
  // The disk remembers less than this member once acknowledged: it neither votes nor campaigns
  // until a leader has brought its commit index to here.
  Index vote_barrier;
};

enum class RoleKind : uint8_t { kFollower, kCandidate, kLeader };

enum class ProposeError : uint8_t { kNotLeader, kOverloaded };
struct Proposed {
  Term term;
  Index index;
};
using ProposeResult = std::variant<Proposed, ProposeError>;

// One step of changing who belongs to the group.
struct Change {
  enum class Kind : uint8_t {
    kAdd,      // as a learner, which is promoted by itself as soon as it keeps up
    kRemove,   // for good
    kPromote,  // a learner becomes a voter
    kDemote,   // a voter becomes a learner, and stays one
  };
  Kind kind = Kind::kAdd;
  NodeId id;
  std::string address;  // kAdd
  bool force = false;   // even if the new voters could not elect anybody now
};
enum class ChangeError : uint8_t {
  kNotLeader,
  kTransferring,
  kNotReady,      // no entry of this term is committed yet: what is in force may still be undone
  kInProgress,    // another change is not through
  kMember,        // kAdd: it is one already
  kRemovedId,     // kAdd: removed ids, and those below them, never come back
  kAddressTaken,  // kAdd: by another member
  kBadAddress,
  kTooMany,
  kNotMember,
  kNotVoter,    // kDemote
  kNotLearner,  // kPromote
  kLags,        // kPromote: it does not keep up
  kLastVoter,   // nobody would be left
  kQuorum,      // too few of the voters to be are known to be alive
};
using ChangeResult = std::variant<Proposed, ChangeError>;

// One turn's results. The caller owns it and passes the same one each time.
struct Output {
  struct Read {
    ReadId id;    // answers every request up to it
    Index index;  // serve when applied
  };

  Save save;  // save.empty(): nothing to write
  std::vector<Outgoing> send_now;
  std::vector<Outgoing> send_durable;
  std::vector<Read> reads;
  std::vector<NodeId> snapshots;        // followers that need the newest snapshot
  std::optional<SnapshotMeta> restore;  // load this snapshot before applying anything
  void Clear();
};

class Core {
 public:
  // Counters the owner may read at any time, from any thread.
  struct Stats {
    Counter elections_started;
    Counter elections_won;
    Counter leader_changes;
    Counter matches_lost;  // a follower no longer had what it had acknowledged
  };

  Core(const Options& options, Restart restart, Micros now);

  // ---- inputs -------------------------------------------------------------------------------
  // Time never goes back. Also the time at which the other inputs of this turn happen.
  void Tick(Micros now);
  void Step(NodeId from, const Message& message);
  ProposeResult Propose(Payload batch);
  // Linearizable read point by lease: serve when applied() has reached it. Nothing: not the leader,
  // no lease, or no entry of this term committed yet.
  [[nodiscard]] std::optional<Index> LeaseRead();
  // The same by asking a majority. All requests of a turn share one id and one round. Nothing: not
  // the leader. Requests die with the role: after a change of role no answer comes.
  std::optional<ReadId> RequestRead();
  void Persisted(BatchNumber number);
  void Applied(Index index);
  // A snapshot of the own state is durable; the log may be dropped up to `compact_to`.
  void SnapshotSaved(const SnapshotMeta& meta, Index compact_to);
  // A link to `peer` was reset and could not be made again.
  void PeerUnreachable(NodeId peer);
  // The stream that Output::snapshots asked for has ended.
  void SnapshotDelivered(NodeId peer, Index index, bool installed);
  // A piece of a snapshot has come: is it from the leader of this term? Heartbeat and promise are
  // taken from it as from any message of the leader.
  bool AcceptSnapshotPiece(NodeId from, const InstallSnapshot& piece);
  // A whole snapshot was received and verified, durably. False: nothing to restore, it is old.
  bool SnapshotReceived(const SnapshotMeta& meta);
  // 3.10. Target 0: whoever is furthest. False: not the leader or nobody to take it.
  bool TransferLeadership(NodeId target);
  // Chapter 4. What is proposed is the first step: a change of voters goes through a joint
  // configuration, which the leader of the day leads on by itself once it is committed.
  ChangeResult ProposeChange(const Change& change);
  // Clocks disagree about how much time has passed: no lease from anything sent before now.
  void DropLease();
  // `from` leads that term and says that everything up to `index` is committed.
  void LearnCommit(NodeId from, Term term, Index index);
  // What the leader is told. The core itself makes nothing of it: whoever can win an election may.
  void SetPriority(uint8_t priority) { options_.priority = priority; }

  // ---- output -------------------------------------------------------------------------------
  void Take(Output& out);
  // When Tick must be called at the latest.
  [[nodiscard]] Micros NextWakeup() const;

  // ---- view ---------------------------------------------------------------------------------
  [[nodiscard]] NodeId id() const { return options_.id; }
  [[nodiscard]] Term term() const { return hard_state_.term; }
  [[nodiscard]] NodeId vote() const { return hard_state_.vote; }
  [[nodiscard]] RoleKind role() const { return static_cast<RoleKind>(role_.index()); }
  [[nodiscard]] bool IsLeader() const { return role() == RoleKind::kLeader; }
  // True once an entry of this term is committed: reads and clients may be served.
  [[nodiscard]] bool IsReadyLeader() const;
  [[nodiscard]] NodeId leader() const;  // 0 = unknown
  [[nodiscard]] Index commit() const { return commit_; }
  [[nodiscard]] Index applied() const { return applied_; }
  // As far as this member has heard, or found out itself.
  [[nodiscard]] Index known_commit() const;
  // When this leader was heard last; now, on the leader.
  [[nodiscard]] Micros heard_at() const;
  [[nodiscard]] const Log& log() const { return log_; }
  [[nodiscard]] const SnapshotMeta& snapshot() const { return snapshot_; }
  // In force: the newest of the log, committed or not.
  [[nodiscard]] const Configuration& configuration() const {
    return configurations_.back().configuration;
  }
  [[nodiscard]] const std::vector<NodeId>& voters() const { return configuration().voters; }
  [[nodiscard]] Index configuration_index() const { return configurations_.back().index; }
  // What was in force behind that entry, which is not older than the newest snapshot.
  [[nodiscard]] const Configuration& ConfigurationAt(Index index) const;
  // It was a member once and never will be again.
  [[nodiscard]] bool IsRemoved() const;
  // Leader only: the learner has what was there when its last round began, and was fast (4.2.1).
  [[nodiscard]] bool KeepsUp(NodeId peer) const;
  [[nodiscard]] bool IsTransferring() const;
  [[nodiscard]] bool MayVote() const { return commit_ >= vote_barrier_; }
  // Restart::vote_barrier, or what a leader has said since (MatchLost).
  [[nodiscard]] Index vote_barrier() const { return vote_barrier_; }
  [[nodiscard]] size_t uncommitted_bytes() const { return uncommitted_bytes_; }
  // Leader only: of the members, and of those that left just now and are still told so; nullptr for
  // strangers and for itself.
  [[nodiscard]] const Progress* ProgressOf(NodeId peer) const;
  [[nodiscard]] size_t progress_count() const;
  [[nodiscard]] const Stats& stats() const { return stats_; }
  [[nodiscard]] const Options& options() const { return options_; }
  // In force now. A leader takes ten times what nearly all round trips to its members stay below,
  // and nearly all appends until a majority has them on disk; the others are told with heartbeats.
  // An election that runs out of time doubles it. Leases and promises do not depend on it.
  [[nodiscard]] Micros election_timeout_us() const { return timeout_us_; }

 private:
  struct Follower {
    NodeId leader;  // 0 = none known
    Micros heard_at = 0;
    Micros deadline = 0;        // start a pre-vote then
    bool leader_lost = false;   // evidence says the leader is dead
    Micros evidence_until = 0;  // ask again and again until then
    Index matched;              // equal to this leader's log up to here
    Index leader_commit;        // what this leader has said to be committed
  };
  struct Candidate {
    bool pre = true;
    Micros evidence_until = 0;  // started on evidence: retried soon until then
    Micros deadline = 0;        // give up and start again then
    BatchNumber vote_batch;     // with it the own vote is durable, and counts; 0 in a pre-vote
    std::vector<NodeId> granted;
    std::vector<NodeId> refused;
  };
  struct OpenRound {
    Round round;
    Micros sent_at;
  };
  struct PendingRead {
    ReadId id;
    Index index;  // 0: no entry of this term committed yet, so the read point is not known
    Round round;  // 0: not sent yet
  };
  struct Transfer {
    NodeId target;
    Micros deadline;
    bool told = false;
  };
  struct Peer {
    NodeId id;
    Progress progress;
    Micros leave_at = 0;  // it left the configuration: forget it then; 0: a member
    // Of a learner: rounds of catching up, each with what was there when it began (4.2.1).
    Index round_target;
    Micros round_began = 0;
    bool keeps_up = false;
    Micros busy_until = 0;  // it has said that it does not work off what it has
  };
  struct Leader {
    std::vector<Peer> peers;            // every member but this one, and who has just left
    Index term_start;                   // the no-op of this term
    Round round;                        // newest sent
    std::deque<OpenRound> open_rounds;  // newer than what a majority has answered
    Round quorum_round;
    Round lease_floor;                 // rounds up to it give no lease (DropLease)
    std::optional<Micros> lease_from;  // sending time of the newest round a majority answered
    bool lease_released = false;
    std::deque<PendingRead> reads;
    std::optional<Transfer> transfer;
    Micros heartbeat_at = 0;  // send the next one then
    Round heartbeat_round;    // the newest one's, for measuring round trips
    Micros heartbeat_sent_at = 0;
    bool round_wanted = false;  // send heartbeats in this turn
  };

  enum class Campaign : uint8_t { kPreVote, kVote, kTransfer };

  // election.cc
  void NoticeLateness(Micros late);
  void BecomeFollower(Term term, NodeId leader);
  void StartElection(Campaign kind, Micros evidence_until);
  void BecomeLeader();
  void CheckVotes();
  void TickFollower(Follower& follower);
  void OnPreVote(NodeId from, const PreVote& m);
  void OnVote(NodeId from, const Vote& m);
  void OnVoteReply(NodeId from, Term term, bool granted, bool pre);
  [[nodiscard]] bool LeaderSeemsAlive() const;
  [[nodiscard]] bool MayCampaign() const;
  [[nodiscard]] Micros RandomTimeout();
  [[nodiscard]] Micros Rank(NodeId leader) const;
  [[nodiscard]] Micros PromiseUs() const;
  void HeardFromLeader(NodeId from, Term term);

  // replication.cc
  void OnAppend(NodeId from, const Append& m);
  void OnHeartbeat(NodeId from, const Heartbeat& m);
  void AppendEntries(const Append& m);
  // Nothing here matches the leader's entry at `prev`; `hint` is the last one that may match.
  void RejectAppend(Index prev, Index hint, Round round);
  void OnAppendReply(NodeId from, const AppendReply& m);
  void OnHeartbeatReply(NodeId from, const HeartbeatReply& m);
  void TickLeader(Leader& leader);
  void CommitTo(Index index);
  void MaybeCommit();
  void SendAppends(Leader& leader, Peer& peer, Output& out);
  void SendHeartbeats(Leader& leader, Output& out);
  void SetTimeout(Micros wanted);
  void MeasureTimeout(const Leader& leader);
  void TakeLeader(Leader& leader, Output& out);
  void ContinueTransfer(Leader& leader, Output& out);
  void OnTimeoutNow(NodeId from, const TimeoutNow& m);
  void OnMatchLost(NodeId from, const MatchLost& m);
  void OnInstallSnapshotReply(NodeId from, const InstallSnapshotReply& m);
  Round StampRound(Leader& leader);
  Peer* FindPeer(NodeId id);

  // membership.cc
  void AppendConfiguration(const Configuration& next);
  void NoteEntry(const Entry& entry);
  void TruncateFrom(Index index);
  void ForgetOldConfigurations();
  void SyncPeers(Leader& leader);
  void AdvanceChange();
  void StepDownRemoved(const Leader& leader);
  void TickMembership(Leader& leader);
  [[nodiscard]] std::optional<ChangeError> Apply(const Change& change, Configuration& next) const;
  [[nodiscard]] bool QuorumSeemsAlive(const Configuration::Ids& voters) const;
  // What the configuration agrees on, of a value of every member; `own` is this one's.
  template <class T, class Get>
  [[nodiscard]] T Agreed(const Leader& leader, T own, Get get) const {
    return QuorumValue(configuration(), [&](NodeId id) -> T {
      if (id == options_.id) return own;
      for (const Peer& p : leader.peers) {
        if (p.id == id) return get(p.progress);
      }
      return T();
    });
  }

  // reads.cc
  void AdvanceRounds(Leader& leader);
  void ResolveReads(Leader& leader, Output& out);

  void SetHardState(Term term, NodeId vote);
  void SendNow(NodeId to, Message message);
  void SendDurable(NodeId to, Message message);

  friend class InvariantChecker;

  Options options_;
  Rng rng_;
  Micros timeout_us_;  // the election timeout in force
  Micros now_;
  HardState hard_state_;
  bool hard_state_dirty_ = false;
  Log log_;
  Index commit_;   // log_.base_index() <= commit_ <= last_index()
  Index applied_;  // applied_ <= commit_
  SnapshotMeta snapshot_;
  struct ConfigurationEntry {
    Index index;
    Configuration configuration;
  };
  // Index ascends; all of the log's, and before them the one at its start. Never empty.
  std::vector<ConfigurationEntry> configurations_;
  Index vote_barrier_;
  Micros promise_until_;  // no vote for anybody before; outlives every role
  size_t uncommitted_bytes_ = 0;
  BatchNumber last_batch_;
  ReadId last_read_;
  std::optional<SnapshotMeta> reset_to_;  // waiting for Take
  std::optional<SnapshotMeta> restore_;
  std::vector<Outgoing> send_now_;
  std::vector<Outgoing> send_durable_;
  bool late_ = false;                               // turns begin late
  Micros listens_until_ = 0;                        // no silence is believed before
  std::variant<Follower, Candidate, Leader> role_;  // in the order of RoleKind
  Stats stats_;
};

}  // namespace kvorum::raft
