// SPDX-License-Identifier: Apache-2.0
//
// Leases, evidence and time, with real processes. The numbers are those of the list of scenarios.
#include "tests/chaos/scenario.h"

namespace kvorum::chaos {
namespace {

class Leases : public Scenario {
 protected:
  // The links that `from` has dialled to `to` are reset, and dialling again is refused.
  void Refuse(int from, int to) {
    LinkRule rule;
    rule.refuse = true;
    arena_->proxy().Set(from, to, rule);
  }
};

TEST_F(Leases, Scenario84_WallClocksJumpAndStrobe) {
  Start(3);
  BeginLoad();
  const int leader = Leader();
  const uint64_t term = Term(leader);
  constexpr int64_t kHourMs = 3'600'000;
  for (int i = 0; i < 60; ++i) {
    arena_->disk(1 + i % 3).wall_offset_ms = (i % 2 == 0 ? 1 : -1) * kHourMs;
    Wait(15);
  }
  Progress(50);
  EXPECT_EQ(Term(leader), term);
  Finish();
}

TEST_F(Leases, Scenario101_AFollowerForgetsItsPromiseWithItsMemory) {
  Start(3);
  BeginLoad(12, 1);
  for (int round = 0; round < 3; ++round) {
    Progress(60);
    const int leader = Leader();
    // Both that promised come back at once without their memory, and the leader does not hear them.
    const std::vector<int> others = Others(leader);
    arena_->Kill(others);
    arena_->LaunchAll();
    for (const int other : others) arena_->CutOneWay(leader, other);
    LeaderBesides(leader);
    arena_->HealLinks();
  }
  Finish();
}

// The old leader lives and its clients reach it: what it still reads must be right.
TEST_F(Leases, Scenario102_LinksToALivingLeaderAreRefused) {
  Start(3);
  BeginLoad(12, 1);
  for (int round = 0; round < 3; ++round) {
    Progress(80);
    const int leader = Leader();
    for (const int other : Others(leader)) {
      Refuse(other, leader);
      Refuse(leader, other);
    }
    LeaderBesides(leader);
    Progress(50);
    arena_->HealLinks();
  }
  Finish();
}

TEST_F(Leases, Scenario103_OneFollowerAloneSeesEvidence) {
  Start(3);
  BeginLoad();
  const int leader = Leader();
  const uint64_t term = Term(leader);
  Refuse(Follower(), leader);
  Wait(700);
  Progress(30);
  EXPECT_EQ(Term(leader), term);
  EXPECT_EQ(Leader(), leader);
  Finish();
}

TEST_F(Leases, Scenario104_BothFollowersSeeEvidenceAtOnce) {
  Start(3);
  BeginLoad();
  for (int round = 0; round < 3; ++round) {
    const int leader = Leader();
    const uint64_t term = Term(leader);
    arena_->Kill({leader});
    EXPECT_LE(Term(LeaderBesides(leader)), term + 3);  // few votes are split
    arena_->Launch(leader);
    Progress(40);
  }
  Finish();
}

TEST_F(Leases, Scenario105_LeadershipIsHandedOnWithReadsInFlight) {
  Start(3);
  BeginLoad(12, 1);
  for (int round = 0; round < 4; ++round) {
    Progress(60);
    const int leader = Leader();
    EXPECT_EQ(arena_->Terminate(leader), "");
    arena_->Launch(leader);
  }
  Finish();
}

TEST_F(Leases, Scenario106_EveryLeaseLapsesAndNothingElseHappens) {
  Start(3);
  BeginLoad(10, 1);
  const int leader = Leader();
  const uint64_t term = Term(leader);
  Rng random(106);
  for (int i = 0; i < 25; ++i) {
    for (const int node : arena_->Nodes()) arena_->Stop(node);
    Wait(
        static_cast<int>(random.Between(1, 45)));  // a heartbeat's time: no leader is late for that
    for (const int node : arena_->Nodes()) arena_->Continue(node);
    Wait(static_cast<int>(random.Between(5, 40)));
  }
  Progress(50);
  EXPECT_EQ(Term(leader), term);
  Finish();
}

TEST_F(Leases, Scenario107_ClocksDisagreeAboutHowMuchTimeHasPassed) {
  Start(3);
  BeginLoad(10, 1);
  Progress(50);
  const int leader = Leader();
  const uint64_t dropped = Number(leader, "leases_dropped");
  arena_->disk(leader).wall_offset_ms = 5'000;
  EXPECT_TRUE(e2e::WaitFor([&] { return Number(leader, "leases_dropped") > dropped; }));
  Progress(50);
  Finish();
}

TEST_F(Leases, Scenario108_DeposedLeaderFindsOutWhatBecameOfItsWrites) {
  Start(3);
  BeginLoad(12, 1);
  for (int round = 0; round < 2; ++round) {
    Progress(100);
    const int leader = Leader();
    arena_->CutOneWay(leader, Others(leader)[0]);  // some are replicated, some are not
    Wait(5);
    arena_->Cut({leader}, Others(leader));
    LeaderBesides(leader);
    arena_->HealLinks();
    Progress(100);
  }
  Finish();
  EXPECT_EQ(recorder_.in_doubt(), 0U);
}

// What a follower carried to the leader travels for long: two others lead before it arrives.
TEST_F(Leases, Scenario110_ACarriedCommandArrivesAfterTwoElections) {
  Start(3);
  BeginLoad(8, 5);
  for (int round = 0; round < 3; ++round) {
    Progress(30);
    const int leader = Leader();
    const int follower = Follower();
    std::vector<std::thread> carried;
    arena_->CutOneWay(follower, leader);  // held, and delivered when it is over
    for (int i = 0; i < 4; ++i) {
      carried.emplace_back([this, follower, i, round] {
        Client client(arena_->cluster(), recorder_, 100 + 10 * round + i, Door::kProxy,
                      static_cast<uint64_t>(i));
        client.Choose(follower);
        client.Do({{"INCR", "carried"}}, 8000);
      });
    }
    Wait(50);
    for (int n = 0; n < 2; ++n) {
      const int now = Leader();
      EXPECT_TRUE(e2e::WaitFor([&] { return arena_->TellLeader({"RAFT", "TRANSFER"}) == "OK"; }));
      LeaderBesides(now);
    }
    arena_->HealLinks();
    for (std::thread& thread : carried) thread.join();
  }
  Finish();
}

}  // namespace
}  // namespace kvorum::chaos
