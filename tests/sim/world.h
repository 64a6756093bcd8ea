// SPDX-License-Identifier: Apache-2.0
//
// A cluster in one thread: the product's node, replica, core, WAL, snapshots and store over a
// virtual network, virtual disks and virtual clocks, with clients that keep a history. One seed
// decides everything; the same seed gives the same trace hash with every compiler.
//
//   World ── nodes: SimNode (disk and clocks survive, SimProcess does not)
//         ── network: Network
//         ── clients: SimClient, unique values, follow MOVED, tests/check/history.h
//         ── nemesis: the plan's faults, one after another
//         ── watcher: what must be true of the cluster, after every turn
//
//   Run: chaos      every fault of the plan
//        majority   a random majority is healed and must serve soon; the others stay as they are
//        quiet      all are healed and must converge
//        verdict    equal states; the histories against the log, and by search
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/rng.h"
#include "raft/configuration.h"
#include "tests/check/history.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/nemesis.h"
#include "tests/sim/network.h"
#include "tests/sim/plan.h"
#include "tests/sim/report.h"
#include "tests/sim/watcher.h"
#include "tests/sim/workload.h"

namespace kvorum::sim {

class SimNode;
class SimClient;

class World {
 public:
  explicit World(const Plan& plan);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // The whole run of a plan. Or, for scripts: the pieces below.
  Report Run();

  // ---- pieces -----------------------------------------------------------------------------------
  void StartNodes();
  // A machine with an empty disk that belongs to nobody; not started.
  NodeId AddNode();
  SimClient& AddClient(Mix mix = Mix::kPlain);
  // Until then, or until something has failed.
  void RunFor(Micros length);
  // Until it is true; false when it was not in time.
  bool RunUntil(const std::function<bool()>& condition, Micros patience);
  // Mends everything and starts whoever is down; the newest release runs everywhere.
  void HealAll();
  // Nothing more is asked, everything asked is answered, all states are equal.
  void Converge(Micros patience);
  // The last judgement; fails the run when something does not hold.
  void CheckEverything();
  Report Finish();

  // ---- for everybody ----------------------------------------------------------------------------
  [[nodiscard]] const Plan& plan() const { return plan_; }
  [[nodiscard]] Plan& plan() { return plan_; }
  [[nodiscard]] EventQueue& events() { return events_; }
  [[nodiscard]] const EventQueue& events() const { return events_; }
  [[nodiscard]] Network& network() { return *network_; }
  [[nodiscard]] Watcher& watcher() { return watcher_; }
  [[nodiscard]] Nemesis& nemesis() { return nemesis_; }
  [[nodiscard]] Figures& figures() { return report_.figures; }
  [[nodiscard]] const std::vector<NodeId>& Ids() const { return ids_; }
  [[nodiscard]] SimNode& node(NodeId id) const { return *nodes_.at(id.value() - 1); }
  // Whom the newest committed configuration of any running node names.
  [[nodiscard]] raft::Configuration Members() const;
  // The serving leader of the highest term, or nobody.
  [[nodiscard]] NodeId Leader() const;
  [[nodiscard]] const check::History& history() const { return history_; }
  void Record(const check::Op& op) { history_.push_back(op); }
  void Trace(const std::string& line);
  void Fail(const std::string& what);
  [[nodiscard]] bool failed() const { return !report_.ok; }

 private:
  void Chaos();
  void FinishUpgrade();
  void MajorityServes();
  [[nodiscard]] bool MayBeRaised() const;
  [[nodiscard]] bool Converged() const;
  [[nodiscard]] std::string States() const;
  void CheckHistory();

  Plan plan_;
  EventQueue events_;
  std::vector<NodeId> ids_;
  Rng rng_;
  Watcher watcher_;
  Nemesis nemesis_;
  std::unique_ptr<Network> network_;
  std::vector<std::unique_ptr<SimNode>> nodes_;
  std::vector<std::unique_ptr<SimClient>> clients_;
  check::History history_;
  Report report_;
};

}  // namespace kvorum::sim
