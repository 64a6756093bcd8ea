// SPDX-License-Identifier: Apache-2.0
//
// Scenarios 26 to 36: replication.
#include <algorithm>
#include <vector>

#include "raft/limits.h"
#include "tests/sim/scenario.h"

namespace kvorum::sim {
namespace {

using server::PortKind;

template <class M>
M* As(server::PeerMessage& message) {
  auto* raft = std::get_if<raft::Message>(&message);
  return raft == nullptr ? nullptr : std::get_if<M>(raft);
}

void Loss(Lab& lab) {  // 26
  constexpr int kPercent[] = {5, 10, 15, 30, 50};
  lab.plan.loss_percent = kPercent[lab.rng.Below(5)];
  lab.Begin(5, 60'000'000);
  lab.Load(4);
  lab.Run(3'000'000);
  if (lab.plan.loss_percent > 30) return;  // safety alone: three of four round trips fail
  lab.Until([&] { return lab.leader() != NodeId(); }, lab.ET(20));
  lab.Expect(lab.leader() != NodeId(), "a leader, in spite of the loss");
}

void DoubledAndReordered(Lab& lab) {  // 27
  lab.plan.duplicate_percent = 50;
  lab.Begin();
  lab.Load(4);
  lab.Tap([&lab](NodeId from, NodeId to, server::PeerMessage& message) {
    if (!std::holds_alternative<raft::Message>(message) || !lab.rng.OneIn(1, 5)) return true;
    lab.network().Inject(from, to, message, lab.Random(1'000, 5'000'000));
    return lab.rng.OneIn(1, 2);
  });
  for (int i = 0; i < 6; ++i) {
    lab.Run(lab.Random(100'000, 800'000));
    const Micros length = lab.Random(1'000, 300'000);
    lab.Fault(FaultKind::kKill, NodeId(1 + lab.rng.Below(3)), length);
  }
}

// Messages of one kind are kept and come again when the world has moved on.
template <class M>
void Echo(Lab& lab) {
  lab.Tap([&lab](NodeId from, NodeId to, server::PeerMessage& message) {
    if (As<M>(message) != nullptr && lab.rng.OneIn(1, 3)) {
      lab.network().Inject(from, to, message, lab.Random(50'000, 2'000'000));
    }
    return true;
  });
}

void ChangeLeaders(Lab& lab, int times) {
  for (int i = 0; i < times && !lab.failed(); ++i) {
    lab.Run(lab.Random(50'000, 300'000));
    const NodeId leader = lab.leader();
    if (leader == NodeId()) continue;
    lab.Fault(lab.rng.OneIn(1, 2) ? FaultKind::kIsolate : FaultKind::kKill, leader,
              lab.Random(50'000, 600'000));
  }
}

void OldAppends(Lab& lab) {  // 28
  lab.plan.think_most_us = 5'000;
  lab.Begin(5);
  lab.Load(4);
  Echo<raft::Append>(lab);
  ChangeLeaders(lab, 8);
}

void LateRejects(Lab& lab) {  // 29
  lab.plan.think_most_us = 5'000;
  lab.plan.loss_percent = 20;
  lab.Begin();
  lab.Load(4);
  Echo<raft::AppendReply>(lab);
  ChangeLeaders(lab, 8);
}

void FullWindowAndCompaction(Lab& lab) {  // 30
  lab.plan.snapshot_log_bytes = 4 << 10;
  lab.plan.keep_log_bytes = 1 << 10;
  lab.plan.think_most_us = 2'000;
  const NodeId leader = lab.Begin();
  lab.Load(6);
  const NodeId behind = lab.Others(leader)[0];
  for (int i = 0; i < 4; ++i) {
    lab.network().Cut(leader, behind);
    lab.Run(lab.Random(100'000, 500'000));
    lab.network().Uncut(leader, behind);
    lab.network().Reset(leader, behind, 0);
    lab.Run(lab.Random(50'000, 300'000));
  }
  lab.Expect(lab.world().figures().marks[static_cast<size_t>(Mark::kSnapshotInstalled)] > 0,
             "a snapshot was installed");
}

void OverwrittenInFlight(Lab& lab) {  // 31
  lab.plan.think_most_us = 3'000;
  lab.Begin();
  lab.Load(5);
  for (int i = 0; i < 6 && !lab.failed(); ++i) {
    const NodeId leader = lab.WaitForLeader(lab.ET(20));
    // Its disk stands still while three terms write to the same indexes.
    const NodeId slow = lab.Others(leader)[0];
    lab.node(slow).StickDisk(700'000);
    lab.Isolate(leader);
    lab.Run(lab.Random(100'000, 500'000));
    lab.network().Heal();
    lab.Run(lab.Random(100'000, 400'000));
  }
}

void LargeEntriesOverwritten(Lab& lab) {  // 32
  lab.plan.segment_bytes = 64 << 10;
  lab.Begin();
  lab.Load(3);
  for (int i = 0; i < 4 && !lab.failed(); ++i) {
    const NodeId leader = lab.WaitForLeader(lab.ET(20));
    lab.Isolate(leader);
    SimClient& client = lab.Client();
    client.Use(leader, PortKind::kCluster);
    client.AskAll({{"SET", "large", std::string(300'000, 'x') + lab.Unique()},
                   {"SET", "large", std::string(100'000, 'y') + lab.Unique()}});
    lab.Run(lab.ET(6));
    lab.network().Heal();
    lab.Run(lab.ET(4));
  }
}

void CrashesWhileApplying(Lab& lab) {  // 33
  lab.plan.think_most_us = 1'000;
  lab.plan.pipeline_percent = 60;
  lab.plan.snapshot_log_bytes = 64 << 10;
  const NodeId leader = lab.Begin();
  lab.Load(6);
  const NodeId victim = lab.Others(leader)[0];
  for (int i = 0; i < 20 && !lab.failed(); ++i) {
    lab.Run(lab.Random(1'000, 60'000));
    lab.Kill(victim);
    lab.Run(lab.Random(100, 30'000));
    lab.Start(victim);
    lab.Run(lab.Random(0, 6'000));
    lab.Kill(victim);
    lab.Start(victim);
  }
}

void SizeAccounting(Lab& lab) {  // 34
  lab.plan.think_most_us = 2'000;
  lab.Begin();
  lab.Load(8);
  ChangeLeaders(lab, 8);
  lab.world().plan().think_most_us = 1'000'000'000;
  lab.world().HealAll();
  lab.Run(3'500'000);
  for (const NodeId id : lab.world().Ids()) {
    const raft::Core& core = lab.node(id).node().member().core();
    if (core.IsLeader()) lab.Expect(core.uncommitted_bytes() == 0, "nothing left in the account");
  }
}

void LargestValue(Lab& lab) {  // 35
  lab.plan.segment_bytes = 1 << 20;
  lab.plan.snapshot_log_bytes = 64 << 20;
  const NodeId leader = lab.Begin();
  const Term term = lab.term();
  for (const NodeId id : lab.Others(leader)) {
    lab.network().Slow(leader, id, 60'000);
    lab.network().Slow(id, leader, 60'000);
  }
  lab.Expect(lab.Ask(leader, {"SET", "large", std::string(8 << 20, 'x')}) == "+OK\r\n", "OK");
  lab.Run(lab.ET(5));
  lab.Expect(lab.leader() == leader && lab.term() == term, "no election for a large value");
}

void FollowerAsleep(Lab& lab) {  // 36
  lab.plan.think_most_us = 2'000;
  const NodeId leader = lab.Begin();
  lab.Load(6);
  const NodeId asleep = lab.Others(leader)[0];
  lab.node(asleep).Pause(120'000'000);
  for (int i = 0; i < 20; ++i) {
    lab.Run(300'000);
    const raft::Core& core = lab.node(leader).node().member().core();
    const raft::Progress* progress = core.ProgressOf(asleep);
    if (progress == nullptr) continue;
    lab.Expect(progress->inflight_bytes() <= raft::kMaxInflightBytes, "a bounded window");
    lab.Expect(core.log().bytes() <= 8 * lab.plan.snapshot_log_bytes, "a bounded log");
  }
}

constexpr Scenario kScenarios[] = {
    {26, "5 to 50 % of all messages are lost", Loss},
    {27, "half are doubled, some come seconds late", DoubledAndReordered},
    {28, "AppendEntries of an old term", OldAppends},
    {29, "rejections that arrive late", LateRejects},
    {30, "full window, compaction, lost messages", FullWindowAndCompaction},
    {31, "written, overwritten and written again while the disk stands", OverwrittenInFlight},
    {32, "large entries overwritten", LargeEntriesOverwritten},
    {33, "crashes while a backlog is applied", CrashesWhileApplying},
    {34, "size accounting returns to zero", SizeAccounting},
    {35, "a very large value and heartbeats", LargestValue},
    {36, "a follower asleep for minutes", FollowerAsleep},
};

}  // namespace

std::span<const Scenario> ReplicationScenarios() { return kScenarios; }

}  // namespace kvorum::sim
