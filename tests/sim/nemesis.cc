// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/nemesis.h"

#include <algorithm>
#include <utility>

#include "base/rng.h"
#include "raft/quorum.h"
#include "tests/sim/sim_node.h"
#include "tests/sim/world.h"

namespace kvorum::sim {
namespace {

using Cuts = std::vector<std::pair<NodeId, NodeId>>;

void Both(Cuts& cuts, NodeId a, NodeId b) {
  if (a == b) return;
  cuts.emplace_back(a, b);
  cuts.emplace_back(b, a);
}

Cuts AllLinksOf(const std::vector<NodeId>& ids, NodeId node) {
  Cuts cuts;
  for (const NodeId id : ids) Both(cuts, node, id);
  return cuts;
}

}  // namespace

void Nemesis::Do(const Fault& fault) {
  Fault now = fault;
  const NodeId leader = world_.Leader();
  switch (fault.kind) {
    case FaultKind::kKillLeader:
    case FaultKind::kPauseLeader:
    case FaultKind::kIsolateLeader:
    case FaultKind::kDeafLeader:
    case FaultKind::kMuteLeader:
    case FaultKind::kResetLeader:
    case FaultKind::kTransfer:
      if (leader == NodeId()) return;
      now.node = leader;
      break;
    default:
      break;
  }
  // Those who came later have their share.
  const auto first = static_cast<uint64_t>(world_.plan().nodes);
  if (now.node == fault.node && world_.Ids().size() > first && fault.dice % 3 == 0) {
    now.node = NodeId(first + 1 + fault.dice / 3 % (world_.Ids().size() - first));
  }
  ++world_.figures().faults[static_cast<size_t>(now.kind)];
  world_.Trace("fault: " + now.Text());
  Processes(now);
  if (world_.Ids().size() > 1) {
    Partition(now);
    Links(now);
  }
  Disk(now);
  Members(now);
}

void Nemesis::Later(Micros delay, std::function<void()> mend) {
  const uint64_t epoch = world_.network().epoch();
  world_.events().After(delay, [this, epoch, mend = std::move(mend)] {
    if (world_.network().epoch() == epoch) mend();
  });
}

// ---- processes --------------------------------------------------------------------------------

void Nemesis::Kill(NodeId id, bool power, uint64_t dice, Micros down) {
  SimNode& node = world_.node(id);
  if (!node.alive()) return;
  constexpr disk::CrashMode kPower[] = {
      disk::CrashMode::kDropUnsynced, disk::CrashMode::kRandomSectors,
      disk::CrashMode::kRandomSectors, disk::CrashMode::kKeepUnsynced};
  const disk::CrashMode mode = power ? kPower[dice % 4] : disk::CrashMode::kProcess;
  const auto start = [this, &node, down] { Later(down, [&node] { node.Start(); }); };
  if (dice / 4 % 2 == 0) return node.DieInAWrite(mode, power, start);
  node.Die(mode, power);
  start();
}

void Nemesis::Processes(const Fault& fault) {
  SimNode& node = world_.node(fault.node);
  Rng rng(fault.dice);
  switch (fault.kind) {
    case FaultKind::kKill:
    case FaultKind::kKillLeader:
      return Kill(fault.node, false, fault.dice, fault.length);
    case FaultKind::kPower:
      return Kill(fault.node, true, fault.dice, fault.length);
    case FaultKind::kKillAll:
    case FaultKind::kPowerAll:
      for (const NodeId id : world_.Ids()) {
        const Micros away = rng.Between(1'000, std::max<Micros>(fault.length, 1'001));
        Kill(id, fault.kind == FaultKind::kPowerAll, rng.Next(), away);
      }
      return;
    case FaultKind::kPause:
    case FaultKind::kPauseLeader:
      return node.Pause(fault.length);
    case FaultKind::kPauseAll:
      for (const NodeId id : world_.Ids()) {
        world_.node(id).Pause(rng.Between(fault.length / 2, fault.length));
      }
      return;
    case FaultKind::kMachinePause:
      return node.PauseMachine(fault.length);
    case FaultKind::kWallClock:
      return node.JumpWallClock(rng.Between(-3'600'000, 3'600'000));
    case FaultKind::kTransfer:
      if (node.alive()) {
        const NodeId target = rng.OneIn(1, 2) ? NodeId() : fault.peer;
        node.Input([&node, target] { node.node().member().TransferLeadership(target); });
      }
      return;
    case FaultKind::kSnapshot:
      if (node.alive()) node.Input([&node] { node.node().member().RequestSnapshot(); });
      return;
    default:
      return;
  }
}

