// SPDX-License-Identifier: Apache-2.0
//
// Taking snapshots, cutting the log behind them, and having the state replaced by one.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "replica/limits.h"
#include "tests/replica/member_fixture.h"

namespace kvorum::replica {
namespace {

constexpr size_t kLogBytes = 8'192;
constexpr size_t kKeepBytes = 2'048;

class MemberSnapshot : public ::testing::Test {
 protected:
  MemberSnapshot() { node_.Settle(); }
  // Proposed, durable and applied; jobs of the background stay where they are.
  void Write(int count) {
    for (int i = 0; i < count; ++i) {
      const std::string key = "key" + std::to_string(++written_);
      node_.Turn([&] { ASSERT_FALSE(node_.Propose(1, {"SET", key, std::string(200, 'v')})); });
      NoteBegin();
      node_.Persist();
      NoteBegin();
    }
  }
  // What the snapshot must hold, whatever is written later.
  void NoteBegin() {
    if (running_ != node_.member().taker().running() && !running_) {
      cut_ = node_.member().applied();
      digest_ = node_.machine().Digest();
    }
    running_ = node_.member().taker().running();
  }
  void WriteUntilFull() {
    while (!node_.member().taker().running()) Write(1);
  }
  [[nodiscard]] Index snapshot() { return node_.member().core().snapshot().index; }
  [[nodiscard]] Index base() { return node_.member().core().log().base_index(); }

