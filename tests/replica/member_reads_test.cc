// SPDX-License-Identifier: Apache-2.0
//
// Reads: when they are served, when they are lost, and what takes the lease away.
#include <gtest/gtest.h>

#include "replica/limits.h"
#include "tests/replica/member_fixture.h"

namespace kvorum::replica {
namespace {

bool AtOnce(const ReadStart& start) { return std::holds_alternative<ReadNow>(start); }

class MemberReads : public ::testing::Test {
 protected:
  MemberReads() {
    node_.BecomeLeader();
    node_.Receive(kPeer, node_.Acknowledge(Index(1)));
    node_.Events();
  }
  // Sends a round and has it answered, so that the lease counts from this turn.
  void Renew() {
    node_.Turn([] {}, 50'000);
    node_.Receive(kPeer, node_.Acknowledge(node_.member().core().log().durable_index()));
  }
  ReadStart Start() {
    ReadStart start;
    node_.Turn([&] { start = node_.member().StartRead(); }, 0);
    return start;
  }

  TestMember node_;
};

TEST_F(MemberReads, AtOnceByLease) {
  Renew();
  EXPECT_TRUE(AtOnce(Start()));
  EXPECT_EQ(node_.member().stats().reads_by_lease.Get(), 1U);
}

TEST_F(MemberReads, WaitForWhatIsCommittedAndNotApplied) {
  node_.Turn([&] { ASSERT_FALSE(node_.Propose(7, {"INCR", "n"})); });
  node_.Persist();
  ReadStart start;
  node_.Turn([&] {
    node_.member().Receive(kPeer, node_.Acknowledge(Index(2)));
    start = node_.member().StartRead();
    EXPECT_EQ(node_.Events(), "");
  });
  ASSERT_TRUE(std::holds_alternative<ReadLater>(start));
  EXPECT_EQ(node_.member().stats().reads_by_lease.Get(), 1U);
  EXPECT_EQ(node_.Events(), "applied 7 :1\nreads ready 1\n");
}

TEST_F(MemberReads, ByMajorityWhenTheLeaseHasLapsed) {
  node_.Turn([] {}, 20'000);
  node_.Sent<raft::Heartbeat>(kPeer);
  const ReadStart start = Start();
  ASSERT_TRUE(std::holds_alternative<ReadLater>(start));
  EXPECT_EQ(node_.Sent<raft::Heartbeat>(kPeer).size(), 1U);
  node_.Turn();
  EXPECT_EQ(node_.Events(), "");
  node_.Receive(kPeer, node_.Acknowledge(Index(1)));
  EXPECT_EQ(node_.Events(), "reads ready 1\n");
}

TEST_F(MemberReads, ByMajorityAlwaysWithoutLeases) {
  node_.member().SetLeaseReads(false);
  Renew();
  EXPECT_TRUE(std::holds_alternative<ReadLater>(Start()));
  EXPECT_EQ(node_.member().stats().reads_by_quorum.Get(), 1U);
}

TEST_F(MemberReads, ReadsOfATurnShareATicket) {
  node_.member().SetLeaseReads(false);
  node_.Turn([&] {
    const ReadStart first = node_.member().StartRead();
    const ReadStart second = node_.member().StartRead();
    EXPECT_EQ(std::get<ReadLater>(first).ticket, std::get<ReadLater>(second).ticket);
  });
}

TEST_F(MemberReads, LostWithLeadership) {
  node_.member().SetLeaseReads(false);
  ASSERT_TRUE(std::holds_alternative<ReadLater>(Start()));
  node_.Receive(kOther, raft::Heartbeat{Term(2), Index(), Round(1)});
  EXPECT_EQ(node_.Events(), "reads lost\n");
}

TEST_F(MemberReads, AnAnswerOfAnEarlierRoundIsNone) {
  const raft::AppendReply before = node_.Acknowledge(Index(1));
  node_.Turn([] {}, 20'000);
  ASSERT_TRUE(std::holds_alternative<ReadLater>(Start()));
  node_.Receive(kPeer, before);
  EXPECT_EQ(node_.Events(), "");
}

// ---- scenario 107 -------------------------------------------------------------------------------

TEST_F(MemberReads, Scenario107ClocksThatDisagreeDropTheLease) {
  for (const UnixMs wall_ms : {UnixMs{5'000}, UnixMs{-5'000}, kClockDisagreementUs / 1000 + 2}) {
    Renew();
    ASSERT_TRUE(AtOnce(Start()));
    const uint64_t dropped = node_.member().stats().leases_dropped.Get();
    ReadStart start;
    node_.TurnWithClocks(1'000, wall_ms, [&] { start = node_.member().StartRead(); });
    EXPECT_FALSE(AtOnce(start)) << wall_ms;
    EXPECT_EQ(node_.member().stats().leases_dropped.Get(), dropped + 1);
    // Answers to what was sent before do not bring it back, one to a round after it does.
    EXPECT_FALSE(AtOnce(Start()));
    node_.Receive(kPeer, node_.Acknowledge(Index(1)));
    Renew();
    EXPECT_TRUE(AtOnce(Start()));
    node_.Events();
  }
}

TEST_F(MemberReads, Scenario107ARoundThatWasOnItsWayGivesNoLease) {
  node_.Turn([] {}, 50'000);  // a round is sent
  const raft::AppendReply answer = node_.Acknowledge(Index(1));
  ReadStart start;
  node_.TurnWithClocks(1'000, 5'000, [&] {
    node_.member().Receive(kPeer, answer);
    start = node_.member().StartRead();
  });
  EXPECT_FALSE(AtOnce(start));
}

TEST_F(MemberReads, Scenario107TheWallClocksResolutionIsNoDisagreement) {
  Renew();
  node_.TurnWithClocks(900, 0, [] {});
  node_.TurnWithClocks(100, 1, [] {});
  node_.TurnWithClocks(1'000, 3, [] {});
  EXPECT_TRUE(AtOnce(Start()));
  EXPECT_EQ(node_.member().stats().leases_dropped.Get(), 0U);
}

}  // namespace
}  // namespace kvorum::replica
