// SPDX-License-Identifier: Apache-2.0
//
// What waits for the disk, what becomes of proposals, and time.
#include <gtest/gtest.h>

#include "tests/replica/member_fixture.h"

namespace kvorum::replica {
namespace {

raft::Entry Noop(uint64_t term, uint64_t index) {
  return {Term(term), Index(index), raft::EntryType::kNoop, {}};
}
raft::Entry Batch(uint64_t term, uint64_t index) {
  return {Term(term), Index(index), raft::EntryType::kBatch, Envelope(1, {"SET", "k", "foreign"})};
}
raft::Append AppendOf(uint64_t term, uint64_t prev_index, uint64_t prev_term, uint64_t commit,
                      std::vector<raft::Entry> entries) {
  return {.term = Term(term),
          .prev_index = Index(prev_index),
          .prev_term = Term(prev_term),
          .commit = Index(commit),
          .round = Round(1),
          .entries = std::move(entries)};
}

// ---- what waits for the disk --------------------------------------------------------------------

TEST(MemberDisk, EntriesAreAcknowledgedWhenTheyAreDurable) {
  TestMember node;
  node.Receive(kPeer, AppendOf(1, 0, 0, 0, {Noop(1, 1)}));
  node.Turn();
  EXPECT_TRUE(node.Sent<raft::AppendReply>(kPeer).empty());
  node.Persist();
  const auto replies = node.Sent<raft::AppendReply>(kPeer);
  ASSERT_EQ(replies.size(), 1U);
  EXPECT_TRUE(replies[0].ok);
  EXPECT_EQ(replies[0].match, Index(1));
}

// A new voter worked off what had piled up while it loaded a snapshot, 4 MiB a turn: each
// acknowledgement took some 50 ms, and a group of two waits for each.
TEST(MemberDisk, ABacklogDoesNotKeepAcknowledgements) {
  TestMember node;
  const std::string value(100'000, 'v');
  std::vector<raft::Entry> backlog = {Noop(1, 1)};
  for (uint64_t index = 2; index <= 40; ++index) {
    backlog.push_back(
        {Term(1), Index(index), raft::EntryType::kBatch, Envelope(1, {"SET", "k", value})});
  }
  node.Receive(kPeer, AppendOf(1, 0, 0, 0, std::move(backlog)));
  node.Persist();
  node.Sent<raft::AppendReply>(kPeer);
  node.Receive(kPeer, AppendOf(1, 40, 1, 40, {Batch(1, 41)}));
  node.Persist();
  EXPECT_EQ(node.Sent<raft::AppendReply>(kPeer).size(), 1U);
  EXPECT_GT(node.machine().applied(), Index(1));
  EXPECT_LT(node.machine().applied(), Index(10));
  EXPECT_TRUE(node.member().WantsTurn());
  for (int turn = 0; turn < 20; ++turn) node.Turn();
  EXPECT_EQ(node.machine().applied(), Index(40));
  EXPECT_FALSE(node.member().WantsTurn());
}

TEST(MemberDisk, HeartbeatsOvertakeTheDisk) {
  TestMember node;
  node.Receive(kPeer, AppendOf(1, 0, 0, 0, {Noop(1, 1)}));
  ASSERT_GT(node.unsaved(), 0U);
  node.Receive(kPeer, raft::Heartbeat{Term(1), Index(), Round(2)});
  const auto replies = node.Sent<raft::HeartbeatReply>(kPeer);
  ASSERT_EQ(replies.size(), 1U);
  EXPECT_EQ(replies[0].round, Round(2));
}

TEST(MemberDisk, AVoteIsDurableBeforeItIsGiven) {
  TestMember node;
  node.Turn([] {}, 100'000);  // the promise of a member that starts has run out
  node.Receive(kPeer, raft::Vote{Term(1), Index(), Term(), false});
  EXPECT_TRUE(node.Sent<raft::VoteReply>(kPeer).empty());
  node.Persist();
  const auto replies = node.Sent<raft::VoteReply>(kPeer);
  ASSERT_EQ(replies.size(), 1U);
  EXPECT_TRUE(replies[0].granted);
}

// An old image of its disk: the leader knows what it once had.
TEST(MemberDisk, WhoHasLostWhatItHadDoesNotVoteBeforeItHasItAgain) {
  TestMember node;
  node.Turn([] {}, 100'000);
  node.Receive(kPeer, AppendOf(1, 0, 0, 0, {Noop(1, 1)}));
  node.Persist();
  node.Receive(kOther, raft::MatchLost{Term(1), Index(3)});  // not its leader
  node.Receive(kPeer, raft::MatchLost{Term(1), Index(1)});   // said late: it has that much
  EXPECT_TRUE(node.member().core().MayVote());
  node.Events();
  node.Receive(kPeer, raft::MatchLost{Term(1), Index(3)});
  EXPECT_EQ(node.Events(), "owes 3\n");
  node.Receive(kPeer, raft::MatchLost{Term(1), Index(2)});
  EXPECT_EQ(node.Events(), "") << "less than is owed";
  node.Receive(kPeer, raft::MatchLost{Term(1), Index(4)});
  EXPECT_EQ(node.Events(), "owes 4\n");
  node.Turn([] {}, 1'000'000);  // long enough that it would give its vote, and stand itself
  node.Receive(kOther, raft::Vote{Term(2), Index(9), Term(1), true});
  node.Persist();
  for (const raft::VoteReply& reply : node.Sent<raft::VoteReply>(kOther)) {
    EXPECT_FALSE(reply.granted);
  }
  EXPECT_TRUE(node.Sent<raft::PreVote>(kOther).empty());
  node.Receive(kOther, AppendOf(2, 1, 1, 4, {Noop(1, 2), Noop(2, 3), Noop(2, 4)}));
  node.Persist();
  EXPECT_NE(node.Events().find("caught up\n"), std::string::npos);
  EXPECT_TRUE(node.member().core().MayVote());
}

TEST(MemberDisk, ACandidateVotesForItselfOnDiskBeforeItAsksOthers) {
  TestMember node;
  node.Campaign();
  EXPECT_EQ(node.Sent<raft::PreVote>(kPeer).size(), 1U);
  node.Receive(kPeer, raft::PreVoteReply{Term(1), true});
  EXPECT_TRUE(node.Sent<raft::Vote>(kPeer).empty());
  node.Persist();
  EXPECT_EQ(node.Sent<raft::Vote>(kPeer).size(), 1U);
}

TEST(MemberDisk, ALeaderSendsBeforeItsOwnDiskAndCountsItAfterwards) {
  TestMember node;
  node.BecomeLeader();
  node.Receive(kPeer, node.Acknowledge(Index(1)));
  node.Sent<raft::Append>(kPeer);
  node.Turn([&] { ASSERT_FALSE(node.Propose(7, {"SET", "k", "v"})); });
  EXPECT_EQ(node.Sent<raft::Append>(kPeer).size(), 1U);
  node.Receive(kPeer, node.Acknowledge(Index(2)));
  EXPECT_EQ(node.member().core().commit(), Index(1));  // one durable copy of three
  node.Persist();
  EXPECT_EQ(node.member().core().commit(), Index(2));
}

// ---- what becomes of proposals ------------------------------------------------------------------

TEST(MemberProposals, AppliedWithTheirReplies) {
  TestMember node;
  node.BecomeLeader();
  node.Turn([&] {
    ASSERT_FALSE(node.Propose(7, {"INCR", "n"}));
    ASSERT_FALSE(node.Propose(8, {"INCR", "n"}));
  });
  node.Persist();
  EXPECT_EQ(node.Events(), "");
  node.Receive(kPeer, node.Acknowledge(Index(3)));
  EXPECT_EQ(node.Events(), "term 1\napplied 7 :1\napplied 8 :2\n");
  EXPECT_EQ(node.member().proposals_pending(), 0U);
  EXPECT_EQ(node.member().stats().proposals_committed.Get(), 2U);
}

TEST(MemberProposals, ADeposedLeaderStillLearnsTheReplies) {
  TestMember node;
  node.BecomeLeader();
  node.Turn([&] { ASSERT_FALSE(node.Propose(7, {"INCR", "n"})); });
  node.Persist();
  node.Receive(kPeer, AppendOf(2, 2, 1, 2, {Noop(2, 3)}));
  EXPECT_FALSE(node.member().core().IsLeader());
  EXPECT_EQ(node.Events(), "term 1\napplied 7 :1\n");
}

TEST(MemberProposals, NeverWhenANewerTermStandsInTheirPlace) {
  TestMember node;
  node.BecomeLeader();
  node.Turn([&] {
    ASSERT_FALSE(node.Propose(7, {"INCR", "n"}));
    ASSERT_FALSE(node.Propose(8, {"INCR", "n"}));
  });
  node.Persist();
  node.Receive(kPeer, AppendOf(2, 1, 1, 1, {Noop(2, 2)}));
  // Their places are taken in the log here, but only what is committed is the truth.
  EXPECT_EQ(node.Events(), "term 1\n");
  node.Receive(kPeer, raft::Heartbeat{Term(2), Index(2), Round(2)});
  EXPECT_EQ(node.Events(), "never 7\nnever 8\nterm 2\n");
}

// Thesis figure 3.7: a later leader may have an older entry there.
TEST(MemberProposals, NeverWhenAnOlderTermStandsInTheirPlace) {
  raft::Restart restart;
  restart.hard_state = {Term(2), NodeId()};
  restart.entries = {Noop(1, 1)};
  TestMember node({.restart = restart});
  node.BecomeLeader();
  ASSERT_EQ(node.member().core().term(), Term(3));  // its no-op is at 2
  node.Turn([&] {
    ASSERT_FALSE(node.Propose(7, {"INCR", "n"}));
    ASSERT_FALSE(node.Propose(8, {"INCR", "n"}));
  });
  node.Persist();
  node.Receive(kOther, AppendOf(4, 1, 1, 3, {Noop(2, 2), Batch(2, 3), Noop(4, 4)}));
  EXPECT_EQ(node.Events(), "term 1\nterm 2\nnever 7\n");
  node.Receive(kOther, raft::Heartbeat{Term(4), Index(4), Round(2)});
  EXPECT_EQ(node.Events(), "never 8\nterm 4\n");
}

TEST(MemberProposals, UnknownAfterTheTimeout) {
  TestMember node;
  node.BecomeLeader();
  node.Turn([&] { ASSERT_FALSE(node.Propose(7, {"INCR", "n"})); });
  const Micros proposed = node.now().boot_us;
  EXPECT_LE(node.member().NextWakeup(), proposed + 5'000'000);
  node.Turn([] {}, 4'999'000);
  EXPECT_EQ(node.Events(), "");
  node.Turn();
  EXPECT_EQ(node.Events(), "unknown 7\n");
  EXPECT_EQ(node.member().stats().proposals_failed.Get(), 1U);
}

TEST(MemberProposals, AFollowerTakesNone) {
  TestMember node;
  node.Turn([&] { EXPECT_EQ(node.Propose(7, {"INCR", "n"}), raft::ProposeError::kNotLeader); });
  EXPECT_EQ(node.member().proposals_pending(), 0U);
}

// ---- time ---------------------------------------------------------------------------------------

class MemberPulse : public ::testing::Test {
 protected:
  MemberPulse() { node_.Settle(); }
  void Write(std::initializer_list<std::string_view> words) {
    node_.Turn([&] { ASSERT_FALSE(node_.Propose(1, words)); });
    node_.Settle();
  }
  [[nodiscard]] uint64_t pulses() { return node_.member().stats().pulses_proposed.Get(); }

  TestMember node_{{.voters = 1}};
};

TEST_F(MemberPulse, ADeadlineThatPassesIsProposed) {
  Write({"SET", "k", "v", "PX", "5000"});
  EXPECT_LE(node_.member().NextWakeup(), node_.now().boot_us + 5'000'000);
  node_.Turn([] {}, 4'900'000);
  EXPECT_EQ(pulses(), 0U);
  EXPECT_EQ(node_.machine().KeyCount(0), 1U);
  node_.Turn([] {}, 100'000);
  EXPECT_EQ(pulses(), 1U);
  node_.Turn();  // not again while it is on its way
  EXPECT_EQ(pulses(), 1U);
  node_.Settle();
  EXPECT_EQ(node_.machine().KeyCount(0), 0U);
  node_.Turn([] {}, 60'000'000);
  EXPECT_EQ(pulses(), 1U);
}

TEST_F(MemberPulse, NoneWhenNothingExpires) {
  Write({"SET", "k", "v"});
  Write({"SET", "later", "v", "PX", "86400000"});
  for (int minute = 0; minute < 600; ++minute) node_.Turn([] {}, 60'000'000);
  EXPECT_EQ(pulses(), 0U);
  EXPECT_EQ(node_.machine().KeyCount(0), 2U);
}

TEST_F(MemberPulse, NoneBesideAWriteThatTellsTheTimeAnyway) {
  Write({"SET", "k", "v", "PX", "5000"});
  node_.Turn([&] { ASSERT_FALSE(node_.Propose(2, {"SET", "other", "v"})); }, 6'000'000);
  node_.Settle();
  EXPECT_EQ(pulses(), 0U);
  EXPECT_EQ(node_.machine().KeyCount(0), 1U);
}

}  // namespace
}  // namespace kvorum::replica
