// SPDX-License-Identifier: Apache-2.0
//
// Carries out faults on a world, and mends what lasts when its time is over.
#pragma once

#include <set>
#include <vector>

#include "base/ids.h"
#include "raft/core.h"
#include "tests/sim/plan.h"

namespace kvorum::sim {

class World;

class Nemesis {
 public:
  explicit Nemesis(World& world) : world_(world) {}

  void Do(const Fault& fault);
  // No more faults; those that last are mended by the world.
  void Stop() { stopped_ = true; }

 private:
  void Processes(const Fault& fault);
  void Partition(const Fault& fault);
  void Links(const Fault& fault);
  void Disk(const Fault& fault);
  void Members(const Fault& fault);
  // Asks the leader of the day until it says yes, or for good.
  void Change(raft::Change change, int tries);
  [[nodiscard]] bool MayLose(NodeId node) const;
  [[nodiscard]] bool DisksAreLost() const;
  void Kill(NodeId id, bool power, uint64_t dice, Micros down);
  void Rot(const Fault& fault);
  void CutFor(const std::vector<std::pair<NodeId, NodeId>>& cuts, Micros length);
  void Flap(NodeId a, NodeId b, Micros left, Micros step);
  void Swizzle(const Fault& fault);
  // Runs in so long, unless the faults have been mended by then.
  void Later(Micros delay, std::function<void()> mend);

  World& world_;
  bool stopped_ = false;
};

}  // namespace kvorum::sim
