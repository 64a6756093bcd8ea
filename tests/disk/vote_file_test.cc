// SPDX-License-Identifier: Apache-2.0
//
// Scenarios 20, 70: a vote that was reported durable is never forgotten, whatever one thing breaks.
#include "disk/vote_file.h"

#include <gtest/gtest.h>

#include "disk/limits.h"
#include "tests/disk/memory_files.h"

namespace kvorum::disk {
namespace {

constexpr uint64_t kCluster = 42;
constexpr NodeId kNode(3);

raft::HardState State(uint64_t term, uint64_t vote) { return {Term(term), NodeId(vote)}; }

std::unique_ptr<VoteFile> MustOpen(MemoryFiles& files, VoteContents* contents) {
  Result<std::unique_ptr<VoteFile>> opened = VoteFile::Open(files, "d", kCluster, kNode, contents);
  EXPECT_TRUE(opened.ok()) << opened.status().message();
  return opened.ok() ? std::move(opened).value() : nullptr;
}

struct VoteTest : testing::Test {
  VoteTest() {
    EXPECT_TRUE(files.MakeDir("d").ok());
    EXPECT_TRUE(VoteFile::Create(files, "d", kCluster, kNode, {}).ok());
  }
  MemoryFiles files;
  VoteContents contents;
};

TEST_F(VoteTest, RoundTrip) {
  auto vote = MustOpen(files, &contents);
  EXPECT_EQ(contents.hard_state, State(0, 0));
  ASSERT_TRUE(vote->Save(State(5, 2)).ok());
  Witness witness{4, 9, Index(100), Term(5), true, Index(200), Term(6)};
  ASSERT_TRUE(vote->WriteWitness(witness).ok());
  const Result<VoteContents> read = VoteFile::Read(files, "d", kCluster, kNode);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read.value().hard_state, State(5, 2));
  EXPECT_EQ(read.value().witness, witness);
  EXPECT_EQ(read.value().sequence, vote->sequence());
  EXPECT_EQ(VoteFile::Read(files, "d", kCluster, NodeId(4)).status().code(), StatusCode::kInvalid);
  EXPECT_EQ(VoteFile::Read(files, "d", 1, kNode).status().code(), StatusCode::kInvalid);
  EXPECT_EQ(VoteFile::Read(files, "e", 1, kNode).status().code(), StatusCode::kNotFound);
}

TEST_F(VoteTest, Scenario70AnyFlippedBitKeepsTheVote) {
  auto vote = MustOpen(files, &contents);
  ASSERT_TRUE(vote->Save(State(6, 1)).ok());
  ASSERT_TRUE(vote->Save(State(7, 2)).ok());
  ASSERT_TRUE(vote->WriteWitness({1, 5, Index(5), Term(6), false, Index(), Term()}).ok());
  ASSERT_TRUE(vote->Sync().ok());
  const auto image = files.Save();
  for (uint64_t offset = 0; offset < kVoteFileBytes; ++offset) {
    files.Restore(*image);
    files.Corrupt("d/vote", offset, static_cast<uint8_t>(1u << (offset % 8)));
    Result<VoteContents> read = VoteFile::Read(files, "d", kCluster, kNode);
    ASSERT_TRUE(read.ok()) << read.status().message();
    ASSERT_EQ(read.value().hard_state, State(7, 2));
    const bool in_slot = offset % kBlockBytes < kVoteSlotBytes;
    EXPECT_EQ(read.value().note.empty(), !in_slot) << offset;
  }
}

TEST_F(VoteTest, Scenario70DamageToBothCopiesHalts) {
  files.Corrupt("d/vote", 20);
  files.Corrupt("d/vote", kBlockBytes + 20);
  EXPECT_EQ(VoteFile::Read(files, "d", kCluster, kNode).status().code(), StatusCode::kCorrupt);
  files.Corrupt("d/vote", 20);
  EXPECT_TRUE(VoteFile::Read(files, "d", kCluster, kNode).ok());
  files.Corrupt("d/vote", 2 * kBlockBytes + 20);
  EXPECT_TRUE(VoteFile::Read(files, "d", kCluster, kNode).ok());
  files.Corrupt("d/vote", 3 * kBlockBytes + 20);
  EXPECT_EQ(VoteFile::Read(files, "d", kCluster, kNode).status().code(), StatusCode::kCorrupt);
}

TEST_F(VoteTest, AStaleCopyHalts) {
  auto vote = MustOpen(files, &contents);
  const std::string old = files.Contents("d/vote").substr(kBlockBytes, kBlockBytes);
  ASSERT_TRUE(vote->Save(State(6, 1)).ok());
  ASSERT_TRUE(vote->Save(State(7, 2)).ok());
  files.PutAt("d/vote", kBlockBytes, old);
  EXPECT_EQ(VoteFile::Read(files, "d", kCluster, kNode).status().code(), StatusCode::kCorrupt);
}

TEST_F(VoteTest, Scenario20CrashAtEveryStepOfASave) {
  auto first = MustOpen(files, &contents);
  ASSERT_TRUE(first->Save(State(5, 1)).ok());
  first.reset();
  const auto image = files.Save();
  for (uint64_t stop = 1; stop <= 20; ++stop) {
    for (uint64_t seed = 1; seed <= 60; ++seed) {
      files.Restore(*image);
      Rng rng(seed);
      files.StopAtChange(stop);
      VoteContents ignored;
      raft::HardState durable = State(5, 1);
      bool saved = false;
      Result<std::unique_ptr<VoteFile>> vote =
          VoteFile::Open(files, "d", kCluster, kNode, &ignored);
      if (vote.ok()) {
        const Witness unsynced{1, seed, Index(1), Term(1), false, Index(), Term()};
        (void)vote.value()->WriteWitness(unsynced);
        saved = vote.value()->Save(State(6, 2)).ok();
        if (saved) durable = State(6, 2);
        (void)vote.value()->WriteWitness(unsynced);
        (void)vote.value()->WriteWitness(unsynced);
      }
      files.Crash(rng, CrashMode::kRandomSectors);
      const auto found = MustOpen(files, &contents);
      ASSERT_NE(found, nullptr) << "stop " << stop << " seed " << seed;
      EXPECT_TRUE(contents.hard_state == durable || (!saved && contents.hard_state == State(6, 2)));
    }
  }
}

}  // namespace
}  // namespace kvorum::disk
