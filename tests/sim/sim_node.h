// SPDX-License-Identifier: Apache-2.0
//
// One node of the simulated cluster: a disk that survives, and a process that does not. The process
// is the product's Node with virtual seams; its turns happen at virtual times.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"
#include "raft/invariants.h"
#include "server/boot.h"
#include "server/node.h"
#include "tests/disk/memory_files.h"
#include "tests/sim/world.h"

namespace kvorum::sim {

class SimNode {
 public:
  SimNode(World& world, NodeId id, uint64_t seed);
  ~SimNode();

  void Start();
  // The process ends; `mode` says what becomes of what was not synced.
  void Crash(disk::CrashMode mode);
  // The process does nothing until then, its clocks go on.
  void Stall(Micros until);
  void JumpWallClock(UnixMs by_ms) { wall_offset_ms_ += by_ms; }
  // The links to `peer` break although both processes live.
  void ResetLink(NodeId peer);

  [[nodiscard]] bool alive() const { return process_ != nullptr; }
  [[nodiscard]] NodeId id() const { return id_; }
  [[nodiscard]] const server::Node& node() const;
  [[nodiscard]] uint64_t Digest() const;

  // ---- the network ------------------------------------------------------------------------------
  void Deliver(NodeId from, server::PeerMessage message);  // a Raft message has arrived
  // Ordered, until the link is reset.
  void DeliverCarried(NodeId from, uint64_t link_life, server::PeerMessage message);
  [[nodiscard]] uint64_t life() const { return life_; }
  [[nodiscard]] uint64_t LinkLife(NodeId peer) const;
  void PeerDied(NodeId peer, bool evidence);
  void PeerStarted(NodeId peer);

  // ---- clients ----------------------------------------------------------------------------------
  // Returns a connection number, or 0 when the process is down. `reply` gets bytes, `closed` is
  // called when the process dies.
  uint64_t Connect(server::PortKind kind, std::function<void(std::string)> reply,
                   std::function<void()> closed);
  void SendBytes(uint64_t connection, std::string bytes);
  void Disconnect(uint64_t connection);

 private:
  struct Process;
  friend struct Process;

  void Input(std::function<void()> input);  // runs inside the next turn
  void Kick(Micros delay);
  void Turn(uint64_t life);
  void Observe();
  [[nodiscard]] Now Clocks() const;
  [[nodiscard]] Micros GlobalTimeOf(Micros boot) const;

  World& world_;
  NodeId id_;
  Rng disk_rng_;
  Rng clock_rng_;
  disk::MemoryFiles files_;
  server::Config config_;
  uint64_t life_ = 0;
  Micros boot_offset_;
  int64_t rate_millionths_;  // of true time
  UnixMs wall_offset_ms_ = 0;
  Micros stalled_until_ = 0;
  std::map<NodeId, uint64_t> link_lives_;
  std::unique_ptr<Process> process_;
};

}  // namespace kvorum::sim
