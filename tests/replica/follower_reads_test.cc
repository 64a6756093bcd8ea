// SPDX-License-Identifier: Apache-2.0
//
// Linearizable reads at followers: what they ask, what counts as an answer, and what a leader says.
#include <gtest/gtest.h>

#include "tests/replica/member_fixture.h"

namespace kvorum::replica {
namespace {

constexpr uint64_t kLife = 1;  // the fixture's

class FollowerReads : public ::testing::Test {
 protected:
  FollowerReads() {
    node_.Receive(kPeer, raft::Heartbeat{Term(1), Index(), Round(1)});
    node_.Events();
  }
  void Append(Index index, Index commit) {
    raft::Append append{.term = Term(1), .prev_index = index - 1, .commit = commit};
    append.prev_term = index == Index(1) ? Term() : Term(1);
    append.round = Round(2);
    append.entries.push_back(
        {Term(1), index, raft::EntryType::kBatch, Envelope(1'700'000'000'000, {"INCR", "n"})});
    node_.Receive(kPeer, append);
  }
  bool Waits() {
    ReadStart start;
    node_.Turn([&] { start = node_.member().StartRead(); });
    return std::holds_alternative<ReadLater>(start);
  }
  std::vector<raft::ReadIndex> Asked() { return node_.Sent<raft::ReadIndex>(kPeer); }
  void Answer(ReadId id, Index index, uint64_t life = kLife) {
    node_.Receive(kPeer, raft::ReadIndexReply{Term(1), life, id, index});
  }

  TestMember node_;
};

TEST_F(FollowerReads, TheLeaderIsAskedOncePerTurn) {
  node_.Turn([&] {
    const ReadStart first = node_.member().StartRead();
    const ReadStart second = node_.member().StartRead();
    EXPECT_EQ(std::get<ReadLater>(first).ticket, std::get<ReadLater>(second).ticket);
  });
  EXPECT_EQ(Asked().size(), 1U);
  Answer(ReadId(1), Index());
  EXPECT_EQ(node_.Events(), "reads ready 1\n");
}

// The answer also says what is committed: no need to wait until the leader says so anyway.
TEST_F(FollowerReads, AreServedWhenTheStateIsThere) {
  ASSERT_TRUE(Waits());
  Answer(ReadId(1), Index(2));
  EXPECT_EQ(node_.Events(), "");
  Append(Index(1), Index());
  EXPECT_EQ(node_.Events(), "term 1\n");
  Append(Index(2), Index());
  EXPECT_EQ(node_.Events(), "reads ready 1\n");
  EXPECT_EQ(node_.member().stats().reads_by_leader.Get(), 1U);
}

TEST_F(FollowerReads, WhatIsHereIsCommittedWhenTheAnswerSaysSo) {
  Append(Index(1), Index());
  ASSERT_TRUE(Waits());
  Answer(ReadId(1), Index(1));
  EXPECT_EQ(node_.Events(), "term 1\nreads ready 1\n");
}

// Not what only happens to be at that place: it may be another leader's.
TEST_F(FollowerReads, AnEntryThatDoesNotMatchIsNotCommittedByTheAnswer) {
  Append(Index(1), Index());
  Append(Index(2), Index());
  node_.Receive(kOther, raft::Heartbeat{Term(2), Index(), Round(1)});
  ASSERT_TRUE(Waits());
  node_.Receive(kOther, raft::ReadIndexReply{Term(2), kLife, ReadId(1), Index(2)});
  EXPECT_EQ(node_.member().core().commit(), Index());
  EXPECT_EQ(node_.Events(), "");
}

TEST_F(FollowerReads, AnAnswerToAnEarlierQuestionIsNone) {
  ASSERT_TRUE(Waits());
  ASSERT_TRUE(Waits());
  EXPECT_EQ(Asked().back().id, ReadId(2));
  Answer(ReadId(1), Index());
  EXPECT_EQ(node_.Events(), "reads ready 1\n");
  Answer(ReadId(2), Index());
  EXPECT_EQ(node_.Events(), "reads ready 2\n");
}

TEST_F(FollowerReads, AnAnswerToAFormerLifeIsNone) {
  ASSERT_TRUE(Waits());
  Answer(ReadId(1), Index(), kLife + 1);
  EXPECT_EQ(node_.Events(), "");
}

TEST_F(FollowerReads, TheQuestionIsRepeatedUntilItIsAnswered) {
  ASSERT_TRUE(Waits());
  const Micros heartbeat = node_.member().core().options().heartbeat_us;
  EXPECT_LE(node_.member().NextWakeup(), node_.now().boot_us + heartbeat);
  node_.Turn([] {}, heartbeat);
  EXPECT_EQ(Asked().size(), 2U);
  Answer(ReadId(1), Index());
  node_.Turn([] {}, heartbeat);
  EXPECT_TRUE(Asked().empty());
}

TEST_F(FollowerReads, AreDecidedAnewUnderAnotherLeader) {
  ASSERT_TRUE(Waits());
  node_.Receive(kOther, raft::Heartbeat{Term(2), Index(), Round(1)});
  EXPECT_EQ(node_.Events(), "reads lost\n");
}

TEST(FollowerReadsWithoutLeader, GoElsewhere) {
  TestMember node;
  node.Turn([&] { EXPECT_TRUE(std::holds_alternative<ReadElsewhere>(node.member().StartRead())); });
}

// ---- the leader ---------------------------------------------------------------------------------

class ReadsForFollowers : public ::testing::Test {
 protected:
  ReadsForFollowers() {
    node_.BecomeLeader();
    node_.Receive(kPeer, node_.Acknowledge(Index(1)));
    term_ = node_.member().core().term();
  }
  std::vector<raft::ReadIndexReply> Ask(Term term, Micros passed = 0) {
    node_.Turn([&] { node_.member().Receive(kOther, raft::ReadIndex{term, 7, ReadId(3)}); },
               passed);
    return node_.Sent<raft::ReadIndexReply>(kOther);
  }

