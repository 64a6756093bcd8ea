// SPDX-License-Identifier: Apache-2.0
//
// A world with hands: what scripted scenarios are written with. Everything happens in virtual time,
// so bounds on how long something takes are part of a scenario, and exact.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/sim_client.h"
#include "tests/sim/sim_node.h"
#include "tests/sim/world.h"

namespace kvorum::sim {

inline constexpr Micros kLeaderPatienceUs = 5'000'000;

class Lab {
 public:
  explicit Lab(uint64_t seed) : rng(seed) { plan = Plan::Calm(seed, 3); }

  // Change it before Begin.
  Plan plan;
  Rng rng;

  // Starts the nodes and waits for a leader, which it returns.
  NodeId Begin(int nodes = 3, Micros patience = kLeaderPatienceUs);
  [[nodiscard]] World& world() { return *world_; }
  [[nodiscard]] Network& network() { return world_->network(); }
  [[nodiscard]] SimNode& node(NodeId id) { return world_->node(id); }
  [[nodiscard]] bool failed() const { return world_ == nullptr || world_->failed(); }
  void Expect(bool holds, const std::string& what);

  // ---- the cluster ------------------------------------------------------------------------------
  [[nodiscard]] NodeId leader() const { return world_->Leader(); }
  // Waits for one that serves; fails the run when there is none in time.
  NodeId WaitForLeader(Micros patience);
  // Hands leadership to that node and waits until it has it.
  void MakeLeader(NodeId id);
  [[nodiscard]] std::vector<NodeId> Others(NodeId id) const;
  // The highest term that any node is in.
  [[nodiscard]] Term term() const;
  [[nodiscard]] Micros ET(int64_t timeouts) const { return timeouts * plan.election_ms * 1000; }
  void Run(Micros length) { world_->RunFor(length); }
  bool Until(const std::function<bool()>& condition, Micros patience) {
    return world_->RunUntil(condition, patience);
  }
  Micros Random(Micros low, Micros high) { return rng.Between(low, high); }

  // ---- faults -----------------------------------------------------------------------------------
  void Kill(NodeId id) { node(id).Die(disk::CrashMode::kProcess, false); }
  void Power(NodeId id, disk::CrashMode mode = disk::CrashMode::kRandomSectors) {
    node(id).Die(mode, true);
  }
  void Start(NodeId id) { node(id).Start(); }
  void CutBoth(NodeId a, NodeId b);
  void Isolate(NodeId id);
  void Fault(FaultKind kind, NodeId id, Micros length, NodeId peer = NodeId());
  // Every message to or from these passes only when `tap` says so.
  void Tap(Network::Tap tap) { network().SetTap(std::move(tap)); }
  void Untap() { network().SetTap(nullptr); }
  // Calls it with the next operation number of the disk at which everything stops, 1, 2, ..., each
  // time followed by a crash and a restart.
  void SweepDisk(NodeId id, uint64_t most, disk::CrashMode mode,
                 const std::function<void()>& between);

  // ---- clients ----------------------------------------------------------------------------------
  // Clients that go on until the end.
  void Load(int clients, Mix mix = Mix::kPlain);
  SimClient& Client() { return world_->AddClient(); }
  // One command, by a new client, at a node that may redirect it. The reply, or "" without one.
  std::string Ask(NodeId id, std::vector<std::string> argv, Micros patience = 4'000'000,
                  server::PortKind kind = server::PortKind::kProxy);
  // Bytes to a node and what came back within that time, as it was.
  std::string Raw(NodeId id, server::PortKind kind, const std::string& bytes, Micros patience);
  std::string Unique() { return "u" + std::to_string(++unique_) + ";"; }

  // Mends everything, waits until all are equal, judges the history.
  Report End();

 private:
  std::unique_ptr<World> world_;
  uint64_t unique_ = 0;
};

}  // namespace kvorum::sim
