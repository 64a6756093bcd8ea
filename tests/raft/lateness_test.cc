// SPDX-License-Identifier: Apache-2.0
//
// A member that has not run for long has not listened either: it does not take that for silence.
#include <gtest/gtest.h>

#include "raft/core.h"

namespace kvorum::raft {
namespace {

constexpr Micros kTimeout = 100'000;
constexpr Micros kBeat = 40'000;
constexpr Micros kLong = 10 * kTimeout;  // away

Options ThreeNodes() {
  return {.id = NodeId(1),
          .bootstrap = {NodeId(1), NodeId(2), NodeId(3)},
          .election_timeout_us = kTimeout,
          .heartbeat_us = kBeat};
}

class LateFollower : public ::testing::Test {
 protected:
  LateFollower() { Hear(); }
  void Hear() { core_.Step(NodeId(2), Heartbeat{Term(1), Index(), Round(1)}); }

  Core core_{ThreeNodes(), {}, 0};
};

TEST_F(LateFollower, ListensBeforeItCampaigns) {
  core_.Tick(kLong);
  EXPECT_EQ(core_.role(), RoleKind::kFollower);
  Hear();
  core_.Tick(kLong + kBeat);
  EXPECT_EQ(core_.role(), RoleKind::kFollower);
  EXPECT_EQ(core_.leader(), NodeId(2));
}

TEST_F(LateFollower, CampaignsWhenNothingWasThere) {
  core_.Tick(kLong);
  EXPECT_LE(core_.NextWakeup(), kLong + kBeat);
  core_.Tick(kLong + kBeat);
  EXPECT_EQ(core_.role(), RoleKind::kCandidate);
}

TEST_F(LateFollower, DoesNotHelpToDeposeALeaderItHasNotListenedTo) {
  core_.Tick(kLong);
  core_.Step(NodeId(3), PreVote{Term(2), Index(), Term()});
  Output out;
  core_.Take(out);
  ASSERT_EQ(out.send_now.size(), 2U) << "the heartbeat's answer, and this";
  EXPECT_FALSE(std::get<PreVoteReply>(out.send_now.back().message).granted);
}

TEST_F(LateFollower, IsExcusedOnceOnly) {
  core_.Tick(kLong);
  core_.Tick(2 * kLong);
  EXPECT_EQ(core_.role(), RoleKind::kCandidate);
}

class LateLeader : public ::testing::Test {
 protected:
  LateLeader() {
    while (core_.role() == RoleKind::kFollower) core_.Tick(now_ = core_.NextWakeup());
    core_.Step(NodeId(2), PreVoteReply{Term(1), true});
    Take();
    core_.Step(NodeId(2), VoteReply{Term(1), true});
    Take();
    EXPECT_TRUE(core_.IsLeader());
  }
  void Take() {
    core_.Take(out_);
    core_.Persisted(out_.save.number);
  }

  Core core_{ThreeNodes(), {}, 0};
  Micros now_ = 0;
  Output out_;
};

TEST_F(LateLeader, ListensBeforeItStepsDown) {
  core_.Tick(now_ + kLong);
  EXPECT_TRUE(core_.IsLeader());
  core_.Step(NodeId(3), HeartbeatReply{Term(1), Round(1)});
  core_.Tick(now_ + kLong + kBeat);
  EXPECT_TRUE(core_.IsLeader());
}

TEST_F(LateLeader, StepsDownWhenNothingWasThere) {
  core_.Tick(now_ + kLong);
  core_.Tick(now_ + kLong + kBeat);
  EXPECT_FALSE(core_.IsLeader());
}

TEST_F(LateLeader, IsExcusedOnceOnly) {
  core_.Tick(now_ + kLong);
  core_.Tick(now_ + 2 * kLong);
  EXPECT_FALSE(core_.IsLeader());
}

}  // namespace
}  // namespace kvorum::raft
