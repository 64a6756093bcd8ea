// SPDX-License-Identifier: Apache-2.0
#include "raft/progress.h"

#include <gtest/gtest.h>

#include "raft/limits.h"

namespace kvorum::raft {
namespace {

Progress Replicating(uint64_t match) {
  Progress p(Index(match + 1), 0);
  p.Sent(Index(match), 0, 0);
  p.Acked(Index(match), Round());
  return p;
}

TEST(Progress, ProbeWaitsForItsAnswer) {
  Progress p(Index(5), 0);
  EXPECT_TRUE(p.CanSend());
  p.Sent(Index(7), 100, 0);
  EXPECT_FALSE(p.CanSend());
  EXPECT_TRUE(p.Acked(Index(7), Round()));
  EXPECT_EQ(p.state(), Progress::State::kReplicate);
  EXPECT_EQ(p.next(), Index(8));
}

TEST(Progress, WindowIsBoundedInMessagesAndBytes) {
  Progress p = Replicating(0);
  for (size_t i = 1; i <= kMaxInflightMessages; ++i) {
    ASSERT_TRUE(p.CanSend());
    p.Sent(Index(i), 1, 0);
  }
  EXPECT_FALSE(p.CanSend());
  EXPECT_TRUE(p.Acked(Index(10), Round()));
  EXPECT_TRUE(p.CanSend());
  EXPECT_EQ(p.inflight_messages(), kMaxInflightMessages - 10);
  Progress big = Replicating(0);
  big.Sent(Index(1), kMaxInflightBytes, 0);
  EXPECT_FALSE(big.CanSend());
}

// Scenarios 27 and 29: late, duplicated and reordered answers never move match back.
TEST(Progress, StaleAnswersChangeNothing) {
  Progress p = Replicating(10);
  p.Sent(Index(20), 1, 0);
  EXPECT_TRUE(p.Acked(Index(20), Round()));
  EXPECT_FALSE(p.Acked(Index(15), Round()));
  EXPECT_EQ(p.match(), Index(20));
  EXPECT_FALSE(p.Rejected(Index(12), Index(3)));
  EXPECT_EQ(p.next(), Index(21));
  p.AckRound(Round(5));
  p.AckRound(Round(3));
  EXPECT_EQ(p.acked_round(), Round(5));
}

TEST(Progress, RejectionBacksUpButNotBelowMatch) {
  Progress p(Index(100), 0);
  p.Sent(Index(99), 0, 0);
  EXPECT_TRUE(p.Rejected(Index(99), Index(40)));
  EXPECT_EQ(p.next(), Index(40));
  EXPECT_TRUE(p.CanSend());
  Progress q = Replicating(50);
  q.Sent(Index(60), 1, 0);
  EXPECT_TRUE(q.Rejected(Index(60), Index(3)));
  EXPECT_EQ(q.next(), Index(51));
  EXPECT_EQ(q.inflight_bytes(), 0U);
}

// Two messages overtook each other: the follower has refused the second, and then taken the first.
TEST(Progress, WhatWasRefusedBehindTheMatchIsSentAgain) {
  Progress p = Replicating(10);
  p.Sent(Index(11), 1, 0);
  p.Sent(Index(12), 1, 0);
  EXPECT_TRUE(p.Acked(Index(11), Round()));
  EXPECT_TRUE(p.Rejected(Index(11), Index(10)));
  EXPECT_EQ(p.next(), Index(12));
  EXPECT_TRUE(p.CanSend());
}

TEST(Progress, WhatWasLostIsOwedUntilItIsThereAgain) {
  Progress p = Replicating(10);
  EXPECT_EQ(p.lost(), Index());
  p.Forget(Index(4));
  EXPECT_EQ(p.match(), Index());
  EXPECT_EQ(p.lost(), Index(10));
  p.Acked(Index(7), Round());
  p.Forget(Index(4));  // again: what it had in between was less
  EXPECT_EQ(p.lost(), Index(10));
  p.Acked(Index(10), Round());
  EXPECT_EQ(p.lost(), Index());
}

TEST(Progress, LostLinkFallsBackToProbing) {
  Progress p = Replicating(5);
  p.Sent(Index(9), 10, 0);
  p.BecomeProbe();
  EXPECT_EQ(p.next(), Index(6));
  // A probe that has not been answered yet keeps its place: nothing is known about match.
  Progress fresh(Index(30), 0);
  fresh.BecomeProbe();
  EXPECT_EQ(fresh.next(), Index(30));
}

TEST(Progress, SnapshotStopsEntriesUntilDelivered) {
  Progress p(Index(3), 0);
  p.BecomeSnapshot(Index(40));
  EXPECT_FALSE(p.CanSend());
  EXPECT_FALSE(p.Rejected(Index(2), Index(1)));
  EXPECT_TRUE(p.Acked(Index(40), Round()));
  EXPECT_EQ(p.state(), Progress::State::kProbe);
  EXPECT_EQ(p.next(), Index(41));
}

}  // namespace
}  // namespace kvorum::raft
