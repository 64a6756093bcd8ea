// SPDX-License-Identifier: Apache-2.0
//
// A cluster in one thread: the product's node, replica, core, WAL, snapshots and store over a
// virtual network, virtual disks and virtual clocks, with clients that keep a history. One seed
// decides everything; the same seed gives the same trace hash.
//
//   World ── nodes: SimNode (disk survives crashes, Process does not)
//         ── network: per-pair delay, loss, duplication, cuts; ordered links for carried commands
//         ── clients: one operation at a time each, unique values, follow MOVED
//         ── nemesis: crashes, power loss, partitions, stalls, clock jumps
//         ── checkers: after every turn, and at the end
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/rng.h"
#include "raft/core.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/linearizability.h"

namespace kvorum::sim {

class SimNode;
class SimClient;

// What a run is made of. Random by default (Swarm), or set by a test.
struct Plan {
  uint64_t seed = 1;
  int nodes = 3;
  int clients = 4;
  int keys = 3;
  Micros chaos_us = 6'000'000;  // faults happen
  Micros quiet_us = 6'000'000;  // faults are over: everything must converge
  int loss_percent = 0;
  int duplicate_percent = 0;
  Micros delay_most_us = 2'000;
  Micros disk_most_us = 3'000;  // one sync
  bool lease_reads = true;
  size_t snapshot_log_bytes = 16 << 10;
  size_t keep_log_bytes = 4 << 10;
  int drift_percent = 10;  // clocks run up to this much faster or slower
  // Mean time between faults of each kind; 0 = never.
  Micros crash_every_us = 1'500'000;
  Micros power_every_us = 3'000'000;
  Micros partition_every_us = 1'500'000;
  Micros stall_every_us = 1'000'000;
  Micros clock_jump_every_us = 2'000'000;
  Micros reset_every_us = 1'000'000;  // links that are reset although both ends live
  bool trace = false;

  static Plan Swarm(uint64_t seed);
};

struct Report {
  bool ok = true;
  std::string failure;  // the first thing that was wrong
  uint64_t trace_hash = 0;
  uint64_t events = 0;
  uint64_t operations = 0;  // with a known outcome
  uint64_t unknown = 0;
  uint64_t redirects = 0;
  uint64_t indoubt = 0;
  uint64_t crashes = 0;
  uint64_t power_losses = 0;
  uint64_t partitions = 0;
  uint64_t elections = 0;
  uint64_t snapshots_taken = 0;
  uint64_t snapshots_installed = 0;
  uint64_t carried = 0;
  uint64_t carried_again = 0;
  Micros simulated_us = 0;
};

class World {
 public:
  explicit World(const Plan& plan);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // The whole run: chaos, then quiet, then the final checks.
  Report Run();

  // ---- for nodes and clients --------------------------------------------------------------------
  [[nodiscard]] const Plan& plan() const { return plan_; }
  [[nodiscard]] EventQueue& events() { return events_; }
  [[nodiscard]] Rng& net_rng() { return net_rng_; }
  [[nodiscard]] SimNode& node(NodeId id) { return *nodes_.at(id); }
  [[nodiscard]] const std::map<NodeId, std::unique_ptr<SimNode>>& nodes() const { return nodes_; }
  [[nodiscard]] bool Cut(NodeId from, NodeId to) const { return cuts_.contains({from, to}); }
  [[nodiscard]] Micros Delay() { return net_rng_.Between(50, plan_.delay_most_us); }
  [[nodiscard]] Report& report() { return report_; }
  void Trace(const std::string& line);
  void Fail(const std::string& what);
  [[nodiscard]] bool failed() const { return !report_.ok; }

  // Checkers, called by nodes.
  void SawLeader(Term term, NodeId leader);
  void SawApplied(NodeId node, const raft::Entry& entry);
  void SawRestore(NodeId node, Index index);

  void Record(const std::string& key, Op op) { histories_[key].push_back(std::move(op)); }

 private:
  void StartNemesis();
  void Every(Micros mean, std::function<void()> fault);
  void CrashSomebody(bool power);
  void PartitionSomehow();
  void Heal();
  void FinalChecks();
  [[nodiscard]] bool Converged() const;

  Plan plan_;
  EventQueue events_;
  Rng net_rng_;
  Rng nemesis_rng_;
  bool chaos_ = true;
  std::map<NodeId, std::unique_ptr<SimNode>> nodes_;
  std::vector<std::unique_ptr<SimClient>> clients_;
  std::set<std::pair<NodeId, NodeId>> cuts_;
  std::map<Term, NodeId> leaders_;
  std::map<Index, uint64_t> applied_;  // hash of the entry that was applied there first
  std::map<std::string, std::vector<Op>> histories_;
  Report report_;
};

}  // namespace kvorum::sim
