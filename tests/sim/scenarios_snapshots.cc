// SPDX-License-Identifier: Apache-2.0
//
// Scenarios 53 to 63: snapshots.
#include <algorithm>
#include <string>
#include <vector>

#include "tests/sim/scenario.h"

namespace kvorum::sim {
namespace {

using server::PortKind;

template <class M>
M* As(server::PeerMessage& message) {
  auto* raft = std::get_if<raft::Message>(&message);
  return raft == nullptr ? nullptr : std::get_if<M>(raft);
}

void RequestSnapshot(Lab& lab, NodeId id) {
  if (!lab.node(id).alive()) return;
  lab.node(id).Input([&lab, id] { lab.node(id).node().member().RequestSnapshot(); });
}

// Small logs, so that who is away needs a snapshot; large values, so that it has many pieces.
NodeId BeginLarge(Lab& lab) {
  lab.plan.snapshot_log_bytes = 64 << 10;
  lab.plan.keep_log_bytes = 1 << 10;
  lab.plan.segment_bytes = 512 << 10;
  const NodeId leader = lab.Begin();
  for (int i = 0; i < 12; ++i) {
    lab.Ask(leader, {"SET", "large" + std::to_string(i), std::string(120'000, 'x')});
  }
  return leader;
}

void Away(Lab& lab, NodeId id) {
  lab.Isolate(id);
  const NodeId leader = lab.WaitForLeader(lab.ET(10));
  for (int i = 0; i < 6; ++i) {
    lab.Ask(leader, {"SET", "large" + std::to_string(i), std::string(110'000, 'y') + lab.Unique()});
  }
  lab.network().Heal();
}

bool CaughtUp(Lab& lab, NodeId id) {
  const Index committed = lab.world().watcher().committed();
  return lab.node(id).alive() && lab.node(id).node().member().applied() >= committed;
}

void CrashAtEveryStep(Lab& lab) {  // 53
  lab.plan.snapshot_log_bytes = 2 << 10;
  lab.plan.segment_bytes = 8 << 10;
  lab.plan.think_most_us = 5'000;
  const NodeId leader = lab.Begin();
  lab.Load(3);
  const NodeId victim = lab.rng.OneIn(1, 2) ? leader : lab.Others(leader)[0];
  constexpr disk::CrashMode kModes[] = {disk::CrashMode::kProcess, disk::CrashMode::kDropUnsynced,
                                        disk::CrashMode::kRandomSectors};
  lab.SweepDisk(victim, 40, kModes[lab.rng.Below(3)], [&lab, victim] {
    RequestSnapshot(lab, victim);
    lab.Run(lab.Random(5'000, 40'000));
  });
}

void CrashWhileInstalling(Lab& lab) {  // 54
  const NodeId leader = BeginLarge(lab);
  const NodeId victim = lab.Others(leader)[0];
  for (uint64_t n = 1; n <= 14 && !lab.failed(); ++n) {
    Away(lab, victim);
    lab.node(victim).files().StopAtChange(n * 2 + lab.rng.Below(3));
    lab.Run(lab.Random(10'000, 80'000));
    lab.Power(victim);
    lab.Run(2'000);
    lab.Start(victim);
    lab.Run(lab.Random(1'000, 30'000));
  }
  lab.Until([&] { return CaughtUp(lab, victim); }, 5'000'000);
  lab.Expect(CaughtUp(lab, victim), "it catches up in the end");
}

void VotesSurviveCompaction(Lab& lab) {  // 55
  lab.plan.snapshot_log_bytes = 2 << 10;
  lab.plan.segment_bytes = 8 << 10;
  lab.plan.think_most_us = 4'000;
  lab.Begin();
  lab.Load(4);
  for (int i = 0; i < 15; ++i) {
    lab.Run(lab.Random(10'000, 150'000));
    const Micros length = lab.Random(500, 20'000);
    lab.Fault(FaultKind::kPower, NodeId(1 + lab.rng.Below(3)), length);
    const NodeId leader = lab.leader();
    if (leader != NodeId() && lab.rng.OneIn(1, 2)) {
      lab.Fault(FaultKind::kTransfer, leader, 0, lab.Others(leader)[0]);
    }
  }
}

void LossyTransfer(Lab& lab) {  // 56
  const NodeId leader = BeginLarge(lab);
  lab.Load(2);
  const NodeId behind = lab.Others(leader)[0];
  for (int i = 0; i < 4; ++i) {
    Away(lab, behind);
    lab.world().plan().loss_percent = 20;
    lab.world().plan().duplicate_percent = 40;
    lab.Run(lab.Random(1'000, 60'000));
    const NodeId now = lab.leader();
    if (now != NodeId()) {
      lab.Fault(FaultKind::kTransfer, now, 0, lab.Others(behind)[lab.rng.Below(2)]);
    }
    RequestSnapshot(lab, NodeId(1 + lab.rng.Below(3)));
    lab.Run(lab.Random(50'000, 300'000));
    lab.world().plan().loss_percent = 0;
  }
  lab.Until([&] { return CaughtUp(lab, behind); }, 8'000'000);
  lab.Expect(CaughtUp(lab, behind), "it arrives in spite of all");
}

void StalePieces(Lab& lab) {  // 57
  const NodeId leader = BeginLarge(lab);
  lab.Load(3);
  const NodeId behind = lab.Others(leader)[0];
  lab.Tap([&lab](NodeId from, NodeId to, server::PeerMessage& message) {
    if (As<raft::InstallSnapshot>(message) != nullptr) {
      lab.network().Inject(from, to, message, lab.Random(100'000, 3'000'000));
    }
    return true;
  });
  for (int i = 0; i < 3; ++i) {
    Away(lab, behind);
    lab.Run(lab.Random(200'000, 800'000));
    const NodeId now = lab.leader();
    if (now != NodeId()) lab.Fault(FaultKind::kTransfer, now, 0, lab.Others(now)[1]);
  }
}

void TrafficWhileLoading(Lab& lab) {  // 58
  const NodeId leader = BeginLarge(lab);
  lab.plan.think_most_us = 2'000;
  lab.Load(5);
  const NodeId behind = lab.Others(leader)[1];
  for (int i = 0; i < 3; ++i) {
    Away(lab, behind);
    lab.node(behind).SlowDisk(20'000, 2'000'000);
    lab.Run(lab.Random(100'000, 500'000));
    // Asked while it loads: anything but a wrong answer.
    lab.Ask(behind, {"GET", "large1"}, 300'000);
    lab.Fault(FaultKind::kReset, behind, 0, leader);
    lab.Run(1'000'000);
  }
}

void DamagedPieces(Lab& lab) {  // 59
  const NodeId leader = BeginLarge(lab);
  const NodeId behind = lab.Others(leader)[0];
  int damaged = 0;
  lab.Tap([&lab, &damaged](NodeId, NodeId, server::PeerMessage& message) {
    auto* piece = As<raft::InstallSnapshot>(message);
    if (piece == nullptr || piece->bytes.empty() || damaged >= 3 || !lab.rng.OneIn(1, 4)) {
      return true;
    }
    ++damaged;
    piece->bytes[lab.rng.Below(piece->bytes.size())] ^= 0x10;
    return true;
  });
  Away(lab, behind);
  lab.Until([&] { return CaughtUp(lab, behind); }, 20'000'000);
  lab.Expect(CaughtUp(lab, behind), "rejected, sent again and installed");
}

void LogTruncatedMeanwhile(Lab& lab) {  // 60
  lab.plan.snapshot_log_bytes = 4 << 10;
  lab.plan.think_most_us = 3'000;
  lab.Begin();
  lab.Load(5);
  for (int i = 0; i < 10 && !lab.failed(); ++i) {
    const NodeId leader = lab.WaitForLeader(lab.ET(20));
    lab.node(leader).SlowDisk(30'000, 1'000'000);
    RequestSnapshot(lab, leader);
    lab.Isolate(leader);
    lab.Run(lab.Random(50'000, 500'000));
    lab.network().Heal();
    lab.Run(lab.Random(50'000, 200'000));
  }
}

void NoSpaceForASnapshot(Lab& lab) {  // 61
  lab.plan.think_most_us = 5'000;
  const NodeId leader = BeginLarge(lab);
  lab.Load(3);
  const NodeId victim = lab.Others(leader)[0];
  for (int i = 0; i < 5 && !lab.failed(); ++i) {
    lab.node(victim).LimitDisk(static_cast<uint64_t>(lab.Random(80 << 10, 600 << 10)));
    RequestSnapshot(lab, victim);
    lab.Run(lab.Random(50'000, 400'000));
    lab.node(victim).LimitDisk(0);
    lab.Start(victim);
    lab.Run(lab.Random(50'000, 200'000));
  }
}

void ReplayEqualsLoad(Lab& lab) {  // 62
  lab.plan.snapshot_log_bytes = 3 << 10;
  lab.plan.think_most_us = 4'000;
  lab.Begin();
  lab.Load(5, Mix::kWild);
  for (int i = 0; i < 12; ++i) {
    lab.Run(lab.Random(20'000, 200'000));
    const NodeId id(1 + lab.rng.Below(3));
    RequestSnapshot(lab, id);
    lab.Run(lab.Random(1'000, 50'000));
    lab.Fault(FaultKind::kKill, id, lab.Random(500, 100'000));
  }
}

// A cut of large values that takes many steps, while all of them change: what is loaded from it,
// and the log behind it, must give what everybody else has.
void ChangesBehindTheCut(Lab& lab) {  // 62
  constexpr int kKeys = 40;
  lab.plan.snapshot_log_bytes = 64 << 20;
  lab.plan.keep_log_bytes = 1 << 10;
  lab.plan.segment_bytes = 512 << 10;
  const NodeId leader = lab.Begin();
  for (int key = 0; key < kKeys; ++key) {
    lab.Ask(leader, {"SET", "large" + std::to_string(key), std::string(60'000, 'x')});
  }
  for (int i = 0; i < 2 && !lab.failed(); ++i) {
    const NodeId victim(1 + lab.rng.Below(3));
    lab.node(victim).SlowDisk(10'000, 150'000);
    RequestSnapshot(lab, victim);
    lab.Run(lab.Random(500, 5'000));
    std::vector<std::vector<std::string>> changes;
    for (int key = 0; key < kKeys; ++key) {
      changes.push_back({"APPEND", "large" + std::to_string(key), lab.Unique()});
    }
    SimClient& client = lab.Client();
    client.Use(leader, PortKind::kProxy);
    client.AskAll(changes);
    lab.Until(
        [&] {
          return client.idle() && lab.node(victim).alive() &&
                 !lab.node(victim).node().member().taker().running();
        },
        2'000'000);
    lab.Kill(victim);
    lab.Run(1'000);
    lab.Start(victim);
    lab.Run(lab.ET(3));
  }
}

// What is being written when a snapshot takes its place says nothing about what comes after it.
void InstalledOverWhatIsBeingSaved(Lab& lab) {  // 60
  lab.plan.snapshot_log_bytes = 1 << 20;
  lab.plan.keep_log_bytes = 512;
  lab.plan.delay_most_us = 300;
  lab.plan.sync_most_us = 300;
  const NodeId old = lab.Begin();
  lab.Ask(old, {"SET", "probe", lab.Unique()});
  lab.Run(50'000);
  lab.Isolate(old);
  // Only what is begun now takes long.
  lab.node(old).SlowDisk(2'000'000, 3'000);
  for (int i = 0; i < 60; ++i) {
    SimClient& client = lab.Client();
    client.Use(old, PortKind::kCluster);
    client.Ask({"SET", "lost" + std::to_string(i), lab.Unique()});
    lab.Run(400);
  }
  for (const NodeId id : lab.Others(old)) lab.node(id).PeerUnreachable(old);
  const auto other = [&] { return lab.leader() != NodeId() && lab.leader() != old; };
  lab.Until(other, lab.ET(6));
  lab.Expect(other(), "another leader");
  for (int i = 0; i < 5; ++i) {
    lab.Ask(lab.leader(), {"SET", "probe", std::string(2'000, 'x') + lab.Unique()});
  }
  for (const NodeId id : lab.Others(old)) RequestSnapshot(lab, id);
  lab.Run(60'000);
  lab.network().Heal();
  lab.Run(3'000'000);
}

void CarriedAcrossASnapshot(Lab& lab) {  // 63
  lab.plan.snapshot_log_bytes = 2 << 10;
  lab.plan.keep_log_bytes = 512;
  lab.plan.think_most_us = 3'000;
  lab.Begin();
  lab.Load(5);
  for (int i = 0; i < 8 && !lab.failed(); ++i) {
    const NodeId leader = lab.WaitForLeader(lab.ET(20));
    const NodeId from = lab.Others(leader)[0];
    SimClient& client = lab.Client();
    client.Use(from, PortKind::kProxy);
    client.AskAll({{"INCR", "counter"}, {"APPEND", "key0", lab.Unique()}});
    lab.Run(lab.Random(100, 1'500));
    lab.Isolate(from);
    lab.Run(lab.Random(100'000, 600'000));
    lab.network().Heal();
    lab.Run(lab.Random(100'000, 300'000));
  }
}

constexpr Scenario kScenarios[] = {
    {53, "crash at every step of taking a snapshot", CrashAtEveryStep},
    {54, "crash at every step of installing one", CrashWhileInstalling},
    {55, "term and vote survive compaction", VotesSurviveCompaction},
    {56, "pieces lost, doubled, leaders changed, two at once", LossyTransfer},
    {57, "pieces of an old snapshot", StalePieces},
    {58, "messages while a snapshot is loaded", TrafficWhileLoading},
    {59, "damaged pieces", DamagedPieces},
    {60, "the log is truncated while a snapshot is written", LogTruncatedMeanwhile},
    {60, "a snapshot installed over what is being saved", InstalledOverWhatIsBeingSaved},
    {61, "no space for a snapshot", NoSpaceForASnapshot},
    {62, "replay and load give equal states", ReplayEqualsLoad},
    {62, "changes behind the cut of a long snapshot", ChangesBehindTheCut},
    {63, "carried commands across an installed snapshot", CarriedAcrossASnapshot},
};

}  // namespace

std::span<const Scenario> SnapshotScenarios() { return kScenarios; }

}  // namespace kvorum::sim
