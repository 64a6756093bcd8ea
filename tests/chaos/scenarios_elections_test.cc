// SPDX-License-Identifier: Apache-2.0
//
// Elections and leadership, with real processes. The numbers are those of the list of scenarios.
#include <csignal>

#include "tests/chaos/scenario.h"

namespace kvorum::chaos {
namespace {

class Elections : public Scenario {
 protected:
  // Leadership goes to another node, by the command; all of it under a new term.
  void HandOn() {
    const int leader = Leader();
    EXPECT_TRUE(e2e::WaitFor([&] { return Ask(leader, {"RAFT", "TRANSFER"}) == "OK"; }));
    LeaderBesides(leader);
  }
};

TEST_F(Elections, Scenario1_LeaderKilledWithAHundredWritesInFlight) {
  Start(3);
  const int leader = Leader();
  std::vector<std::thread> threads;
  threads.reserve(8);
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([this, i] {
      Client client(arena_->cluster(), recorder_, i, i % 2 == 0 ? Door::kProxy : Door::kCluster,
                    static_cast<uint64_t>(i));
      for (int round = 0; round < 6; ++round) {
        std::vector<Argv> pipeline;
        pipeline.reserve(25);
        for (int n = 0; n < 25; ++n) pipeline.push_back({"INCR", "k" + std::to_string(n % 5)});
        client.Do(pipeline, 6000);
      }
    });
  }
  EXPECT_TRUE(e2e::WaitFor([&] { return recorder_.acknowledged() > 50; }));
  arena_->Kill({leader});
  for (std::thread& thread : threads) thread.join();
  LeaderBesides(leader);
  arena_->Launch(leader);
  Finish();
  EXPECT_GE(std::stoull(AskProxy(1, {"GET", "k0"})), recorder_.acknowledged() / 5 / 2);
}

TEST_F(Elections, Scenario2_AllKilledStartedAndAMajorityKilledAgain) {
  Start(5);
  BeginLoad();
  for (int round = 0; round < 2; ++round) {
    Progress(150);
    arena_->Kill(arena_->Nodes());
    arena_->LaunchAll();
    Wait(200 * (round + 1));  // before, and while, a leader is found
    arena_->Kill({1 + round, 2 + round, 3 + round});
    Wait(100);
    arena_->LaunchAll();
  }
  Progress(100);
  Finish();
}

TEST_F(Elections, Scenario3_ReadsAtANewLeader) {
  Start(3);
  // Many clients that read at all nodes while leadership moves by all means.
  BeginLoad(12, 2);
  for (int round = 0; round < 3; ++round) {
    Progress(60);
    KillLeader();
  }
  Finish();
}

TEST_F(Elections, Scenario4_LeaderInTheMinorityNeitherAcknowledgesNorReadsThePast) {
  Start(3);
  const int old = Leader();
  ASSERT_EQ(Ask(old, {"SET", "k", "old"}), "OK");
  arena_->Cut({old}, Others(old));
  const int leader = LeaderBesides(old);
  ASSERT_EQ(Ask(leader, {"SET", "k", "new"}), "OK");
  // Neither answer may be what it was before the cut.
  for (const Argv& argv : {Argv{"GET", "k"}, Argv{"SET", "other", "x"}}) {
    const std::string text = Ask(old, argv);
    EXPECT_TRUE(text == "(lost)" || text.starts_with("-")) << text;
  }
  arena_->HealLinks();
  Finish();
  EXPECT_EQ(AskProxy(old, {"GET", "k"}), "new");
}

TEST_F(Elections, Scenario5_LeaderStoppedWithRequestsInItsSocketBuffers) {
  Start(3);
  BeginLoad(12, 2);
  for (int round = 0; round < 2; ++round) {
    Progress(100);
    const int leader = Leader();
    arena_->Stop(leader);
    LeaderBesides(leader);
    Wait(300);
    arena_->Continue(leader);
  }
  Progress(50);
  Finish();
}

// Answers that come late, over links that differ: what a node reads for its clients is never old.
TEST_F(Elections, Scenario6_ReadsWhoseProofIsLateAndLeadersThatChange) {
  Start(3, {"--read-mode", "quorum"});
  BeginLoad(12, 1);
  Rng random(6);
  for (int round = 0; round < 5; ++round) {
    for (const int from : arena_->Nodes()) {
      for (const int to : Others(from)) {
        LinkRule rule;
        rule.delay = std::chrono::milliseconds(random.Between(0, 20));
        rule.jitter = std::chrono::milliseconds(random.Between(0, 20));
        arena_->proxy().Set(from, to, rule);
      }
    }
    Progress(40);
    HandOn();
  }
  Finish();
}

// The leader falls silent, nobody sees evidence, and all have waited equally long.
TEST_F(Elections, Scenario7_AllFollowersMissTheLeaderAtTheSameTime) {
  Start(5);
  BeginLoad();
  for (int round = 0; round < 4; ++round) {
    Progress(40);
    const int leader = Leader();
    const uint64_t term = Term(leader);
    arena_->Cut({leader}, Others(leader));
    EXPECT_LE(Term(LeaderBesides(leader)), term + 3);  // few votes are split
    Progress(20);
    arena_->HealLinks();
  }
  Finish();
}

TEST_F(Elections, Scenario8_AHigherTermWinsOverALongerLog) {
  Start(3);
  const int old = Leader();
  ASSERT_EQ(Ask(old, {"SET", "k", "common"}), "OK");
  arena_->Cut({old}, Others(old));
  // Many entries that nobody else has, and nobody is told of.
  const e2e::ContextPtr context = e2e::Connect(arena_->cluster().Port(old), 300);
  for (int i = 0; i < 50; ++i) {
    redisAppendCommand(context.get(), "SET k longer-%d", i);
    for (int done = 0; done == 0;) ASSERT_EQ(redisBufferWrite(context.get(), &done), REDIS_OK);
    Wait(1);
  }
  const int leader = LeaderBesides(old);
  ASSERT_EQ(Ask(leader, {"SET", "k", "higher"}), "OK");
  EXPECT_GT(Number(old, "last_index"), Number(leader, "last_index"));
  arena_->HealLinks();
  Finish();
  for (const int node : arena_->Nodes()) EXPECT_EQ(AskProxy(node, {"GET", "k"}), "higher");
}

TEST_F(Elections, Scenario9_NodeThatWasAloneDisturbsNobody) {
  Start(3);
  const int follower = Follower();
  const int leader = Leader();
  const uint64_t term = Term(leader);
  arena_->Cut({follower}, Others(follower));
  Wait(1500);
  arena_->HealLinks();
  ASSERT_TRUE(arena_->WaitUntilServing());
  EXPECT_EQ(Term(leader), term);
  EXPECT_EQ(Leader(), leader);
  Finish();
}

TEST_F(Elections, Scenario10_OneLinkToTheLeaderIsCut) {
  Start(3);
  BeginLoad();
  const int leader = Leader();
  const int follower = Follower();
  const uint64_t term = Term(leader);
  arena_->Cut({leader}, {follower});
  for (int i = 0; i < 4; ++i) {
    Wait(300);
    Progress(20);
  }
  EXPECT_LE(Term(Leader()), term + 1);  // no ping-pong
  Finish();
}

TEST_F(Elections, Scenario11_FourAndFiveKnowOneNodeEach) {
  Start(5);
  BeginLoad();
  arena_->Cut({4}, {1, 3, 5});
  arena_->Cut({5}, {1, 2, 4});
  Wait(1200);
  ASSERT_TRUE(e2e::WaitFor([&] { return arena_->Leader() != 0; }));
  const uint64_t term = Term(1);
  for (int i = 0; i < 4; ++i) {
    Wait(300);
    Progress(20);
  }
  EXPECT_LE(Term(1), term + 1);  // one stable leader
  Finish();
}

TEST_F(Elections, Scenario12_LeaderThatSendsAndDoesNotHear) {
  Start(3);
  BeginLoad();
  const int old = Leader();
  for (const int other : Others(old)) arena_->CutOneWay(other, old);
  LeaderBesides(old);
  Progress(50);
  EXPECT_NE(arena_->Field(old, "serves"), "1");
  Finish();
}

TEST_F(Elections, Scenario13_LeaderThatHearsAndDoesNotSend) {
  Start(3);
  BeginLoad();
  const int old = Leader();
  for (const int other : Others(old)) arena_->CutOneWay(old, other);
  LeaderBesides(old);
  const uint64_t term = Term(LeaderBesides(old));
  Progress(100);
  Wait(600);
  EXPECT_EQ(Term(LeaderBesides(old)), term);  // the old one disturbs nobody
  Finish();
}

TEST_F(Elections, Scenario14_FollowerThatOnlySendsOrOnlyHears) {
  Start(3);
  BeginLoad();
  const int leader = Leader();
  const int follower = Follower();
  const uint64_t term = Term(leader);
  for (const bool hears : {true, false}) {
    for (const int other : Others(follower)) {
      arena_->CutOneWay(hears ? follower : other, hears ? other : follower);
    }
    Wait(900);
    Progress(20);
    EXPECT_EQ(Term(leader), term);
    arena_->HealLinks();
  }
  Finish();
}

TEST_F(Elections, Scenario15_BridgeAndRing) {
  Start(5);
  BeginLoad();
  arena_->Cut({1, 2}, {4, 5});  // 3 is the bridge
  Wait(700);
  Progress(30);
  arena_->HealLinks();
  for (int node = 1; node <= 5; ++node) arena_->Cut({node}, {1 + (node + 1) % 5});
  Wait(700);
  Progress(30);  // any node and its two neighbours are a majority
  Finish();
}

TEST_F(Elections, Scenario16_LinksOfTheLeaderFlap) {
  Start(3);
  BeginLoad();
  const int leader = Leader();
  const uint64_t term = Term(leader);
  for (int i = 0; i < 8; ++i) {
    arena_->Cut({leader}, Others(leader));
    Wait(150);
    arena_->HealLinks();
    Wait(150);
  }
  Progress(50);
  EXPECT_LE(Term(Leader()), term + 9);  // an election a flap at most
  Finish();
}

TEST_F(Elections, Scenario17_NodesAreCloggedOneByOneAndFreedInAnotherOrder) {
  Start(5);
  BeginLoad();
  for (const int node : {2, 5, 3}) {
    arena_->Cut({node}, Others(node));
    Wait(150);
  }
  for (const int node : {5, 3, 2}) {
    for (const int other : Others(node)) {
      arena_->proxy().Set(node, other, {});
      arena_->proxy().Set(other, node, {});
    }
    Wait(150);
  }
  Progress(50);
  Finish();
}

TEST_F(Elections, Scenario19_TermsRiseWhileClientsPropose) {
  Start(3);
  BeginLoad(12, 1);
  const uint64_t term = Term(Leader());
  for (int round = 0; round < 8; ++round) {
    Progress(20);
    HandOn();
  }
  EXPECT_GE(Term(Leader()), term + 8);
  Finish();
}

// A vote is on disk before it is sent: whoever dies around that does not vote twice.
TEST_F(Elections, Scenario20_PowerLossAroundTheVote) {
  Start(3);
  BeginLoad();
  for (uint32_t call = 1; call <= 4; ++call) {
    Progress(20);
    const int leader = Leader();
    const std::vector<int> voters = Others(leader);
    for (const int voter : voters) arena_->ExpectDiskFailure(voter, true);
    arena_->Kill({leader});
    arena_->disk(voters[call % 2]).kill_at_call = call;
    EXPECT_TRUE(
        e2e::WaitFor([&] { return arena_->cluster().Ended(voters[call % 2]).has_value(); }));
    arena_->disk(voters[call % 2]).kill_at_call = 0;
    arena_->LosePower({voters[call % 2]}, {});
    arena_->LaunchAll();
  }
  Progress(20);
  Finish();
}

TEST_F(Elections, Scenario21_LeadershipIsHandedOnUnderLoadAndToASilentNode) {
  Start(3);
  BeginLoad();
  for (const bool silent : {false, true}) {
    Progress(50);
    const int leader = Leader();
    const int other = Others(leader)[0];
    if (silent) arena_->Stop(other);  // the target may not be there to take it
    EXPECT_EQ(arena_->Terminate(leader), "");
    arena_->Continue(other);
    LeaderBesides(leader);
    arena_->Launch(leader);
  }
  Progress(50);
  Finish();
}

TEST_F(Elections, Scenario22_LeadershipIsHandedOnByCommandWithReadsByLease) {
  Start(3);
  BeginLoad(12, 1);
  for (int round = 0; round < 10; ++round) {
    Progress(10);
    HandOn();
  }
  uint64_t by_lease = 0;
  for (const int node : arena_->Nodes()) by_lease += Number(node, "reads_by_lease");
  EXPECT_GT(by_lease, 0U);
  Finish();
}

TEST_F(Elections, Scenario25_ALearnerDoesNotLead) {
  Start(3);
  BeginLoad();
  const int learner = Follower();
  ASSERT_TRUE(e2e::WaitFor(
      [&] { return arena_->TellLeader({"RAFT", "DEMOTE", std::to_string(learner)}) == "OK"; }));
  Progress(20);
  ASSERT_TRUE(e2e::WaitFor([&] { return arena_->Field(learner, "membership") == "learner"; }));
  const uint64_t term = Term(learner);
  arena_->Kill(Others(learner));
  Wait(1500);
  EXPECT_EQ(arena_->Field(learner, "role"), "follower");
  EXPECT_EQ(Term(learner), term);
  arena_->LaunchAll();
  Progress(20);
  Finish();
}

TEST_F(Elections, Scenario24_CommitNeedsAMajorityOfDisksAndNotTheLeaders) {
  Start(3);
  const int leader = Leader();
  arena_->disk(leader).sync_delay_us = 30'000'000;
  // Whoever leads: one whose disk stalls hands its leadership over.
  const auto set = [&](const char* value) { return arena_->TellLeader({"SET", "k", value}); };
  ASSERT_TRUE(e2e::WaitFor([&] { return set("followers") == "OK"; }));
  arena_->disk(Others(leader)[0]).sync_delay_us = 30'000'000;
  EXPECT_NE(set("one disk"), "OK");  // which is no majority
  arena_->ClearDisk(leader);
  ASSERT_TRUE(e2e::WaitFor([&] { return set("two") == "OK"; }));
  Finish();
}

}  // namespace
}  // namespace kvorum::chaos
