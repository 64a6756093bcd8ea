// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <unistd.h>

#include "store/envelope.h"
#include "store/families.h"
#include "tests/sim/campaign.h"
#include "tests/sim/lab.h"
#include "tests/sim/minimize.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_node.h"
#include "tests/sim/sim_process.h"
#include "tests/sim/world.h"

namespace kvorum::sim {
namespace {

TEST(Simulator, TheSameSeedIsTheSameRun) {
  for (const uint64_t seed : {3, 7, 204}) {
    const Report first = World(Plan::Swarm(seed)).Run();
    const Report second = World(Plan::Swarm(seed)).Run();
    EXPECT_TRUE(first.ok) << first.failure;
    EXPECT_EQ(first.trace_hash, second.trace_hash);
    EXPECT_EQ(first.figures.events, second.figures.events);
  }
}

// A run without a single fault: nothing may be unknown, and one election is enough.
TEST(Simulator, WithoutFaultsNothingIsLostOrRepeated) {
  const Report report = World(Plan::Calm(42, 3)).Run();
  EXPECT_TRUE(report.ok) << report.failure;
  EXPECT_EQ(report.figures.unknown, 0U);
  EXPECT_EQ(report.figures.indoubt, 0U);
  // One to begin with; the phase in which a majority serves alone may cut the leader off.
  EXPECT_LE(report.figures.elections, 2U);
  EXPECT_GT(report.figures.operations, 500U);
}

// What a run depends on is its plan alone, so a schedule with fewer faults replays as well.
TEST(Simulator, FaultsAreDrawnBeforehand) {
  Plan plan = Plan::Swarm(9);
  ASSERT_GT(plan.faults.size(), 2U);
  plan.faults.resize(plan.faults.size() / 2);
  const Report first = World(plan).Run();
  const Report second = World(plan).Run();
  EXPECT_EQ(first.trace_hash, second.trace_hash);
}

TEST(Simulator, APauseInTheMiddleOfATurnKeepsTheOrderOfWhatArrives) {
  Lab lab(1);
  SimNode& node = lab.node(lab.Begin());
  ASSERT_TRUE(lab.Until([&node] { return node.process().in_turn; }, 1'000'000));
  std::string order;
  node.Pause(1);
  node.Input([&order] { order += "in the pause, "; });
  lab.world().events().After(1, [&] {
    ASSERT_TRUE(node.process().in_turn);
    node.Input([&order] { order += "after it"; });
  });
  lab.Run(100'000);
  EXPECT_EQ(order, "in the pause, after it");
}

// What is committed is never cut, whoever asks: a node ends rather than that.
TEST(SimulatorDeathTest, Scenario38_ALeaderThatContradictsWhatIsCommitted) {
  Lab lab(38);
  const NodeId leader = lab.Begin();
  const NodeId follower = lab.Others(leader)[0];
  lab.Ask(leader, {"SET", "key", "value"});
  lab.Run(lab.ET(1));
  const raft::Core& core = lab.node(follower).node().member().core();
  const Index committed = core.commit();
  ASSERT_GT(committed, Index());
  raft::Append append{.term = core.term(),
                      .prev_index = committed - 1,
                      .prev_term = core.log().TermAt(committed - 1)};
  append.entries.push_back({core.term() + 1, committed, raft::EntryType::kNoop, Payload()});
  EXPECT_DEATH(
      {
        lab.network().Inject(leader, follower, raft::Message(append), 0);
        lab.Run(50'000);
      },
      "contradicts a committed entry");
  EXPECT_EQ(core.commit(), committed);
}

TEST(Minimize, FindsTheTwoFaultsThatMatter) {
  const Plan plan = Plan::Swarm(9);
  ASSERT_GT(plan.faults.size(), 8U);
  const Micros a = plan.faults[2].at;
  const Micros b = plan.faults[plan.faults.size() - 2].at;
  int runs = 0;
  const std::vector<Fault> left = MinimizeFaults(
      plan,
      [&](const Plan& tried) {
        ++runs;
        int found = 0;
        for (const Fault& fault : tried.faults) found += fault.at == a || fault.at == b ? 1 : 0;
        return found == 2;
      },
      1000);
  ASSERT_EQ(left.size(), 2U);
  EXPECT_EQ(left[0].at, a);
  EXPECT_EQ(left[1].at, b);
}

// A checker that cannot fail proves nothing: the state of one replica is changed behind its back.
TEST(Watcher, AReplicaThatDiffersIsFound) {
  World world(Plan::Calm(1, 3));
  world.StartNodes();
  world.AddClient().Start();
  world.RunFor(2'000'000);
  ASSERT_NE(world.Leader(), NodeId());
  // Not the leader: the load must go on, and it waits for the entry that is applied here by hand.
  SimNode& odd = world.node(world.Leader() == NodeId(1) ? NodeId(2) : NodeId(1));
  const store::CommandRow* row = store::StoreIndex().Find("set");
  const std::vector<std::string_view> argv = {"set", "odd", "one"};
  store::EnvelopeWriter writer;
  writer.Add(row->opcode, 0, nullptr, argv);
  odd.node().machine().Apply(odd.node().machine().applied() + 1, writer.Finish(0, 0), nullptr);
  world.RunFor(2'000'000);
  EXPECT_TRUE(world.failed());
}

TEST(Campaign, CountsWhatItsProcessesSawAndNamesTheSeedThatFails) {
  const Campaign campaign{.first = 10, .count = 20, .jobs = 2, .quiet = true};
  const auto run = [](uint64_t seed) {
    Report report;
    report.figures.seeds = 1;
    report.ok = seed != 17;
    report.failure = "seventeen";
    return report;
  };
  const CampaignResult result = RunCampaign(campaign, run);
  EXPECT_FALSE(result.ok);
  EXPECT_EQ(result.failed_seed, 17U);
  EXPECT_EQ(result.failure, "seventeen");
  EXPECT_GE(result.figures.seeds, 8U);
}

TEST(Campaign, AProcessThatDiesIsAFailure) {
  const Campaign campaign{.first = 1, .count = 3, .quiet = true};
  const CampaignResult result = RunCampaign(campaign, [](uint64_t seed) {
    if (seed == 2) _exit(3);
    return Report{};
  });
  EXPECT_FALSE(result.ok);
  EXPECT_EQ(result.failed_seed, 2U);
}

}  // namespace
}  // namespace kvorum::sim
