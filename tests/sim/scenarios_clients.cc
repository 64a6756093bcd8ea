// SPDX-License-Identifier: Apache-2.0
//
// Scenarios 84 to 99: time, and what clients may rely on.
#include <algorithm>

#include "tests/sim/scenario.h"

namespace kvorum::sim {
namespace {

using server::PortKind;

void WallClocks(Lab& lab) {  // 84
  const NodeId leader = lab.Begin();
  lab.Load(4, Mix::kExpiry);
  lab.Run(50'000);
  const Term term = lab.term();
  for (int i = 0; i < 60; ++i) {
    for (const NodeId id : lab.world().Ids()) {
      if (lab.rng.OneIn(1, 2)) lab.node(id).JumpWallClock(lab.Random(-3'600'000, 3'600'000));
    }
    lab.Run(lab.Random(1'000, 60'000));
  }
  lab.Expect(lab.leader() == leader && lab.term() == term, "elections do not look at wall clocks");
}

void DriftingClocks(Lab& lab) {  // 85
  lab.plan.skew_percent = 20;
  lab.plan.lease_ms = 60;
  lab.plan.think_most_us = 1'000;
  lab.plan.delay_most_us = 500;
  lab.Begin();
  lab.Load(5);
  for (int i = 0; i < 10; ++i) {
    lab.Run(lab.Random(20'000, 150'000));
    const NodeId leader = lab.leader();
    if (leader == NodeId()) continue;
    lab.Fault(lab.rng.OneIn(1, 2) ? FaultKind::kResetLeader : FaultKind::kIsolate, leader,
              lab.Random(5'000, 400'000));
  }
}

// Never long enough for an election, and so often that everybody waits for it.
void StarvedLeader(Lab& lab) {  // 86
  lab.plan.delay_most_us = 500;
  lab.plan.sync_most_us = 1'000;
  const NodeId leader = lab.Begin();
  lab.Load(2);
  const Term term = lab.term();
  for (int i = 0; i < 40 && lab.leader() == leader; ++i) {
    lab.node(leader).Pause(lab.ET(1) * 3 / 5);
    lab.Run(lab.ET(1) * 4 / 5);
  }
  lab.Run(lab.ET(1));
  lab.Expect(lab.leader() != leader, "another one leads");
  lab.Expect(lab.node(leader).node().member().stats().handed_over_loop.Get() == 1, "on purpose");
  lab.Expect(lab.term() - term == 1, "and without an election that somebody had to wait for");
}

void RandomStalls(Lab& lab) {  // 86
  lab.Begin();
  lab.Load(4);
  for (int i = 0; i < 15; ++i) {
    const NodeId id(1 + lab.rng.Below(3));
    lab.node(id).Pause(lab.rng.OneIn(1, 4) ? lab.Random(500'000, 5'000'000)
                                           : lab.Random(10'000, 300'000));
    lab.Run(lab.Random(10'000, 500'000));
  }
}

void ExpiryAroundFailover(Lab& lab) {  // 87
  lab.plan.skew_percent = 10;
  lab.Begin();
  lab.Load(5, Mix::kExpiry);
  for (int i = 0; i < 8; ++i) {
    lab.Run(lab.Random(50'000, 400'000));
    const NodeId leader = lab.leader();
    if (leader == NodeId()) continue;
    lab.node(leader).JumpWallClock(lab.Random(-5'000, 5'000));
    lab.Fault(FaultKind::kKill, leader, lab.Random(5'000, 300'000));
  }
}

void RefusalsMeanNothingHappened(Lab& lab) {  // 88
  lab.Begin();
  lab.Load(6);
  for (int i = 0; i < 10; ++i) {
    lab.Run(lab.Random(20'000, 200'000));
    lab.Fault(FaultKind::kHalves, NodeId(1), lab.Random(50'000, 1'500'000));
  }
}

void Pipelines(Lab& lab) {  // 89
  lab.plan.pipeline_percent = 100;
  lab.plan.think_most_us = 4'000;
  lab.Begin();
  lab.Load(5);
  for (int i = 0; i < 10; ++i) {
    lab.Run(lab.Random(20'000, 200'000));
    const NodeId leader = lab.leader();
    if (leader == NodeId()) continue;
    if (lab.rng.OneIn(1, 2)) {
      lab.Fault(FaultKind::kTransfer, leader, 0, lab.Others(leader)[0]);
    } else {
      lab.Fault(FaultKind::kKill, leader, lab.Random(1'000, 200'000));
    }
  }
}

void DiesBetweenCommitAndReply(Lab& lab) {  // 91
  lab.plan.delay_most_us = 400;
  const NodeId first = lab.Begin();
  lab.Expect(first != NodeId(), "a leader");
  for (int i = 0; i < 8 && !lab.failed(); ++i) {
    const NodeId leader = lab.WaitForLeader(lab.ET(10));
    const NodeId at = lab.Others(leader)[0];
    const Index before = lab.node(leader).node().member().core().commit();
    SimClient& client = lab.Client();
    client.Use(at, PortKind::kProxy);
    client.Ask({"INCR", "counter"});
    lab.Until(
        [&] {
          return !lab.node(leader).alive() ||
                 lab.node(leader).node().member().core().commit() > before;
        },
        lab.ET(4));
    lab.Kill(leader);
    lab.Run(200'000);
    lab.Start(leader);
    lab.Run(100'000);
  }
  lab.Expect(lab.world().figures().unknown == 0, "each has its reply");
}

void OneCommandOneEntry(Lab& lab) {  // 92
  const NodeId leader = lab.Begin();
  for (int i = 0; i < 50; ++i) lab.Ask(leader, {"SET", "probe", lab.Unique()});
  size_t commands = 0;
  for (const auto& [index, entry] : lab.world().watcher().log()) {
    for (const check::LogCommand& command : entry.commands) {
      commands += command.argv.front() == "SET" ? 1 : 0;
    }
  }
  lab.Expect(commands == 50, "fifty commands in the log, not " + std::to_string(commands));
}

void Redirects(Lab& lab) {  // 93
  const NodeId leader = lab.Begin();
  const std::string set = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";
  for (const NodeId id : lab.Others(leader)) {
    const std::string moved = lab.Raw(id, PortKind::kCluster, set, 100'000);
    const std::string target = "node" + std::to_string(leader.value()) + ":";
    lab.Expect(moved.starts_with("-MOVED ") && moved.find(target) != std::string::npos,
               "MOVED to the leader, not " + moved);
  }
  for (const NodeId id : lab.Others(leader)) lab.Kill(id);
  lab.Run(lab.ET(3));  // it has noticed
  const std::string down = lab.Raw(leader, PortKind::kCluster, set, 3'000'000);
  lab.Expect(down.starts_with("-CLUSTERDOWN"), "CLUSTERDOWN without a leader, not " + down);
  lab.Expect(lab.world().figures().redirects <= 5, "few hops");
}

void NeverWithoutALeader(Lab& lab) {  // 94
  lab.plan.loss_percent = 3;
  lab.plan.duplicate_percent = 10;
  lab.Begin();
  lab.Load(5);
  for (int i = 0; i < 100; ++i) {
    lab.Until([&] { return lab.leader() != NodeId(); }, lab.ET(2));
    lab.Expect(lab.leader() != NodeId(), "a leader, always");
    lab.Run(50'000);
  }
}

void RandomAndTimeOnce(Lab& lab) {  // 96
  lab.Begin();
  lab.Load(5, Mix::kWild);
  for (int i = 0; i < 5; ++i) {
    lab.Run(lab.Random(100'000, 400'000));
    const Micros length = lab.Random(5'000, 200'000);
    lab.Fault(FaultKind::kPower, NodeId(1 + lab.rng.Below(3)), length);
  }
}

void DifferentLimits(Lab& lab) {  // 98
  const NodeId leader = lab.Begin();
  const std::vector<NodeId> others = lab.Others(leader);
  lab.node(others[0]).config().maxmemory = 1;
  lab.node(others[0]).config().proto_max_bulk_len = 1 << 20;
  lab.node(others[1]).config().output_soft_limit = 1 << 10;
  lab.Load(4, Mix::kWild);
  lab.Run(1'000'000);
  lab.Ask(leader, {"SET", "probe", std::string(100'000, 'x')});
}

void Overload(Lab& lab) {  // 99
  lab.plan.sync_most_us = 20'000;
  lab.plan.think_most_us = 200;
  lab.plan.pipeline_percent = 100;
  const NodeId leader = lab.Begin();
  const Term term = lab.term();
  lab.Load(30);
  lab.Run(2'000'000);
  lab.Expect(lab.leader() == leader && lab.term() == term, "no election under overload");
  lab.world().plan().think_most_us = 1'000'000;
  lab.Run(1'000'000);
  const Micros before = lab.world().events().now();
  lab.Ask(leader, {"SET", "probe", lab.Unique()});
  lab.Expect(lab.world().events().now() - before < 5'000'000, "recovers within five seconds");
}

constexpr Scenario kScenarios[] = {
    {84, "wall clocks jump by hours", WallClocks},
    {85, "clocks drift by 20 % either way, leases on", DriftingClocks},
    {86, "random stalls of up to 5 s", RandomStalls},
    {86, "a leader whose turns are late again and again", StarvedLeader},
    {87, "expiry around failovers", ExpiryAroundFailover},
    {88, "a refusal means that nothing happened", RefusalsMeanNothingHappened},
    {89, "pipelines over changes of leader", Pipelines},
    {91, "the leader dies between commit and reply", DiesBetweenCommitAndReply},
    {92, "one command is one command in the log", OneCommandOneEntry},
    {93, "redirects, and CLUSTERDOWN without a leader", Redirects},
    {94, "a healthy cluster always has a leader", NeverWithoutALeader},
    {96, "random and time-dependent commands are evaluated once", RandomAndTimeOnce},
    {98, "nodes with different local limits", DifferentLimits},
    {99, "overload", Overload},
};

}  // namespace

std::span<const Scenario> ClientScenarios() { return kScenarios; }

}  // namespace kvorum::sim
