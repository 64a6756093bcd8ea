// SPDX-License-Identifier: Apache-2.0
//
// Scenarios 68-70, 72-74, 77, 83: damage to what was synced is never taken for a torn write.
#include <gtest/gtest.h>

#include "disk/log_reader.h"
#include "tests/disk/log_model.h"

namespace kvorum::disk {
namespace {

// Three segments, the last of which holds several batches; everything synced.
void FillLog(TestLog& log) {
  ASSERT_TRUE(log.Open().ok());
  ASSERT_TRUE(log.Write({VoteFor(1, 7)}).ok());
  for (uint64_t i = 1; i <= 6; ++i) {
    ASSERT_TRUE(log.Write({SaveOf({MakeEntry(i, 1, std::string(900, 'a'))})}).ok());
  }
  ASSERT_TRUE(log.Write({VoteFor(2, 3), SaveOf({MakeEntry(7, 2, "seven")})}).ok());
  ASSERT_TRUE(log.Write({SaveOf({MakeEntry(8, 2, "eight"), MakeEntry(9, 2, "nine")})}).ok());
  ASSERT_EQ(log.wal->segment_count(), 2u);
}

// Opens and says whether the loss was noticed; if neither that nor a halt, the log must be whole.
testing::AssertionResult NeverSilentlyShorter(TestLog& log, const LogModel& whole,
                                              raft::HardState vote) {
  const Status s = log.Open();
  if (!s.ok()) {
    if (s.code() == StatusCode::kCorrupt && s.message().find("offset") != std::string::npos) {
      return testing::AssertionSuccess();
    }
    return testing::AssertionFailure() << "unexpected error: " << s.message();
  }
  if (log.recovered.hard_state != vote) return testing::AssertionFailure() << "vote forgotten";
  if (log.recovered.shorter_than_witness) {
    // Sticky until somebody says otherwise.
    if (!log.Open().ok() || !log.recovered.shorter_than_witness) {
      return testing::AssertionFailure() << "the debt was forgotten by a restart";
    }
    return testing::AssertionSuccess();
  }
  if (ModelOf(log.recovered) == whole) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "silently ends at " << log.recovered.last_index().value();
}

TEST(Rot, Scenarios68To70EveryByteOfEveryFile) {
  TestLog log;
  ASSERT_NO_FATAL_FAILURE(FillLog(log));
  MemoryFiles probe;
  probe.Restore(*log.files.Save());
  Recovered found;
  ASSERT_TRUE(Wal::Open(probe, kLogDir, log.options, &found).ok());
  const LogModel whole = ModelOf(found);
  ASSERT_EQ(whole.last_index(), 9u);
  const auto image = log.files.Save();
  for (const std::string& path : {log.SegmentPath(1), log.SegmentPath(2), log.VotePath()}) {
    const size_t size = log.files.Contents(path).size();
    for (size_t offset = 0; offset < size; ++offset) {
      // A header has one checksum over a block that is mostly zero: a sample of that is enough.
      if (offset % kBlockBytes > 600 && offset < kBlockBytes && offset % 37 != 0) continue;
      log.files.Restore(*image);
      log.files.Corrupt(path, offset, static_cast<uint8_t>(1u << (offset % 8)));
      ASSERT_TRUE(NeverSilentlyShorter(log, whole, found.hard_state)) << path << " @" << offset;
    }
  }
}

TEST(Rot, Scenario69LastBatchOwesWhatItLostUntilItCaughtUp) {
  TestLog log;
  ASSERT_NO_FATAL_FAILURE(FillLog(log));
  const std::string bytes = log.files.Contents(log.SegmentPath(2));
  log.files.Corrupt(log.SegmentPath(2), bytes.find("nine"));
  ASSERT_TRUE(log.Open().ok());
  EXPECT_TRUE(log.recovered.shorter_than_witness);
  EXPECT_EQ(log.recovered.last_index(), Index(7));
  EXPECT_EQ(log.recovered.witness_index, Index(9));
  EXPECT_EQ(log.recovered.witness_term, Term(2));
  // New batches pass the old number: the debt stays.
  for (uint64_t i = 8; i <= 15; ++i) {
    ASSERT_TRUE(log.Write({SaveOf({MakeEntry(i, 2, "again")})}).ok());
  }
  ASSERT_TRUE(log.Open().ok());
  EXPECT_TRUE(log.recovered.shorter_than_witness);
  EXPECT_EQ(log.recovered.witness_index, Index(9));
  ASSERT_TRUE(log.wal->CaughtUp().ok());
  Rng rng(1);
  log.files.Crash(rng, CrashMode::kDropUnsynced);
  ASSERT_TRUE(log.Open().ok());
  EXPECT_FALSE(log.recovered.shorter_than_witness);
  EXPECT_EQ(log.recovered.last_index(), Index(15));
}

// What only a leader can know: a whole old disk is consistent with itself.
TEST(Rot, Scenario83WhatAnotherSaysIsOwedIsOwedInLaterLives) {
  TestLog log;
  ASSERT_NO_FATAL_FAILURE(FillLog(log));
  ASSERT_TRUE(log.wal->Owes(Index(20)).ok());
  ASSERT_TRUE(log.wal->Owes(Index(15)).ok());  // said late
  Rng rng(1);
  for (int life = 0; life < 2; ++life) {
    log.files.Crash(rng, CrashMode::kDropUnsynced);
    ASSERT_TRUE(log.Open().ok());
    EXPECT_TRUE(log.recovered.shorter_than_witness);
    EXPECT_EQ(log.recovered.witness_index, Index(20));
    EXPECT_EQ(log.recovered.last_index(), Index(9));
  }
  ASSERT_TRUE(log.wal->CaughtUp().ok());
  ASSERT_TRUE(log.Open().ok());
  EXPECT_FALSE(log.recovered.shorter_than_witness);
}

TEST(Rot, Scenario72LogShortenedByAnyLength) {
  TestLog log;
  ASSERT_NO_FATAL_FAILURE(FillLog(log));
  const auto image = log.files.Save();
  for (const uint64_t sequence : {1, 2}) {
    const std::string path = log.SegmentPath(sequence);
    for (uint64_t size = 0; size < 8192; size += 101) {
      log.files.Restore(*image);
      log.files.Resize(path, size);
      const Status s = log.Open();
      const bool noticed =
          s.code() == StatusCode::kCorrupt || (s.ok() && (log.recovered.shorter_than_witness ||
                                                          log.recovered.last_index() == Index(9)));
      ASSERT_TRUE(noticed) << path << " cut to " << size << ": " << s.message();
    }
  }
}

TEST(Rot, Scenario73MisdirectedStaleAndDuplicatedBatchesWithValidChecksums) {
  TestLog log;
  log.options.segment_bytes = 64 * 1024;
  ASSERT_TRUE(log.Open().ok());
  // Equal lengths, so that only the chain and the numbers tell the batches apart.
  for (uint64_t i = 1; i <= 6; ++i) {
    ASSERT_TRUE(log.Write({SaveOf({MakeEntry(i, 1, "same size " + std::to_string(i))})}).ok());
  }
  const auto image = log.files.Save();
  const std::string path = log.SegmentPath(1);
  const std::string bytes = log.files.Contents(path);
  const auto batch = [&](uint64_t i) {
    return bytes.substr(kSegmentHeaderBytes + i * kSectorBytes, kSectorBytes);
  };
  for (uint64_t from = 0; from < 6; ++from) {
    for (uint64_t to = 0; to <= 6; ++to) {
      if (from == to) continue;
      log.files.Restore(*image);
      log.files.PutAt(path, kSegmentHeaderBytes + to * kSectorBytes, batch(from));
      const Status s = log.Open();
      if (to == 6) {
        ASSERT_TRUE(s.ok());
        ASSERT_EQ(log.recovered.last_index(), Index(6)) << "a duplicate behind the end";
      } else {
        ASSERT_TRUE(s.code() == StatusCode::kCorrupt ||
                    (s.ok() && log.recovered.shorter_than_witness))
            << from << " over " << to;
      }
    }
  }
}

TEST(Rot, Scenario74MissingSegmentsHaltAndLeftoversAreCleaned) {
  TestLog log;
  ASSERT_TRUE(log.Open().ok());
  for (uint64_t i = 1; i <= 40; ++i) {
    ASSERT_TRUE(log.Write({SaveOf({MakeEntry(i, 1, std::string(900, 'x'))})}).ok());
  }
  const auto image = log.files.Save();
  const uint64_t segments = log.wal->segment_count();
  const std::string oldest = log.files.Contents(log.SegmentPath(1));
  for (uint64_t missing = 1; missing <= segments; ++missing) {
    log.files.Restore(*image);
    ASSERT_TRUE(log.files.Remove(log.SegmentPath(missing)).ok());
    EXPECT_EQ(log.Open().code(), StatusCode::kCorrupt) << "segment " << missing;
  }
  log.files.Restore(*image);
  ASSERT_TRUE(log.files.Remove(log.VotePath()).ok());
  EXPECT_EQ(log.Open().code(), StatusCode::kCorrupt) << "no vote file";
  log.files.Restore(*image);
  for (uint64_t i = 1; i <= segments; ++i) {
    ASSERT_TRUE(log.files.Remove(log.SegmentPath(i)).ok());
  }
  EXPECT_EQ(log.Open().code(), StatusCode::kCorrupt) << "a vote file without a log";

  // A compacted segment whose unlink was lost, and temporary files.
  log.files.Restore(*image);
  ASSERT_TRUE(log.Open().ok());
  ASSERT_TRUE(log.wal->Compact(MetaAt(38, 1)).ok());
  log.files.Put(log.SegmentPath(1), oldest);
  log.files.Put(JoinPath(kLogDir, "wal-00000000000000ff.tmp"), "half");
  ASSERT_TRUE(log.Open().ok());
  EXPECT_EQ(log.recovered.base, MetaAt(38, 1));
  EXPECT_EQ(log.recovered.last_index(), Index(40));
  EXPECT_FALSE(log.files.Exists(log.SegmentPath(1)).value());
  EXPECT_FALSE(log.files.Exists(JoinPath(kLogDir, "wal-00000000000000ff.tmp")).value());
}

TEST(Rot, Scenario77ReadErrorsAtStartHaltWithAMessageAndChangeNothing) {
  TestLog log;
  ASSERT_NO_FATAL_FAILURE(FillLog(log));
  const auto image = log.files.Save();
  for (uint64_t nth = 1; nth <= 5; ++nth) {
    log.files.Restore(*image);
    log.files.FailNth(Operation::kRead, nth, FaultKind::kIoError);
    const uint64_t before = log.files.changes();
    const Status s = log.Open();
    EXPECT_EQ(s.code(), StatusCode::kIo);
    EXPECT_FALSE(s.message().empty());
    EXPECT_EQ(log.files.changes(), before);
    log.files.ClearFaults();
    EXPECT_TRUE(log.Open().ok());
    log.files.Restore(*image);
    log.files.FailNth(Operation::kRead, nth, FaultKind::kShortRead, true);
    EXPECT_TRUE(log.Open().ok()) << "short reads are continued";
    EXPECT_EQ(log.recovered.last_index(), Index(9));
    log.files.ClearFaults();
  }
}

TEST(Rot, Scenario83AVoteFileFromAnOldImageIsRecognisedByTheLog) {
  TestLog log;
  ASSERT_TRUE(log.Open().ok());
  ASSERT_TRUE(log.Write({VoteFor(1, 7), SaveOf({MakeEntry(1, 1, "x")})}).ok());
  const std::string old_vote = log.files.Contents(log.VotePath());
  ASSERT_TRUE(log.Write({VoteFor(2, 3)}).ok());
  ASSERT_TRUE(log.Write({SaveOf({MakeEntry(2, 2, "y")})}).ok());
  log.files.Put(log.VotePath(), old_vote);
  const Status s = log.Open();
  EXPECT_EQ(s.code(), StatusCode::kCorrupt);
  EXPECT_NE(s.message().find("vote has been lost"), std::string::npos) << s.message();
}

// Somebody has removed the log and its vote file, but not the spares, which hold a segment 1.
TEST(Rot, SparesOfALogThatWasRemovedAreNotUsed) {
  const raft::Save first = SaveOf({MakeEntry(1, 1, "the same")});
  TestLog old;
  ASSERT_TRUE(old.Open().ok());
  ASSERT_TRUE(old.Write({first}).ok());
  ASSERT_TRUE(old.Write({SaveOf({MakeEntry(2, 1, "of the old log")})}).ok());
  TestLog log;
  ASSERT_TRUE(log.files.MakeDir(kLogDir).ok());
  log.files.Put(JoinPath(kLogDir, SpareName(0)), old.files.Contents(old.SegmentPath(1)));
  ASSERT_TRUE(log.Open().ok());
  ASSERT_TRUE(log.Write({first}).ok());
  const Status again = log.Open();
  ASSERT_TRUE(again.ok()) << again.message();
  EXPECT_EQ(log.recovered.entries.size(), 1U) << "what nobody has written to this log";
}

TEST(Rot, ALostWriteInsideTheLogIsNoticed) {
  TestLog log;
  log.options.segment_bytes = 64 * 1024;
  ASSERT_TRUE(log.Open().ok());
  ASSERT_TRUE(log.Write({SaveOf({MakeEntry(1, 1, "one")})}).ok());
  log.files.FailNth(Operation::kWrite, 1, FaultKind::kLost);
  ASSERT_TRUE(log.Write({SaveOf({MakeEntry(2, 1, "two")})}).ok());
  ASSERT_TRUE(log.Write({SaveOf({MakeEntry(3, 1, "three")})}).ok());
  Rng rng(1);
  log.files.Crash(rng, CrashMode::kDropUnsynced);
  EXPECT_EQ(log.Open().code(), StatusCode::kCorrupt);
}

// Records that verify and make no sense: written by a broken or hostile program, never by a crash.
TEST(Rot, NonsenseWithValidChecksumsIsCorruption) {
  TestLog log;
  ASSERT_TRUE(log.Open().ok());
  raft::Save start;
  start.reset_to = MetaAt(10, 3);
  start.entries = {MakeEntry(11, 3, "a"), MakeEntry(12, 4, "b")};
  ASSERT_TRUE(log.Write({VoteFor(4, 0), start}).ok());
  const auto image = log.files.Save();
  const std::string bytes = log.files.Contents(log.SegmentPath(1));
  SegmentHeader header;
  ASSERT_TRUE(DecodeHeader(bytes, &header));
  BatchReader reader(bytes, header);
  std::vector<Record> records;
  ASSERT_TRUE(reader.NextBatch(records));

  // Opens the log with one more batch that holds what `add` puts there.
  const auto open_with = [&](auto add, uint64_t batch, uint64_t offset) {
    log.files.Restore(*image);
    BatchBuilder builder;
    builder.Begin(reader.chain());
    add(builder);
    builder.Finish(kTestCluster, {1, offset, batch, 1, 1, 0});
    std::string made;
    for (const std::string_view piece : builder.pieces()) made += piece;
    log.files.PutAt(log.SegmentPath(1), reader.offset(), made);
    return log.Open();
  };
  const auto entry = [](uint64_t index, uint64_t term, uint32_t group = 0) {
    return [=](BatchBuilder& b) { b.AddEntry(GroupId(group), MakeEntry(index, term, "x")); };
  };
  const auto base = [](uint64_t index, uint64_t term, bool reset) {
    return [=](BatchBuilder& b) { b.AddBase(GroupId(), MetaAt(index, term), reset); };
  };
  const uint64_t here = reader.offset();
  ASSERT_TRUE(open_with(entry(13, 4), 2, here).ok()) << "the good one";
  EXPECT_EQ(log.recovered.last_index(), Index(13));
  EXPECT_EQ(open_with(entry(14, 4), 2, here).code(), StatusCode::kCorrupt) << "a gap";
  EXPECT_EQ(open_with(entry(10, 4), 2, here).code(), StatusCode::kCorrupt) << "below the base";
  EXPECT_EQ(open_with(entry(13, 3), 2, here).code(), StatusCode::kCorrupt) << "the term falls";
  EXPECT_EQ(open_with(base(9, 3, false), 2, here).code(), StatusCode::kCorrupt);
  EXPECT_EQ(open_with(base(9, 3, true), 2, here).code(), StatusCode::kCorrupt);
  EXPECT_EQ(open_with(base(13, 4, false), 2, here).code(), StatusCode::kCorrupt);
  EXPECT_EQ(open_with(base(12, 3, false), 2, here).code(), StatusCode::kCorrupt) << "another term";
  EXPECT_EQ(open_with(entry(0, 4), 2, here).code(), StatusCode::kCorrupt);
  EXPECT_EQ(open_with(entry(UINT64_MAX, 4), 2, here).code(), StatusCode::kCorrupt);
  EXPECT_EQ(open_with(entry(13, 0), 2, here).code(), StatusCode::kCorrupt);
  EXPECT_EQ(open_with(entry(13, UINT64_MAX), 2, here).code(), StatusCode::kCorrupt);
  EXPECT_EQ(open_with(entry(13, 4, 9), 2, here).code(), StatusCode::kCorrupt) << "another group";
  EXPECT_EQ(open_with(entry(13, 4), 3, here).code(), StatusCode::kCorrupt) << "skips a number";
  EXPECT_EQ(open_with(entry(13, 4), 2, here + kSectorBytes).code(), StatusCode::kCorrupt);
}

TEST(Rot, AHeaderThatContradictsItselfIsDamaged) {
  SegmentHeader header;
  header.sequence = 1;
  header.base = MetaAt(5, 3);
  header.last_index = Index(5);
  header.last_term = Term(3);
  SegmentHeader read;
  EXPECT_TRUE(DecodeHeader(EncodeHeader(header), &read));
  header.last_term = Term(4);
  EXPECT_FALSE(DecodeHeader(EncodeHeader(header), &read)) << "ends at its base in another term";
  header.last_index = Index(6);
  EXPECT_TRUE(DecodeHeader(EncodeHeader(header), &read));
  header.last_term = Term(2);
  EXPECT_FALSE(DecodeHeader(EncodeHeader(header), &read)) << "the term falls";
  header.last_index = Index(4);
  EXPECT_FALSE(DecodeHeader(EncodeHeader(header), &read)) << "ends before its base";
}

// The oldest segment begins behind its base: the terms of what is between are only bounded.
TEST(Rot, ABaseWhoseTermIsNotKnownFitsBetweenItsNeighbors) {
  const auto replay = [](uint64_t index, uint64_t term) {
    SegmentHeader oldest;
    oldest.base = MetaAt(4, 2);
    oldest.last_index = Index(6);
    oldest.last_term = Term(3);
    LogReplay log;
    log.Start(oldest, Index());
    Record entry;
    entry.type = RecordType::kEntry;
    entry.index = Index(7);
    entry.term = Term(4);
    EXPECT_EQ(log.Apply(entry, 0), nullptr);
    Record base;
    base.type = RecordType::kBase;
    base.base = MetaAt(index, term);
    const char* wrong = log.Apply(base, 0);
    return std::string(wrong == nullptr ? "" : wrong);
  };
  const std::string unfit = "a base whose term does not fit between its neighbors";
  EXPECT_EQ(replay(5, 1), unfit) << "below the base before it";
  EXPECT_EQ(replay(5, 2), "");
  EXPECT_EQ(replay(5, 4), "");
  EXPECT_EQ(replay(5, 5), unfit) << "above the first entry that is known";
  EXPECT_EQ(replay(7, 3), "a base of another term");
  EXPECT_EQ(replay(7, 4), "");
}

// Random bytes over the log: any answer is fine except a crash of the process or an invented entry.
TEST(Rot, FuzzedRecoveryNeverInventsEntries) {
  TestLog log;
  ASSERT_NO_FATAL_FAILURE(FillLog(log));
  const auto image = log.files.Save();
  Recovered whole;
  MemoryFiles probe;
  probe.Restore(*image);
  ASSERT_TRUE(Wal::Open(probe, kLogDir, log.options, &whole).ok());
  for (uint64_t seed = 1; seed <= 1500; ++seed) {
    Rng rng(seed);
    log.files.Restore(*image);
    for (uint64_t n = 1 + rng.Below(4); n > 0; --n) {
      const std::string path = rng.OneIn(1, 5) ? log.VotePath() : log.SegmentPath(1 + rng.Below(2));
      const uint64_t size = log.files.Contents(path).size();
      std::string noise(1 + rng.Below(64), '\0');
      for (char& c : noise) c = rng.OneIn(1, 3) ? '\0' : static_cast<char>(rng.Next());
      const uint64_t at = rng.OneIn(1, 2) ? rng.Below(size) : kBlockBytes + rng.Below(2048);
      if (at + noise.size() <= size) log.files.PutAt(path, at, noise);
      if (rng.OneIn(1, 8)) log.files.Resize(path, rng.Below(size + 100));
    }
    if (!log.Open().ok()) continue;
    for (const raft::Entry& entry : log.recovered.entries) {
      const auto& all = whole.entries;
      ASSERT_NE(std::find(all.begin(), all.end(), entry), all.end()) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace kvorum::disk
