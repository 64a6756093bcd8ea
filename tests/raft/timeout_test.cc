// SPDX-License-Identifier: Apache-2.0
//
// The election timeout follows what round trips and disks take.
#include <gtest/gtest.h>

#include <vector>

#include "raft/core.h"
#include "raft/round_trip.h"

namespace kvorum::raft {
namespace {

constexpr Micros kLeast = 100'000;
constexpr Micros kMost = 2'000'000;
constexpr NodeId kSelf{1};
constexpr NodeId kNear{2};
constexpr NodeId kFar{3};

Options ThreeNodes() {
  return {.id = kSelf,
          .bootstrap = {kSelf, kNear, kFar},
          .election_timeout_us = kLeast,
          .election_timeout_most_us = kMost,
          .heartbeat_us = 40'000};
}

// A leader whose heartbeats come back after `near_us` and `far_us`, and whose entries are durable
// on the others after `append_us`.
class Leader {
 public:
  Leader() : core_(ThreeNodes(), {}, 0) {
    while (core_.role() == RoleKind::kFollower) Turn(10'000);
    core_.Step(kNear, PreVoteReply{Term(1), true});
    Persist();
    core_.Step(kNear, VoteReply{Term(1), true});
    Persist();
    EXPECT_TRUE(core_.IsLeader());
  }

  void Beats(int count, Micros near_us, Micros far_us) {
    for (int i = 0; i < count; ++i) {
      for (int turn = 0; turn < 20 && Beat() == Round(); ++turn) Turn(5'000);
      ASSERT_TRUE(core_.IsLeader() && Beat() != Round());
      const Round round = Beat();
      Turn(near_us);
      core_.Step(kNear, HeartbeatReply{core_.term(), round});
      Turn(far_us - near_us);
      core_.Step(kFar, HeartbeatReply{core_.term(), round});
      out_.Clear();
    }
  }
  // An entry that takes so many heartbeats to become durable on the others.
  void Append(int beats) {
    ASSERT_TRUE(std::holds_alternative<Proposed>(core_.Propose(Payload("x"))));
    Persist();
    Beats(beats, 300, 500);
    for (const NodeId from : {kNear, kFar}) {
      core_.Step(from, AppendReply{.term = core_.term(), .ok = true, .match = Last()});
    }
    Persist();
  }
  [[nodiscard]] Micros timeout() const { return core_.election_timeout_us(); }

 private:
  [[nodiscard]] Index Last() const { return core_.log().last_index(); }
  // The round of the heartbeat in the last output, and 0 when there is none.
  [[nodiscard]] Round Beat() const {
    for (const Outgoing& one : out_.send_now) {
      if (const auto* beat = std::get_if<Heartbeat>(&one.message)) return beat->round;
    }
    return Round();
  }
  void Turn(Micros us) {
    now_ += us;
    core_.Tick(now_);
    core_.Take(out_);
    if (!out_.save.empty()) core_.Persisted(out_.save.number);
  }
  void Persist() {
    core_.Take(out_);
    if (!out_.save.empty()) core_.Persisted(out_.save.number);
    core_.Take(out_);
  }

  Core core_;
  Micros now_ = 0;
  Output out_;
};

TEST(ElectionTimeout, OnOneRackIsTheLeast) {
  Leader leader;
  leader.Beats(20, 300, 500);
  EXPECT_EQ(leader.timeout(), kLeast);
}

TEST(ElectionTimeout, FollowsTheFarthestMember) {
  Leader leader;
  leader.Beats(40, 300, 25'000);
  EXPECT_GE(leader.timeout(), 250'000);
  EXPECT_LE(leader.timeout(), 400'000);
  leader.Beats(80, 300, 500);
  EXPECT_EQ(leader.timeout(), kLeast) << "and comes back when it is near again";
}

TEST(ElectionTimeout, FollowsTheDisksOfAMajorityUpToItsBound) {
  Leader leader;
  leader.Append(0);
  leader.Beats(40, 300, 500);
  EXPECT_EQ(leader.timeout(), kLeast);
  leader.Append(2);
  leader.Beats(1, 300, 500);
  EXPECT_GE(leader.timeout(), 500'000);
  leader.Append(15);
  leader.Beats(1, 300, 500);
  EXPECT_EQ(leader.timeout(), kMost);
}

// What takes longer than the timeout in force is sent again, and measured all the same.
TEST(ElectionTimeout, FollowsDisksThatAreSlowAllAtOnce) {
  Leader leader;
  for (int i = 0; i < 5; ++i) leader.Append(11);
  leader.Beats(1, 300, 500);
  EXPECT_GE(leader.timeout(), 500'000);
}

// Votes must be durable before they count: with slow disks a short timeout would elect nobody.
TEST(ElectionTimeout, GrowsWhenAnElectionRunsOutOfTime) {
  Core core(ThreeNodes(), {}, 0);
  Micros now = 0;
  while (core.role() == RoleKind::kFollower) core.Tick(now += 10'000);
  core.Step(kNear, PreVoteReply{Term(1), true});
  ASSERT_EQ(core.term(), Term(1)) << "it asks for votes";
  while (core.term() == Term(1) && now < 10'000'000) {
    core.Tick(now += 10'000);
    core.Step(kNear, PreVoteReply{core.term() + 1, true});
  }
  EXPECT_EQ(core.election_timeout_us(), 2 * kLeast);
}

TEST(ElectionTimeout, AFollowerTakesWhatTheLeaderSaysWithinItsOwnBounds) {
  Core core(ThreeNodes(), {}, 0);
  core.Step(kNear, Heartbeat{Term(1), Index(), Round(1), 700'000});
  EXPECT_EQ(core.election_timeout_us(), 700'000);
  EXPECT_GE(core.NextWakeup(), 700'000) << "so long it is patient";
  core.Step(kNear, Heartbeat{Term(1), Index(), Round(2), 1});
  EXPECT_EQ(core.election_timeout_us(), kLeast);
  core.Step(kNear, Heartbeat{Term(1), Index(), Round(3), 4'000'000'000});
  EXPECT_EQ(core.election_timeout_us(), kMost);
}

TEST(RoundTrip, ASteadyOneIsItsOwnBound) {
  RoundTrip trip;
  EXPECT_EQ(trip.bound(), 0);
  trip.Observe(1'000);
  EXPECT_EQ(trip.bound(), 3'000) << "little is known yet";
  for (int i = 0; i < 50; ++i) trip.Observe(1'000);
  EXPECT_LE(trip.bound(), 1'020);
}

}  // namespace
}  // namespace kvorum::raft