  TestMember node_;
  Term term_;
};

TEST_F(ReadsForFollowers, AnsweredAtOnceByLease) {
  node_.Turn([] {}, 50'000);
  node_.Receive(kPeer, node_.Acknowledge(Index(1)));
  const auto replies = Ask(term_);
  ASSERT_EQ(replies.size(), 1U);
  EXPECT_EQ(replies[0].life, 7U);
  EXPECT_EQ(replies[0].id, ReadId(3));
  EXPECT_EQ(replies[0].index, Index(1));
}

TEST_F(ReadsForFollowers, AnsweredWhenAMajorityHasAnsweredIfTheLeaseHasLapsed) {
  EXPECT_TRUE(Ask(term_, 20'000).empty());
  node_.Turn();
  EXPECT_TRUE(node_.Sent<raft::ReadIndexReply>(kOther).empty());
  node_.Receive(kPeer, node_.Acknowledge(Index(1)));
  EXPECT_EQ(node_.Sent<raft::ReadIndexReply>(kOther).size(), 1U);
}

TEST_F(ReadsForFollowers, NoLeaseWithQuorumReads) {
  node_.member().SetLeaseReads(false);
  node_.Turn([] {}, 50'000);
  node_.Receive(kPeer, node_.Acknowledge(Index(1)));
  EXPECT_TRUE(Ask(term_).empty());
}

TEST_F(ReadsForFollowers, WhatWasMeantForALeaderOfAnotherTermIsNotAnswered) {
  node_.Receive(kPeer, node_.Acknowledge(Index(1)));
  EXPECT_TRUE(Ask(term_ - 1).empty());
  node_.Receive(kPeer, node_.Acknowledge(Index(1)));
  EXPECT_TRUE(node_.Sent<raft::ReadIndexReply>(kOther).empty());
}

TEST_F(ReadsForFollowers, NothingIsSaidByWhoDoesNotLeadAnyMore) {
  EXPECT_TRUE(Ask(term_, 20'000).empty());
  node_.Receive(kPeer, raft::Heartbeat{term_ + 1, Index(), Round(1)});
  node_.Turn();
  EXPECT_TRUE(node_.Sent<raft::ReadIndexReply>(kOther).empty());
}

}  // namespace
}  // namespace kvorum::replica
