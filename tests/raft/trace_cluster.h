// SPDX-License-Identifier: Apache-2.0
//
// Cores that exchange messages only when a test says so, with every step written down. Every node
// has a clock of its own, which stands still unless a test moves it; disks acknowledge at once
// unless they are held.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "raft/core.h"
#include "raft/invariants.h"

namespace kvorum::raft {

std::string Describe(const Message& message);
std::string Describe(const Configuration& configuration);

class TraceCluster {
 public:
  explicit TraceCluster(int nodes, Micros election_timeout_us = 100'000);

  // Each runs one turn of a node (or several nodes) and appends to the trace.
  void Timeout(NodeId id);  // time passes for everybody until this one's timer fires
  void Advance(Micros us);  // time passes, timers fire, nothing is delivered
  void DeliverAll();        // until nothing is on the way
  bool DeliverOne(NodeId from, NodeId to);
  void Drop(NodeId from, NodeId to);
  void Cut(NodeId a, NodeId b) { cuts_.insert({a, b}), cuts_.insert({b, a}); }
  void CutOneWay(NodeId from, NodeId to) { cuts_.insert({from, to}); }
  void Heal() { cuts_.clear(); }
  void HoldDisk(NodeId id) { node(id).held = true; }
  void ReleaseDisk(NodeId id);
  void Propose(NodeId id, const std::string& text);
  void Read(NodeId id);
  void Lease(NodeId id);
  void Unreachable(NodeId id, NodeId peer);
  void Transfer(NodeId id, NodeId target);
  // A node that is in no configuration yet.
  void Join(NodeId id);
  void Alter(NodeId id, const Change& change);
  // Crash and start again with what is durable.
  void Restart(NodeId id);
  // Everything applied is in a snapshot now; the log keeps `keep` entries before it.
  void Snapshot(NodeId id, uint64_t keep);
  // Carries the leader's snapshot over, as the replica would.
  void InstallSnapshot(NodeId from, NodeId to);
  // Says that it has not yet loaded what it has, as the replica would.
  void Busy(NodeId from, NodeId to);

  [[nodiscard]] std::string Status() const;
  [[nodiscard]] std::string Members() const;
  [[nodiscard]] Core& core(NodeId id) { return *node(id).core; }
  // What has happened since the last call.
  std::string TakeTrace() { return std::exchange(trace_, {}); }

 private:
  struct Node {
    std::unique_ptr<Core> core;
    InvariantChecker invariants;
    Output output;
    bool held = false;
    std::deque<std::pair<BatchNumber, Outgoing>> waiting;  // for the disk
    BatchNumber submitted;
    BatchNumber persisted;
    std::deque<Save> in_flight;
    raft::Restart durable;  // what a restart would find
    RoleKind role = RoleKind::kFollower;
    Term term;
    Index commit;
    Micros now = 1'000'000;
  };

  Node& node(NodeId id) { return nodes_.at(id); }
  Core& Wake(NodeId id);  // its clock is told
  void Turn(NodeId id);
  void Persist(NodeId id);
  static void Store(raft::Restart& durable, const Save& save);
  void Say(const std::string& line) { trace_ += line + "\n"; }
  [[nodiscard]] Options OptionsFor(NodeId id) const;

  Micros election_timeout_us_;
  Configuration bootstrap_;
  std::vector<NodeId> ids_;
  std::map<NodeId, Node> nodes_;
  std::map<std::pair<NodeId, NodeId>, std::deque<Message>> links_;
  std::set<std::pair<NodeId, NodeId>> cuts_;
  std::string trace_;
};

}  // namespace kvorum::raft
