// SPDX-License-Identifier: Apache-2.0
//
// Leaders that are sick without being dead: what is taken for a sign, and who gets the leadership.
#include <gtest/gtest.h>

#include "replica/leader_health.h"
#include "tests/replica/member_fixture.h"

namespace kvorum::replica {
namespace {

using Sickness = LeaderHealth::Sickness;

constexpr Micros kElection = 300'000;
constexpr Micros kHeartbeat = 50'000;

// ---- signs --------------------------------------------------------------------------------------

TEST(LeaderHealth, ASaveThatTakesAnElectionTimeoutIsASign) {
  LeaderHealth health(kHeartbeat);
  health.Saving(BatchNumber(1), 1'000);
  health.Saving(BatchNumber(2), 200'000);
  EXPECT_EQ(health.Judge(1'000 + kElection, kElection), Sickness::kNone);
  EXPECT_EQ(health.Judge(1'001 + kElection, kElection), Sickness::kDisk);
  health.Persisted(BatchNumber(1));
  EXPECT_EQ(health.Judge(1'001 + kElection, kElection), Sickness::kNone) << "the second is younger";
}

TEST(LeaderHealth, OneLongPauseIsNoSign) {
  LeaderHealth health(kHeartbeat);
  health.TurnBegins(1'000'000, 1'000'000, kElection);
  health.TurnBegins(9'000'000, 1'050'000, kElection);
  EXPECT_EQ(health.Judge(9'000'000, kElection), Sickness::kNone);
}

TEST(LeaderHealth, APauseIsNotTheDisksFault) {
  LeaderHealth health(kHeartbeat);
  health.TurnBegins(1'000'000, 1'000'000, kElection);
  health.Saving(BatchNumber(1), 1'000'000);
  health.TurnBegins(9'000'000, 1'050'000, kElection);
  EXPECT_EQ(health.Judge(9'000'000, kElection), Sickness::kNone);
  EXPECT_EQ(health.Judge(9'050'001 + kElection, kElection), Sickness::kDisk);
}

TEST(LeaderHealth, TurnsThatAreLateAgainAndAgainAreASign) {
  LeaderHealth health(kHeartbeat);
  Micros now = 1'000'000;
  int late = 0;
  while (health.Judge(now, kElection) == Sickness::kNone && late < 100) {
    const Micros due = now + kHeartbeat;
    health.TurnBegins(now + 1'000, due, kElection);  // before that, there was something to do
    now = due + 120'000;
    health.TurnBegins(now, due, kElection);
    ++late;
  }
  EXPECT_EQ(late, 4);
  health.Forgive();
  EXPECT_EQ(health.Judge(now, kElection), Sickness::kNone);
}

TEST(LeaderHealth, WhatIsLateNowAndThenIsForgotten) {
  LeaderHealth health(kHeartbeat);
  Micros now = 1'000'000;
  for (int i = 0; i < 100; ++i) {
    const Micros due = now + 2'000'000;
    now = due + 140'000;
    health.TurnBegins(now, due, kElection);
    EXPECT_EQ(health.Judge(now, kElection), Sickness::kNone) << i;
  }
}

TEST(LeaderHealth, ALateTurnThatIsTakenUpTwiceCountsOnce) {
  LeaderHealth health(kHeartbeat);
  health.TurnBegins(1'000'000, 1'000'000, kElection);
  for (int i = 0; i < 10; ++i) health.TurnBegins(1'200'000, 1'050'000, kElection);
  EXPECT_LE(health.starved(), kElection / 2);
}

// ---- the hand-over ------------------------------------------------------------------------------

// With an entry of its term committed.
void Lead(TestMember& node) {
  node.BecomeLeader();
  node.Persist();
  node.Receive(kPeer, node.Acknowledge(node.member().core().log().last_index()));
  ASSERT_TRUE(node.member().Serves());
}

// Both answer every heartbeat, and `kPeer` acknowledges what it gets.
void Answer(TestMember& node, bool acknowledges) {
  for (const NodeId from : {kPeer, kOther}) {
    for (const raft::Heartbeat& beat : node.Sent<raft::Heartbeat>(from)) {
      node.Receive(from, raft::HeartbeatReply{beat.term, beat.round});
    }
  }
  if (acknowledges) {
    node.Receive(kPeer, node.Acknowledge(node.member().core().log().last_index()));
  }
}

bool TimeoutNowWithin(TestMember& node, Micros us, bool acknowledges) {
  for (Micros passed = 0; passed < us; passed += 10'000) {
    node.Turn([] {}, 10'000);
    if (!node.Sent<raft::TimeoutNow>(kPeer).empty()) return true;
    Answer(node, acknowledges);
  }
  return false;
}

TEST(SickLeader, WithAStalledDiskHandsOverToOneWhoseDiskWorks) {
  TestMember node;
  Lead(node);
  ASSERT_FALSE(node.Propose(7, {"SET", "k", "v"}));
  const Micros patience = node.member().core().options().election_timeout_us;
  EXPECT_TRUE(TimeoutNowWithin(node, 3 * patience, true));
  EXPECT_EQ(node.member().stats().handed_over_disk.Get(), 1U);
}

TEST(SickLeader, KeepsItsLeadershipWhenNobodysDiskWorks) {
  TestMember node;
  Lead(node);
  ASSERT_FALSE(node.Propose(7, {"SET", "k", "v"}));
  const Micros patience = node.member().core().options().election_timeout_us;
  EXPECT_FALSE(TimeoutNowWithin(node, 3 * patience, false));
  EXPECT_TRUE(node.member().Serves());
}

TEST(SickLeader, WhoseTurnsAreLateHandsOver) {
  TestMember node;
  Lead(node);
  const Micros patience = node.member().core().options().election_timeout_us;
  bool told = false;
  for (int i = 0; i < 6 && !told; ++i) {
    node.Turn([] {}, patience * 2 / 3);
    told = !node.Sent<raft::TimeoutNow>(kPeer).empty();
    Answer(node, true);
  }
  EXPECT_TRUE(told);
  EXPECT_EQ(node.member().stats().handed_over_loop.Get(), 1U);
}

TEST(SickLeader, TriesNoOftenerThanOnceInTenElectionTimeouts) {
  TestMember node;
  Lead(node);
  ASSERT_FALSE(node.Propose(7, {"SET", "k", "v"}));
  const Micros patience = node.member().core().options().election_timeout_us;
  ASSERT_TRUE(TimeoutNowWithin(node, 3 * patience, true));
  EXPECT_FALSE(TimeoutNowWithin(node, 8 * patience, true)) << "nobody took it, and it goes on";
  EXPECT_TRUE(node.member().Serves());
  EXPECT_TRUE(TimeoutNowWithin(node, 4 * patience, true));
}

}  // namespace
}  // namespace kvorum::replica
