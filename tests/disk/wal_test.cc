// SPDX-License-Identifier: Apache-2.0
#include "disk/wal.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/coding.h"
#include "base/crc32c.h"
#include "disk/segment.h"
#include "tests/disk/log_model.h"

namespace kvorum::disk {
namespace {

TEST(Wal, FirstStartIsEmptyAndSecondFindsWhatWasSynced) {
  TestLog log;
  ASSERT_TRUE(log.Open().ok());
  EXPECT_TRUE(log.recovered.fresh);
  EXPECT_TRUE(log.recovered.entries.empty());
  raft::Save save = VoteFor(2, 7);
  save.entries = {MakeEntry(1, 1, ""), MakeEntry(2, 2, "two"), MakeEntry(3, 2, "three")};
  ASSERT_TRUE(log.Write({save}).ok());
  EXPECT_EQ(log.wal->stats().appended_entries.Get(), 3u);

  ASSERT_TRUE(log.Open().ok());
  EXPECT_FALSE(log.recovered.fresh);
  EXPECT_EQ(log.recovered.entries, save.entries);
  EXPECT_EQ(log.recovered.hard_state, *save.hard_state);
  EXPECT_EQ(log.recovered.last_batch, 1u);
  EXPECT_EQ(log.recovered.note, "");
}

TEST(Wal, AnEntryAtOrBelowTheLastTruncatesTheSuffix) {
  TestLog log;
  ASSERT_TRUE(log.Open().ok());
  ASSERT_TRUE(
      log.Write({SaveOf({MakeEntry(1, 1, "a"), MakeEntry(2, 1, "b"), MakeEntry(3, 1, "c")})}).ok());
  ASSERT_TRUE(log.Write({SaveOf({MakeEntry(2, 2, "B")})}).ok());
  EXPECT_EQ(log.wal->last_index(), Index(2));
  ASSERT_TRUE(log.Open().ok());
  ASSERT_EQ(log.recovered.entries.size(), 2u);
  EXPECT_EQ(log.recovered.entries[1], MakeEntry(2, 2, "B"));
}

TEST(Wal, SegmentsRollAndAreRecycledByCompaction) {
  TestLog log;
  ASSERT_TRUE(log.Open().ok());
  for (uint64_t i = 1; i <= 40; ++i) {
    ASSERT_TRUE(log.Write({SaveOf({MakeEntry(i, 1, std::string(900, 'x'))})}).ok());
  }
  const size_t before = log.wal->segment_count();
  EXPECT_GT(before, 5u);
  ASSERT_TRUE(log.wal->Compact(MetaAt(35, 1)).ok());
  EXPECT_LT(log.wal->segment_count(), 4u);
  EXPECT_EQ(log.wal->base(), MetaAt(35, 1));
  // Recycled ones are taken up again, and their old bytes are never read as new.
  for (uint64_t i = 41; i <= 60; ++i) {
    ASSERT_TRUE(log.Write({SaveOf({MakeEntry(i, 1, std::string(900, 'x'))})}).ok());
    MemoryFiles copy;
    copy.Restore(*log.files.Save());
    Recovered found;
    ASSERT_TRUE(Wal::Open(copy, kLogDir, log.options, &found).ok());
    ASSERT_EQ(found.last_index(), Index(i));
    ASSERT_EQ(found.base, MetaAt(35, 1));
  }
  EXPECT_GE(log.wal->stats().segments_recycled.Get(), 2u);
  ASSERT_TRUE(log.wal->Compact(MetaAt(10, 1)).ok()) << "a base behind the present one is ignored";
  EXPECT_EQ(log.wal->base(), MetaAt(35, 1));
}

TEST(Wal, Scenario54ResetDropsTheOldLog) {
  TestLog log;
  ASSERT_TRUE(log.Open().ok());
  ASSERT_TRUE(log.Write({SaveOf({MakeEntry(1, 1, "a"), MakeEntry(2, 1, "b")})}).ok());
  raft::Save install;
  install.reset_to = MetaAt(100, 5);
  install.entries = {MakeEntry(101, 5, "after")};
  ASSERT_TRUE(log.Write({VoteFor(5, 0), install}).ok());
  ASSERT_TRUE(log.Open().ok());
  EXPECT_EQ(log.recovered.base, MetaAt(100, 5));
  EXPECT_EQ(log.recovered.entries, install.entries);
}

TEST(Wal, Scenario55TermAndVoteSurviveCompactionAndRestarts) {
  TestLog log;
  ASSERT_TRUE(log.Open().ok());
  ASSERT_TRUE(log.Write({VoteFor(9, 3)}).ok());
  for (uint64_t i = 1; i <= 30; ++i) {
    ASSERT_TRUE(log.Write({SaveOf({MakeEntry(i, 8, std::string(800, 'y'))})}).ok());
  }
  ASSERT_TRUE(log.wal->Compact(MetaAt(30, 8)).ok());
  for (int restart = 0; restart < 4; ++restart) {
    ASSERT_TRUE(log.Open().ok());
    EXPECT_EQ(log.recovered.hard_state, (raft::HardState{Term(9), NodeId(3)}));
    EXPECT_EQ(log.recovered.base, MetaAt(30, 8));
    EXPECT_TRUE(log.recovered.entries.empty());
  }
}

TEST(Wal, TermOfTheLastEntryRaisesTheHardStateAndClearsTheVote) {
  TestLog log;
  ASSERT_TRUE(log.Open().ok());
  ASSERT_TRUE(log.Write({VoteFor(2, 3), SaveOf({MakeEntry(1, 4, "x")})}).ok());
  ASSERT_TRUE(log.Open().ok());
  EXPECT_EQ(log.recovered.hard_state, (raft::HardState{Term(4), NodeId()}));
}

TEST(Wal, ABatchLargerThanASegmentGetsItsOwn) {
  TestLog log;
  log.options.segment_bytes = 64 * 1024;
  ASSERT_TRUE(log.Open().ok());
  ASSERT_TRUE(log.Write({SaveOf({MakeEntry(1, 1, "small")})}).ok());
  std::string large(3 << 20, 'L');
  for (size_t i = 0; i < large.size(); i += 97) large[i] = static_cast<char>(i);
  ASSERT_TRUE(log.Write({SaveOf({MakeEntry(2, 1, large)})}).ok());
  ASSERT_TRUE(log.Write({SaveOf({MakeEntry(3, 1, "small again")})}).ok());
  EXPECT_EQ(log.wal->segment_count(), 3u);
  ASSERT_TRUE(log.Open().ok());
  ASSERT_EQ(log.recovered.entries.size(), 3u);
  EXPECT_EQ(log.recovered.entries[1].payload.view(), large);
}

TEST(Wal, AnUnsyncedLargeBatchIsCarriedOverByRecovery) {
  TestLog log;
  ASSERT_TRUE(log.Open().ok());
  const std::string large(100000, 'U');
  ASSERT_TRUE(log.wal->Append(std::vector{SaveOf({MakeEntry(1, 1, large)})}).ok());
  Rng rng(1);
  log.files.Crash(rng, CrashMode::kProcess);
  ASSERT_TRUE(log.Open().ok());
  ASSERT_EQ(log.recovered.entries.size(), 1u);
  log.files.Crash(rng, CrashMode::kDropUnsynced);
  ASSERT_TRUE(log.Open().ok());
  ASSERT_EQ(log.recovered.entries.size(), 1u);
  EXPECT_EQ(log.recovered.entries[0].payload.view(), large);
}

TEST(Wal, OneAppendIsOneWriteAndOneSyncIsOneSync) {
  TestLog log;
  log.options.segment_bytes = 1 << 20;
  ASSERT_TRUE(log.Open().ok());
  const uint64_t before = log.files.changes();
  std::vector<raft::Save> saves;
  for (uint64_t i = 1; i <= 50; ++i) saves.push_back(SaveOf({MakeEntry(i, 1, "value")}));
  ASSERT_TRUE(log.wal->Append(saves).ok());
  EXPECT_EQ(log.files.changes() - before, 1u);
  ASSERT_TRUE(log.wal->Sync().ok());
  EXPECT_EQ(log.files.changes() - before, 3u) << "write, sync, witness";
  ASSERT_TRUE(log.wal->Sync().ok());
  EXPECT_EQ(log.files.changes() - before, 3u) << "nothing to sync";
}

TEST(Wal, RestartsWithoutWritesDoNotPileUpDisk) {
  TestLog log;
  ASSERT_TRUE(log.Open().ok());
  ASSERT_TRUE(log.Write({SaveOf({MakeEntry(1, 1, "x")})}).ok());
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(log.Open().ok());
  // Closed empty segments are cut down to their header, and go with the next compaction.
  EXPECT_LE(log.files.UsedBytes(),
            12 * kSegmentHeaderBytes + 2 * log.options.segment_bytes + kVoteFileBytes);
  ASSERT_TRUE(log.wal->Compact(MetaAt(1, 1)).ok());
  EXPECT_EQ(log.wal->segment_count(), 1u);
}

TEST(Wal, WhatALogGivesUpIsKeptForWhatItWillWant) {
  TestLog log;
  ASSERT_TRUE(log.Open().ok());
  const auto tend = [&] {
    while (log.wal->TendSpares().value()) {
    }
  };
  const auto spares = [&] {
    const std::vector<std::string> names = log.files.List(kLogDir).value();
    return std::ranges::count_if(names, [](auto& name) { return name.starts_with("spare-"); });
  };
  uint64_t index = 0;
  uint64_t made = 0;  // written with zeroes, or only allocated
  const auto cycle = [&](int entries) {
    made = log.wal->stats().segments_created.Get() + log.wal->stats().segments_allocated.Get();
    for (int i = 0; i < entries; ++i) {
      ASSERT_TRUE(log.Write({SaveOf({MakeEntry(++index, 1, std::string(900, 'x'))})}).ok());
      tend();
    }
    made =
        log.wal->stats().segments_created.Get() + log.wal->stats().segments_allocated.Get() - made;
    ASSERT_TRUE(log.wal->Compact(MetaAt(index, 1)).ok());
  };
  cycle(40);
  EXPECT_GT(made, 10u);
  cycle(40);
  const auto kept = spares();
  for (int i = 0; i < 2; ++i) {
    cycle(40);
    EXPECT_EQ(made, 0u);
    EXPECT_EQ(spares(), kept);
  }
  // A start does not lose them.
  ASSERT_TRUE(log.Open().ok());
  cycle(40);
  EXPECT_EQ(made, 0u);
  // Who writes less gets the room back, a file an idle moment.
  cycle(10);
  EXPECT_GE(spares(), kept - 1);
  const auto before = spares();
  ASSERT_TRUE(log.wal->TendSpares().value());
  EXPECT_EQ(spares(), before - 1);
  tend();
  EXPECT_LT(spares(), kept / 2);
}

// It was written with zeroes once, while somebody waited: a megabyte of log cost two.
TEST(Wal, ASegmentThatNobodyMadeAheadIsAllocatedAndNotWritten) {
  TestLog log;
  ASSERT_TRUE(log.Open().ok());
  uint64_t index = 0;
  while (log.wal->segment_count() < 3) {
    ASSERT_TRUE(log.Write({SaveOf({MakeEntry(++index, 1, std::string(900, 'x'))})}).ok());
  }
  EXPECT_EQ(log.wal->stats().segments_created.Get(), 1u) << "by the start, which has the time";
  EXPECT_EQ(log.wal->stats().segments_allocated.Get(), 2u);
  // All its room is there from the beginning, and empty.
  const std::string bytes = log.files.Contents(log.SegmentPath(3));
  EXPECT_EQ(bytes.size(), log.options.segment_bytes);
  EXPECT_EQ(bytes.back(), '\0');
  // Where there is no room, the log says so.
  log.files.SetCapacity(log.files.UsedBytes() + log.options.segment_bytes / 2);
  Status status = Status::Ok();
  while (status.ok()) {
    status = log.Write({SaveOf({MakeEntry(++index, 1, std::string(900, 'x'))})});
  }
  EXPECT_EQ(status.code(), StatusCode::kNoSpace);
}

TEST(Wal, SparesAreMadeAheadAndAFullDiskIsNoErrorThere) {
  TestLog log;
  ASSERT_TRUE(log.Open().ok());
  EXPECT_TRUE(log.wal->TendSpares().value());
  log.files.SetCapacity(log.files.UsedBytes() + 10);
  EXPECT_FALSE(log.wal->TendSpares().value());
  log.files.SetCapacity(UINT64_MAX);
  EXPECT_TRUE(log.wal->TendSpares().value());
  EXPECT_FALSE(log.wal->TendSpares().value()) << "enough";
  for (uint64_t i = 1; i <= 10; ++i) {
    ASSERT_TRUE(log.Write({SaveOf({MakeEntry(i, 1, std::string(1500, 'x'))})}).ok());
  }
  EXPECT_EQ(log.wal->stats().segments_recycled.Get(), 3u) << "and one by the start";
  ASSERT_TRUE(log.Open().ok());
  EXPECT_EQ(log.recovered.entries.size(), 10u);
}

TEST(Wal, AHalfWrittenSpareIsNoSpare) {
  const auto spares = [](TestLog& log) {
    uint64_t bytes = 0;
    const std::vector<std::string> names = log.files.List(kLogDir).value();
    for (const std::string& name : names) {
      if (name.starts_with("spare-")) bytes += log.files.Contents(JoinPath(kLogDir, name)).size();
    }
    return bytes;
  };
  TestLog log;
  log.options.segment_bytes = 3 * kZeroPieceBytes;
  ASSERT_TRUE(log.Open().ok());
  // The disk is full when a piece is still missing: its room is given back.
  ASSERT_TRUE(log.wal->TendSpares().value());
  ASSERT_TRUE(log.wal->TendSpares().value());
  EXPECT_EQ(spares(log), 2 * kZeroPieceBytes);
  log.files.SetCapacity(log.files.UsedBytes() + 10);
  EXPECT_FALSE(log.wal->TendSpares().value());
  EXPECT_EQ(spares(log), 0u);
  log.files.SetCapacity(UINT64_MAX);
  // The process dies before the last piece: the next one does not take it for a spare.
  ASSERT_TRUE(log.wal->TendSpares().value());
  log.options.spare_segments = 0;
  ASSERT_TRUE(log.Open().ok());
  EXPECT_EQ(spares(log), 0u);
  EXPECT_EQ(log.wal->stats().segments_recycled.Get(), 0u);
  ASSERT_TRUE(log.Write({SaveOf({MakeEntry(1, 1, "x")})}).ok());
  ASSERT_TRUE(log.Open().ok());
  EXPECT_EQ(log.recovered.entries.size(), 1u);
}

TEST(Wal, AnotherNodesLogIsRefused) {
  TestLog log;
  ASSERT_TRUE(log.Open().ok());
  ASSERT_TRUE(log.Write({SaveOf({MakeEntry(1, 1, "x")})}).ok());
  for (int field = 0; field < 3; ++field) {
    log.options = TestOptions();
    if (field == 0) log.options.node = NodeId(8);
    if (field == 1) log.options.cluster_id = 1;
    if (field == 2) log.options.group = GroupId(1);
    EXPECT_EQ(log.Open().code(), StatusCode::kInvalid);
  }
  log.options = TestOptions();
  EXPECT_TRUE(log.Open().ok());
}

// FNV-1a. Not a CRC: over bytes that end in their own CRC, that is the same for any bytes.
uint64_t Fingerprint(std::string_view bytes) {
  uint64_t hash = 0xCBF29CE484222325;
  for (const char c : bytes) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001B3;
  return hash;
}

// Persisted numbers are append-only: these bytes must still be read by every later release.
TEST(Wal, GoldenFormat) {
  TestLog log;
  ASSERT_TRUE(log.Open().ok());
  raft::Save save = VoteFor(3, 2);
  save.reset_to = MetaAt(10, 2);
  save.entries = {MakeEntry(11, 3, "golden"), MakeEntry(12, 3, "")};
  ASSERT_TRUE(log.Write({save}).ok());
  const std::string segment = log.files.Contents(log.SegmentPath(1));
  const std::string vote = log.files.Contents(log.VotePath());
  EXPECT_EQ(Fingerprint(segment.substr(0, kSegmentHeaderBytes)), 15926125748818073674u);
  EXPECT_EQ(Fingerprint(segment.substr(kSegmentHeaderBytes, 512)), 4748783393791515646u);
  EXPECT_EQ(Fingerprint(vote), 5152440927631209570u);
}

// Version 1 had lists of voters only; its files are read.
TEST(Wal, AHeaderOfVersionOneIsRead) {
  SegmentHeader header{.sequence = 3, .cluster_id = 7, .node = NodeId(1), .base = MetaAt(10, 2)};
  header.last_index = Index(10);
  header.last_term = Term(2);
  std::string block = EncodeHeader(header);
  PatchU32(block, 8, 1);
  PatchU32(block, block.size() - 4, Crc32c(0, std::string_view(block).substr(0, block.size() - 4)));
  SegmentHeader read;
  ASSERT_TRUE(DecodeHeader(block, &read));
  EXPECT_EQ(read, header);
  PatchU32(block, 8, kSegmentVersion + 1);
  PatchU32(block, block.size() - 4, Crc32c(0, std::string_view(block).substr(0, block.size() - 4)));
  EXPECT_FALSE(DecodeHeader(block, &read));
}

// 4.1: what is in force is in the log, so it must come back from there, or nothing.
TEST(Wal, ConfigurationsComeBackAndNonsenseIsRefused) {
  TestLog log;
  ASSERT_TRUE(log.Open().ok());
  std::string bytes;
  raft::EncodeConfiguration(MetaAt(1, 1).configuration, bytes);
  raft::Save save = VoteFor(3, 2);
  save.entries = {{Term(3), Index(1), raft::EntryType::kConfig, Payload(bytes)}};
  ASSERT_TRUE(log.Write({save}).ok());
  ASSERT_TRUE(log.Open().ok());
  ASSERT_EQ(log.recovered.entries.size(), 1u);
  EXPECT_EQ(raft::DecodeConfiguration(log.recovered.entries[0].payload.view()),
            MetaAt(1, 1).configuration);
  save.entries = {{Term(3), Index(2), raft::EntryType::kConfig, Payload("nonsense")}};
  ASSERT_TRUE(log.Write({save}).ok());
  EXPECT_FALSE(log.Open().ok());
}

}  // namespace
}  // namespace kvorum::disk
