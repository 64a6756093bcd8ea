// SPDX-License-Identifier: Apache-2.0
//
// What must be true of a cluster as a whole, looked at after every turn of every node. What must be
// true of one member alone is raft/invariants.h; what clients may see is tests/check.
//
//   election safety      one leader in a term, and one vote per member and term, across restarts;
//                        a vote, the own one included, is on disk before it counts
//   log matching         entries of one index and term are equal, with equal predecessors
//   leader completeness  a new leader has every entry that is committed
//   state machine safety the same term is applied at an index everywhere; equal states at equal
//                        indexes
//   durability           what is committed is on the platters of a majority, by our own account;
//                        only what is of the leader's own term is committed by counting
//   feature level        raised by a log only when every member of the configuration in force there
//                        can; nothing is committed that the level in force does not know
//   knowledge            what a leader believes of a peer, that peer has said in this term
//   leases               a read by lease is within it, and a vote behind every lease that its giver
//                        has a part in: in true time, which no node can read
//
// Much of this could only be seen by a client that comes at the worst moment; here it is enough
// that the moment was possible.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "raft/core.h"
#include "server/peer_message.h"
#include "store/command.h"
#include "store/feature.h"
#include "tests/check/witness.h"
#include "tests/sim/report.h"

namespace kvorum::sim {

class World;
class SimNode;

class Watcher {
 public:
  explicit Watcher(World& world);

  // ---- events -----------------------------------------------------------------------------------
  void Booted(SimNode& node, const raft::Restart& restart);
  void Crashed(NodeId node);
  void Synced(NodeId node, const std::vector<raft::Save>& saves);
  void Sent(NodeId from, NodeId to, const server::PeerMessage& message);
  void Delivered(NodeId from, NodeId to, const server::PeerMessage& message);
  void TurnEnded(SimNode& node);

  // ---- what was seen ----------------------------------------------------------------------------
  [[nodiscard]] const check::CommittedLog& log() const { return log_; }
  [[nodiscard]] Index committed() const { return committed_; }
  // Somebody has proposed another configuration, at least.
  [[nodiscard]] bool membership_changed() const { return membership_changed_; }
  // Since its disk was damaged on purpose, a node's copies do not count.
  // The newest one that is known to be committed, and all that somebody, dead or alive, may have
  // behind it. Empty: still that of the beginning.
  [[nodiscard]] std::vector<raft::Configuration> ConfigurationsInUse() const;
  void Damaged(NodeId node) { damaged_.insert(node); }
  [[nodiscard]] bool IsDamaged(NodeId node) const { return damaged_.contains(node); }
  void Hit(Mark mark);

 private:
  // What the watcher remembers of one life of a node.
  struct Life {
    std::map<Index, Term> terms;
    Index applied;
    raft::RoleKind role = raft::RoleKind::kFollower;
    Term term;
    uint64_t proposals_failed = 0;
    uint64_t indoubt = 0;
    uint64_t reads_by_quorum = 0;
    uint64_t reads_by_lease = 0;
    Index commit;
    Index vote_barrier;
    raft::HardState ballot;                // its term and vote, as far as they were looked at
    std::map<NodeId, Round> rounds_heard;  // the newest answers that have reached it, as leader
    NodeId snapshot_from;
    Index configuration;
    Index lease_configuration;  // in force when leases were looked at
    Round lease_round;          // the newest that a quorum has answered, as leader
    Micros alone_until = 0;     // the lease it had given itself as the only voter
    bool transferring = false;
  };
  // What a member has heard from the leader of a term, and said to it.
  struct Said {
    Round heard;
    Round round;
    Index match;
  };
  // When the rounds of a term were sent, in true time.
  struct Rounds {
    NodeId leader;
    std::map<Round, Micros> sent_at;
  };
  // The disk model's truth, across lives.
  struct Platter {
    Index base;
    std::map<Index, Term> terms;
    [[nodiscard]] bool Holds(Index index, Term term) const;
  };

  void SeeLog(SimNode& node, Life& life, const raft::Core& core);
  void SeeEntry(NodeId node, const raft::Entry& entry, Term prev_term);
  void SeeRaise(NodeId node, const raft::Core& core, const raft::Entry& entry);
  void SeeRelease(const SimNode& node, Index applied);
  void ExpectKnown(const check::LogCommand& command, Index index);
  void SeeRole(SimNode& node, Life& life, const raft::Core& core);
  void SeeLeader(NodeId node, const raft::Core& core);
  void SeeCommit(NodeId node, const raft::Core& core);
  void SeeApplied(SimNode& node, Life& life);
  void SeeCounters(SimNode& node, Life& life);
  [[nodiscard]] bool OnQuorum(const raft::Core& core, Index index) const;
  void SeeCommitRule(SimNode& node, const Life& life, const raft::Core& core);
  void SeeKnowledge(NodeId node, const raft::Core& core);
  void SeeLease(SimNode& node, Life& life, const raft::Core& core);
  void SeeVote(SimNode& node, Life& life, const raft::Core& core);
  void SentRound(NodeId leader, Term term, Round round);
  void Answered(NodeId from, NodeId to, Term term, Round round, Index match);
  void ExpectFree(NodeId voter, Term term);
  void ExpectNoBarrier(NodeId voter);
  // How long a lease lasts that this node counts, in true time.
  [[nodiscard]] Micros LeaseOf(NodeId leader) const;
  void Voted(NodeId voter, Term term, NodeId candidate);
  void ExpectDurable(NodeId voter, Term term, NodeId candidate);
  void Record(const raft::Entry& entry);

  World& world_;
  std::map<NodeId, Life> lives_;
  std::map<NodeId, Platter> platters_;
  std::map<NodeId, raft::HardState> hard_states_;       // on their disks
  std::map<std::pair<Index, Term>, uint64_t> entries_;  // hash, with the predecessor's term
  std::map<Term, NodeId> leaders_;
  std::map<std::pair<NodeId, Term>, NodeId> votes_;
  std::set<std::pair<NodeId, Term>> transfers_;
  std::map<Term, Rounds> rounds_;
  std::map<std::pair<NodeId, Term>, Said> said_;
  std::map<NodeId, Index> installed_;  // the newest snapshot that it has said to hold
  std::map<std::pair<NodeId, Term>, Micros> bound_until_;  // the end of what leases it lends
  std::map<Index, Term> committed_terms_;
  std::map<Index, Term> committed_in_;  // the term of who knew it first
  Index committed_;
  std::map<std::pair<Index, Term>, raft::Configuration> configurations_;
  Index committed_configuration_;
  bool membership_changed_ = false;
  std::map<Index, uint64_t> digests_;
  check::CommittedLog log_;
  store::CommandIndex commands_;
  store::FeatureLevel level_ = store::kFirstFeatureLevel;  // behind what is in log_
  Index applied_by_old_;
  Index applied_by_new_;
  std::set<NodeId> damaged_;
  Micros leader_lost_at_ = 0;
};

}  // namespace kvorum::sim