// ---- members ----------------------------------------------------------------------------------

// A majority keeps good copies: that is what the cluster promises to live on. Of every
// configuration that somebody has, committed or not; and of the first one, or those who lost their
// disks could begin anew among themselves.
bool Nemesis::MayLose(NodeId node) const {
  const auto survives = [&](const raft::Configuration::Ids& voters) {
    size_t lost = 0;
    for (const NodeId id : voters) lost += id == node || world_.watcher().IsDamaged(id) ? 1 : 0;
    return voters.empty() || voters.size() - lost >= raft::Majority(voters.size());
  };
  const auto all_survive = [&](const raft::Configuration& configuration) {
    return survives(configuration.voters) && survives(configuration.old_voters);
  };
  raft::Configuration::Ids first = world_.Ids();
  first.resize(static_cast<size_t>(world_.plan().nodes));
  const std::vector<raft::Configuration> used = world_.watcher().ConfigurationsInUse();
  return survives(first) && all_survive(world_.Members()) &&
         std::all_of(used.begin(), used.end(), all_survive);
}

bool Nemesis::DisksAreLost() const {
  const std::vector<NodeId> ids = world_.Ids();
  return std::any_of(ids.begin(), ids.end(),
                     [&](NodeId id) { return world_.watcher().IsDamaged(id); });
}