  TestMember node_{{.voters = 1, .snapshot_log_bytes = kLogBytes, .keep_log_bytes = kKeepBytes}};
  int written_ = 0;
  bool running_ = false;
  Index cut_;
  uint64_t digest_ = 0;
};

TEST_F(MemberSnapshot, IsTakenWhenTheLogIsLargeAndTheTailIsKept) {
  node_.Turn([] {}, 2'000'000);
  Write(3);
  EXPECT_FALSE(node_.member().taker().running());
  WriteUntilFull();
  const Index cut = cut_;
  EXPECT_EQ(base(), Index());
  Write(2);  // goes on meanwhile
  node_.Settle();
  EXPECT_EQ(snapshot(), cut);
  EXPECT_EQ(node_.member().taker().stats().taken.Get(), 1U);
  ASSERT_EQ(node_.snapshots().List().size(), 1U);
  EXPECT_TRUE(node_.snapshots().Verify(node_.snapshots().List()[0]).ok());

  ASSERT_EQ(node_.compactions().size(), 1U);
  EXPECT_EQ(node_.compactions()[0].index, base());
  EXPECT_GT(base(), Index());
  EXPECT_LT(base(), cut);
  const raft::Log& log = node_.member().core().log();
  EXPECT_LE(log.BytesAfter(base()) - log.BytesAfter(cut), kKeepBytes);
  EXPECT_GT(log.BytesAfter(base()) - log.BytesAfter(cut), kKeepBytes / 2);
}

// Ten gigabytes of data were written down for each 48 MiB of log.
TEST(MemberSnapshotOfMuchData, WaitsForALogThatIsWorthIt) {
  constexpr size_t kPercent = 25;
  TestMember node({.voters = 1,
                   .snapshot_log_bytes = kLogBytes,
                   .snapshot_log_percent = kPercent,
                   .keep_log_bytes = kKeepBytes});
  node.Settle();
  ASSERT_FALSE(node.Propose(1, {"SET", "much", std::string(20 * kLogBytes, 'v')}));
  node.Settle();
  const auto share = [&] { return node.machine().MemoryBytes() * kPercent / 100; };
  ASSERT_GT(share(), 2 * kLogBytes);
  const raft::Log& log = node.member().core().log();
  const uint64_t taken = node.member().taker().stats().taken.Get();
  ASSERT_EQ(log.bytes(), 0U);
  while (!node.member().taker().running()) {
    // What an entry costs beside its payload is counted, too.
    ASSERT_LT(log.bytes(), share());
    node.Turn([&] { ASSERT_FALSE(node.Propose(1, {"SET", "k", std::string(1'000, 'v')})); });
    node.Persist();
  }
  EXPECT_GT(log.bytes(), share() * 8 / 10);
  node.Settle();
  EXPECT_EQ(node.member().taker().stats().taken.Get(), taken + 1);
}

TEST_F(MemberSnapshot, IsTakenOfASmallLogWhenNobodyWrites) {
  node_.Turn([] {}, 2'000'000);
  const raft::Log& log = node_.member().core().log();
  const auto small = [&] { return log.bytes() < kKeepBytes + kLogBytes / 4; };
  Write(1);
  ASSERT_TRUE(small());
  node_.Turn([] {}, 2 * kQuietUs);
  EXPECT_FALSE(node_.member().taker().running()) << "not worth it";
  while (small()) Write(1);
  const Micros since = node_.now().boot_us;
  EXPECT_EQ(node_.member().NextWakeup(),
            std::min(since + kQuietUs, node_.member().core().NextWakeup()));
  node_.Turn([] {}, kQuietUs - 10'000);
  Write(1);
  node_.Turn([] {}, kQuietUs - 10'000);
  EXPECT_FALSE(node_.member().taker().running()) << "somebody has written";
  node_.Turn([] {}, 10'000);
  EXPECT_TRUE(node_.member().taker().running());
  node_.Settle();
  EXPECT_EQ(snapshot(), node_.member().applied());
  EXPECT_LE(log.bytes(), kKeepBytes);
  node_.Turn([] {}, 2 * kQuietUs);
  EXPECT_EQ(node_.member().taker().stats().taken.Get(), 1U) << "nothing is new";
}

TEST_F(MemberSnapshot, HoldsTheStateAsOfItsIndex) {
  node_.Turn([] {}, 2'000'000);
  WriteUntilFull();
  Write(5);
  node_.Settle();
  store::Machine copy;
  copy.BeginLoad();
  auto reader = node_.snapshots().Read(node_.member().core().snapshot());
  ASSERT_TRUE(reader.ok());
  std::string chunk;
  for (;;) {
    const Result<bool> more = reader.value()->Next(chunk);
    ASSERT_TRUE(more.ok());
    if (!more.value()) break;
    ASSERT_TRUE(copy.LoadChunk(chunk).ok());
  }
  ASSERT_TRUE(copy.FinishLoad(cut_).ok());
  EXPECT_EQ(copy.Digest(), digest_);
}

TEST_F(MemberSnapshot, OnRequest) {
  Write(1);
  node_.member().RequestSnapshot();
  node_.Turn();
  EXPECT_TRUE(node_.member().taker().running());
  node_.Settle();
  EXPECT_EQ(snapshot(), node_.member().applied());
  node_.member().RequestSnapshot();  // nothing new
  node_.Turn();
  EXPECT_FALSE(node_.member().taker().running());
}

class MemberSnapshotRests : public ::testing::Test {
 protected:
  // Three rounds, and a bit.
  MemberSnapshotRests() {
    node_.Settle();
    for (size_t bytes = 0; bytes < 3 * kSnapshotRoundBytes; bytes += kValueBytes) {
      Write(std::string(kValueBytes, 'v'));
    }
    node_.member().RequestSnapshot();
    node_.Turn();
    began_ = node_.now().boot_us;
  }
  void Write(const std::string& value) {
    const std::string key = "key" + std::to_string(++written_);
    node_.Turn([&] { ASSERT_FALSE(node_.Propose(1, {"SET", key, value})); });
    node_.Persist();
  }
  [[nodiscard]] bool resting() {
    return node_.member().taker().NextWakeup() != std::numeric_limits<Micros>::max();
  }

  static constexpr size_t kValueBytes = size_t{300} << 10;
  TestMember node_{{.voters = 1}};
  int written_ = 0;
  Micros began_ = 0;
};

TEST_F(MemberSnapshotRests, AfterEachRoundForAsLongAsItTookWhileTheLogGrows) {
  while (!resting()) {
    Write("small");
    ASSERT_TRUE(node_.member().taker().running());
    if (!resting()) node_.RunJobs();
  }
  const Micros now = node_.now().boot_us;
  EXPECT_EQ(node_.member().taker().NextWakeup() - now, now - began_);
  EXPECT_EQ(node_.member().NextWakeup(), node_.member().taker().NextWakeup());
  EXPECT_FALSE(node_.member().WantsTurn());
  while (node_.now().boot_us + 1'000 < node_.member().taker().NextWakeup()) {
    node_.Turn();
    ASSERT_FALSE(node_.member().WantsTurn());
  }
  node_.Turn();
  EXPECT_FALSE(resting());
  node_.Settle();
  EXPECT_EQ(node_.member().taker().stats().taken.Get(), 1U);
}

TEST_F(MemberSnapshotRests, NeverWhenNobodyWrites) {
  while (node_.member().taker().running()) {
    node_.RunJobs();
    EXPECT_FALSE(resting());
  }
  EXPECT_EQ(node_.member().taker().stats().taken.Get(), 1U);
}

// Scenario 61. Whatever fails: no half file is seen, the log stays, and it is tried again.
TEST_F(MemberSnapshot, Scenario61ADiskThatIsFullIsTriedAgain) {
  using disk::Operation;
  node_.Turn([] {}, 2'000'000);
  uint64_t failed = 0;
  for (const Operation operation :
       {Operation::kOpen, Operation::kWrite, Operation::kSync, Operation::kRename}) {
    node_.files().FailNth(operation, 1, disk::FaultKind::kNoSpace, true);
    WriteUntilFull();
    const Index before = base();
    const std::vector<std::string> names = SnapshotFiles(node_.files());
    node_.Settle();
    EXPECT_EQ(node_.member().taker().stats().failed.Get(), ++failed);
    EXPECT_EQ(base(), before);
    EXPECT_EQ(SnapshotFiles(node_.files()), names);
    node_.Turn([] {}, 500'000);  // not at once
    EXPECT_FALSE(node_.member().taker().running());
    node_.files().ClearFaults();
    node_.Turn([] {}, 600'000);
    EXPECT_TRUE(node_.member().taker().running());
    node_.Settle();
    EXPECT_GT(base(), before);
    EXPECT_EQ(node_.member().taker().stats().taken.Get(), failed);
    node_.Turn([] {}, 2'000'000);
  }
  for (const raft::SnapshotMeta& meta : node_.snapshots().List()) {
    EXPECT_TRUE(node_.snapshots().Verify(meta).ok());
  }
  EXPECT_EQ(SnapshotFiles(node_.files()).size(), node_.snapshots().List().size());
}

TEST_F(MemberSnapshot, Scenario61SpaceThatRunsOutInTheMiddle) {
  node_.Turn([] {}, 2'000'000);
  node_.files().SetCapacity(node_.files().UsedBytes() + 150);  // the header fits
  WriteUntilFull();
  node_.Settle();
  EXPECT_EQ(node_.member().taker().stats().failed.Get(), 1U);
  EXPECT_TRUE(SnapshotFiles(node_.files()).empty());
  node_.files().SetCapacity(UINT64_MAX);
  node_.Turn([] {}, 1'000'000);
  node_.Settle();
  EXPECT_EQ(node_.member().taker().stats().taken.Get(), 1U);
}

// ---- received -----------------------------------------------------------------------------------

class MemberRestore : public ::testing::Test {
 protected:
  // A snapshot file of a leader at (index, term), all of whose state is one key.
  raft::InstallSnapshot Whole(uint64_t index, uint64_t term,
                              raft::Configuration members = {kSelf, kPeer, kOther}) {
    disk::MemoryFiles files;
    auto store = disk::SnapshotStore::Open(files, "snapshots", 1);
    store::Machine machine;
    for (uint64_t i = 1; i < index; ++i) machine.ApplyNoop(Index(i));
    machine.Apply(Index(index), Envelope(1, {"SET", "restored", "yes"}).view(), nullptr);
    digest_ = machine.Digest();
    const raft::SnapshotMeta meta{Index(index), Term(term), std::move(members)};
    WriteSnapshot(*store.value(), meta, machine);
    raft::InstallSnapshot piece{.term = Term(term), .meta = meta, .offset = 0};
    piece.bytes = files.Contents("snapshots/" + SnapshotFiles(files).at(0));
    piece.total = piece.bytes.size();
    return piece;
  }

  TestMember node_;
  uint64_t digest_ = 0;
};

TEST_F(MemberRestore, ReplacesTheStateAndIsAnsweredWhenTheLogKnowsOfIt) {
  node_.Receive(kPeer, Whole(9, 3));
  EXPECT_TRUE(node_.Sent<raft::InstallSnapshotReply>(kPeer).empty());
  node_.Persist();  // the term
  node_.RunJobs();  // the file
  EXPECT_EQ(node_.Events(), "replaced\n");
  EXPECT_TRUE(node_.Sent<raft::InstallSnapshotReply>(kPeer).empty());
  node_.Persist();  // the log starts behind it
  const auto replies = node_.Sent<raft::InstallSnapshotReply>(kPeer);
  ASSERT_EQ(replies.size(), 1U);
  EXPECT_TRUE(replies[0].installed);
  EXPECT_TRUE(node_.member().restoring());
  node_.Settle();
  EXPECT_FALSE(node_.member().restoring());
  EXPECT_EQ(node_.member().applied(), Index(9));
  EXPECT_EQ(node_.machine().Digest(), digest_);
}

// It was promoted meanwhile, and everybody waited for it.
TEST_F(MemberRestore, ALearnerSaysThatItIsBusyUntilTheStateIsLoaded) {
  constexpr Micros kBeat = 50'000;
  const auto busy = [&] {
    const auto replies = node_.Sent<raft::InstallSnapshotReply>(kPeer);
    return std::ranges::count_if(replies, [](const auto& reply) {
      return reply.index == Index() && !reply.installed && reply.received == 0;
    });
  };
  node_.Receive(kPeer, Whole(9, 3, {kPeer, kOther}));
  node_.Persist();
  EXPECT_EQ(busy(), 0);
  node_.RunJobs();
  ASSERT_TRUE(node_.member().restoring());
  EXPECT_EQ(busy(), 1) << "before the leader hears that it has the snapshot";
  node_.Turn();
  EXPECT_EQ(busy(), 0);
  for (int beat = 0; beat < 3; ++beat) {
    node_.Turn([] {}, kBeat);
    EXPECT_EQ(busy(), 1);
  }
  node_.Settle();
  ASSERT_FALSE(node_.member().restoring());
  busy();
  node_.Turn([] {}, kBeat);
  EXPECT_EQ(busy(), 0);
}

TEST_F(MemberRestore, AVoterHasNothingToSayOfThat) {
  node_.Receive(kPeer, Whole(9, 3));
  node_.Persist();
  node_.RunJobs();
  node_.Turn([] {}, 50'000);
  ASSERT_TRUE(node_.member().restoring());
  EXPECT_TRUE(node_.Sent<raft::InstallSnapshotReply>(kPeer).empty());
}

TEST_F(MemberRestore, LeavesProposalsThatItCoversUnknownAndOthersNever) {
  node_.BecomeLeader();
  node_.Turn([&] {
    for (ProposalId id = 2; id <= 7; ++id) ASSERT_FALSE(node_.Propose(id, {"INCR", "n"}));
  });
  node_.Persist();  // proposal n is at index n
  node_.Receive(kPeer, Whole(5, 2));
  node_.Settle();
  EXPECT_EQ(node_.Events(),
            "unknown 2\nunknown 3\nunknown 4\nunknown 5\nnever 6\nnever 7\nreplaced\n");
}

// Scenario 57.
TEST_F(MemberRestore, Scenario57OldOnesAreRefusedBeforeTheStateIsTouched) {
  node_.Receive(kPeer, Whole(9, 3));
  node_.Settle();
  node_.Sent<raft::InstallSnapshotReply>(kPeer);
  node_.Events();
  const uint64_t digest = digest_;
  node_.Receive(kOther, Whole(12, 2));  // of a leader that is none any more
  node_.Receive(kPeer, Whole(7, 3));    // older than what is here
  node_.Settle();
  EXPECT_EQ(node_.Events(), "");
  EXPECT_EQ(node_.member().applied(), Index(9));
  EXPECT_EQ(node_.machine().Digest(), digest);
  const auto replies = node_.Sent<raft::InstallSnapshotReply>(kPeer);
  ASSERT_EQ(replies.size(), 1U);  // the leader need not go on
  EXPECT_TRUE(replies[0].installed);
  const auto refusals = node_.Sent<raft::InstallSnapshotReply>(kOther);
  ASSERT_EQ(refusals.size(), 1U);  // it hears of the newer term
  EXPECT_FALSE(refusals[0].installed);
  EXPECT_EQ(refusals[0].term, Term(3));
}

// Scenario 58.
TEST_F(MemberRestore, Scenario58MessagesWhileItIsLoaded) {
  node_.Receive(kPeer, Whole(9, 3));
  node_.Persist();
  node_.RunJobs();
  ASSERT_TRUE(node_.member().restoring());
  node_.Receive(kPeer, raft::Append{.term = Term(3),
                                    .prev_index = Index(9),
                                    .prev_term = Term(3),
                                    .commit = Index(10),
                                    .round = Round(2),
                                    .entries = {{Term(3), Index(10), raft::EntryType::kBatch,
                                                 Envelope(2, {"SET", "k", "v"})}}});
  EXPECT_EQ(node_.member().applied(), Index());
  node_.Receive(kPeer, Whole(12, 3));  // a newer one before the first is loaded
  node_.Settle();
  EXPECT_EQ(node_.member().applied(), Index(12));
  EXPECT_EQ(node_.machine().Digest(), digest_);
}

}  // namespace
}  // namespace kvorum::replica
