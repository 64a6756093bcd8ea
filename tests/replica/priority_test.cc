// SPDX-License-Identifier: Apache-2.0
//
// Leadership goes to the member that is wished for most.
#include <gtest/gtest.h>

#include "tests/replica/member_fixture.h"

namespace kvorum::replica {
namespace {

constexpr uint8_t kMore = raft::kDefaultPriority + 1;

class Priority : public ::testing::Test {
 protected:
  Priority() {
    node_.BecomeLeader();
    node_.Receive(kPeer, node_.Acknowledge(Index(1)));
    node_.Receive(kOther, node_.Acknowledge(Index(1)));
  }
  // Both followers answer for so many election timeouts, each with its wish. Whom it was handed to.
  NodeId HandedTo(int timeouts, uint8_t peers, uint8_t others) {
    const Micros beat = node_.member().core().options().heartbeat_us;
    const Micros until =
        node_.now().boot_us + timeouts * node_.member().core().election_timeout_us();
    while (node_.now().boot_us < until) {
      node_.Turn([] {}, beat);
      for (const auto& [from, wish] : {std::pair{kPeer, peers}, std::pair{kOther, others}}) {
        Round round;
        for (const auto& one : node_.Sent<raft::Heartbeat>(from)) round = one.round;
        node_.Receive(from, raft::HeartbeatReply{node_.member().core().term(), round, wish});
        if (!node_.Sent<raft::TimeoutNow>(from).empty()) return from;
      }
    }
    return {};
  }

  TestMember node_;
};

TEST_F(Priority, TheOneWithMostIsHandedLeadership) {
  EXPECT_EQ(HandedTo(12, kMore, kMore + 1), kOther);
  EXPECT_EQ(node_.member().stats().handed_over_wish.Get(), 1U);
}

TEST_F(Priority, NotAtOnceAfterAnElection) { EXPECT_EQ(HandedTo(8, kMore, kMore), NodeId()); }

TEST_F(Priority, NobodyWithoutMore) {
  EXPECT_EQ(HandedTo(20, raft::kDefaultPriority, 0), NodeId());
}

TEST_F(Priority, CanBeChangedWhileItRuns) {
  EXPECT_EQ(HandedTo(12, raft::kDefaultPriority, 0), NodeId());
  node_.member().SetPriority(raft::kDefaultPriority - 1);
  EXPECT_EQ(HandedTo(2, raft::kDefaultPriority, 0), kPeer);
}

TEST(PriorityOfAFollower, IsToldWithEveryHeartbeat) {
  TestMember node;
  node.member().SetPriority(7);
  node.Receive(kPeer, raft::Heartbeat{Term(1), Index(), Round(1)});
  const auto replies = node.Sent<raft::HeartbeatReply>(kPeer);
  ASSERT_EQ(replies.size(), 1U);
  EXPECT_EQ(replies[0].priority, 7);
}

}  // namespace
}  // namespace kvorum::replica