void Nemesis::Change(raft::Change change, int tries) {
  const NodeId leader = world_.Leader();
  const auto again = [this, change, tries] {
    if (tries > 0 && !stopped_) Later(60'000, [=, this] { Change(change, tries - 1); });
  };
  if (leader == NodeId()) return again();
  SimNode& node = world_.node(leader);
  node.Input([this, &node, change, again] {
    raft::Change asked = change;
    if (DisksAreLost()) {  // with fewer voters, those that are left could be too few
      asked.force = false;
      const bool fewer =
          asked.kind == raft::Change::Kind::kRemove || asked.kind == raft::Change::Kind::kDemote;
      if (fewer && !world_.watcher().IsDamaged(asked.id)) return;
    }
    const raft::ChangeResult result = node.node().member().ProposeChange(asked);
    const auto* error = std::get_if<raft::ChangeError>(&result);
    if (error == nullptr) return;
    world_.Trace("the change is refused: " + std::to_string(static_cast<int>(*error)));
    if (*error == raft::ChangeError::kInProgress || *error == raft::ChangeError::kNotReady ||
        *error == raft::ChangeError::kTransferring || *error == raft::ChangeError::kNotLeader) {
      again();
    }
  });
}

void Nemesis::Members(const Fault& fault) {
  constexpr int kTries = 20;
  constexpr size_t kMostNodes = 11;
  Rng rng(fault.dice);
  const auto add = [this] {
    if (world_.Ids().size() >= kMostNodes) return;
    const NodeId id = world_.AddNode();
    world_.node(id).Start();
    const std::string name = "node" + std::to_string(id.value());
    Change({.kind = raft::Change::Kind::kAdd,
            .id = id,
            .address = name + ":" + std::to_string(7000 + id.value()) + "@" +
                       std::to_string(17000 + id.value())},
           kTries);
  };
  const std::vector<NodeId> members = world_.Members().Members();
  const NodeId one = members[rng.Below(members.size())];
  switch (fault.kind) {
    case FaultKind::kAddNode:
      return add();
    case FaultKind::kRemoveNode:
      return Change({.kind = raft::Change::Kind::kRemove, .id = one, .force = rng.OneIn(1, 8)},
                    kTries);
    case FaultKind::kReplaceNode:
      if (members.size() < 3) return;
      if (world_.node(one).alive()) world_.node(one).Die(disk::CrashMode::kRandomSectors, true);
      // Somebody gives it an empty disk and starts it as what it was. A minority may be lost so.
      if (rng.OneIn(1, 3) && MayLose(one)) {
        world_.watcher().Damaged(one);
        world_.node(one).files().Restore(*disk::MemoryFiles().Save());
        world_.node(one).Start();
      }
      Change({.kind = raft::Change::Kind::kRemove, .id = one}, kTries);
      return add();
    case FaultKind::kDemoteNode: {
      const bool learner = world_.Members().IsLearner(one);
      return Change({.kind = learner ? raft::Change::Kind::kPromote : raft::Change::Kind::kDemote,
                     .id = one,
                     .force = rng.OneIn(1, 8)},
                    kTries);
    }
    default:
      return;
  }
}

// ---- partitions -------------------------------------------------------------------------------

void Nemesis::CutFor(const Cuts& cuts, Micros length) {
  for (const auto& [from, to] : cuts) world_.network().Cut(from, to);
  Later(length, [this, cuts] {
    for (const auto& [from, to] : cuts) world_.network().Uncut(from, to);
  });
}

void Nemesis::Partition(const Fault& fault) {
  const std::vector<NodeId>& ids = world_.Ids();
  Rng rng(fault.dice);
  std::vector<NodeId> mixed = ids;
  for (size_t i = mixed.size(); i > 1; --i) std::swap(mixed[i - 1], mixed[rng.Below(i)]);
  Cuts cuts;
  switch (fault.kind) {
    case FaultKind::kIsolate:
    case FaultKind::kIsolateLeader:
      cuts = AllLinksOf(ids, fault.node);
      break;
    case FaultKind::kDeafLeader:
      for (const NodeId id : ids) cuts.emplace_back(id, fault.node);
      break;
    case FaultKind::kMuteLeader:
      for (const NodeId id : ids) cuts.emplace_back(fault.node, id);
      break;
    case FaultKind::kOneWay:
      cuts.emplace_back(fault.node, fault.peer);
      break;
    case FaultKind::kHalves: {
      const size_t first = 1 + rng.Below(ids.size() - 1);
      for (size_t i = 0; i < first; ++i) {
        for (size_t j = first; j < mixed.size(); ++j) Both(cuts, mixed[i], mixed[j]);
      }
      break;
    }
    case FaultKind::kBridge: {
      const size_t middle = mixed.size() / 2;
      for (size_t i = 0; i < middle; ++i) {
        for (size_t j = middle + 1; j < mixed.size(); ++j) Both(cuts, mixed[i], mixed[j]);
      }
      break;
    }
    case FaultKind::kRing:
      for (size_t i = 0; i < mixed.size(); ++i) {
        for (size_t j = i + 2; j < mixed.size(); ++j) {
          if (i != 0 || j + 1 != mixed.size()) Both(cuts, mixed[i], mixed[j]);
        }
      }
      break;
    case FaultKind::kRandomCuts:
      for (const NodeId a : ids) {
        for (const NodeId b : ids) {
          if (a != b && rng.OneIn(1, 3)) cuts.emplace_back(a, b);
        }
      }
      break;
    default:
      return;
  }
  std::erase_if(cuts, [](const auto& cut) { return cut.first == cut.second; });
  CutFor(cuts, fault.length);
}

// ---- links ------------------------------------------------------------------------------------

void Nemesis::Flap(NodeId a, NodeId b, Micros left, Micros step) {
  if (left <= 0 || stopped_) return;
  CutFor({{a, b}, {b, a}}, step);
  Later(2 * step, [this, a, b, left, step] { Flap(a, b, left - 2 * step, step); });
}

// FoundationDB's: links are clogged one after another, and opened in another order.
void Nemesis::Swizzle(const Fault& fault) {
  Rng rng(fault.dice);
  for (const NodeId a : world_.Ids()) {
    for (const NodeId b : world_.Ids()) {
      if (a == b || !rng.OneIn(1, 2)) continue;
      const Micros from = rng.Between(0, fault.length / 2);
      const Micros to = rng.Between(fault.length / 2, fault.length);
      Later(from, [this, a, b, open = to - from] {
        world_.network().Clog(a, b);
        Later(open, [this, a, b] { world_.network().Open(a, b); });
      });
    }
  }
}

void Nemesis::Links(const Fault& fault) {
  Network& network = world_.network();
  Rng rng(fault.dice);
  switch (fault.kind) {
    case FaultKind::kFlap:
      return Flap(fault.node, fault.peer, fault.length, rng.Between(10'000, 150'000));
    case FaultKind::kSwizzle:
      return Swizzle(fault);
    case FaultKind::kSlowLinks: {
      const Micros extra = rng.Between(1'000, 200'000);
      for (const NodeId id : world_.Ids()) {
        if (id == fault.node) continue;
        const Cuts both = {{id, fault.node}, {fault.node, id}};
        for (const auto& [from, to] : both) network.Slow(from, to, extra);
        Later(fault.length, [&network, both] {
          for (const auto& [from, to] : both) network.Slow(from, to, 0);
        });
      }
      return;
    }
    case FaultKind::kReset:
      return network.Reset(fault.node, fault.peer, 0);
    case FaultKind::kResetLeader:
      for (const NodeId id : world_.Ids()) network.Reset(fault.node, id, fault.length);
      return;
    default:
      return;
  }
}

// ---- disks ------------------------------------------------------------------------------------

void Nemesis::Disk(const Fault& fault) {
  SimNode& node = world_.node(fault.node);
  Rng rng(fault.dice);
  switch (fault.kind) {
    case FaultKind::kSlowDisk:
      return node.SlowDisk(rng.Between(5'000, 300'000), fault.length);
    case FaultKind::kStuckDisk:
      return node.StickDisk(fault.length);
    case FaultKind::kSyncError: {  // one draw a statement: compilers order arguments differently
      const auto kind =
          rng.OneIn(1, 2) ? disk::FaultKind::kErrorPagesClean : disk::FaultKind::kIoError;
      node.files().FailNth(disk::Operation::kSync, 1 + rng.Below(5), kind);
      break;
    }
    case FaultKind::kWriteError: {
      const uint64_t nth = 1 + rng.Below(5);
      node.files().FailNth(rng.OneIn(1, 2) ? disk::Operation::kWrite : disk::Operation::kRename,
                           nth, disk::FaultKind::kIoError);
      break;
    }
    case FaultKind::kFullDisk:
      node.LimitDisk(static_cast<uint64_t>(rng.OneIn(1, 3) ? rng.Between(512, 8 << 10)
                                                           : rng.Between(20 << 10, 60 << 10)));
      Later(fault.length, [&node] { node.LimitDisk(0); });
      return;
    case FaultKind::kRot:
      return Rot(fault);
    default:
      return;
  }
  // A process that its disk has ended is started again, as an operator or systemd would.
  Later(fault.length, [&node] {
    node.files().ClearFaults();
    node.Start();
  });
}

void Nemesis::Rot(const Fault& fault) {
  if (!world_.watcher().IsDamaged(fault.node) && !MayLose(fault.node)) return;
  SimNode& node = world_.node(fault.node);
  if (node.halted()) return;
  if (node.alive()) node.Die(disk::CrashMode::kProcess, false);
  world_.watcher().Damaged(fault.node);
  node.Rot(fault.dice);
  Later(fault.length, [&node] { node.Start(); });
}

}  // namespace kvorum::sim
