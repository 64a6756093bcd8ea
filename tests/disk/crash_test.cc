// SPDX-License-Identifier: Apache-2.0
//
// Scenarios 20, 53, 55, 65-67, 75, 76, 78, 82: a workload is stopped at each single change it makes
// to the disk, the disk loses what it likes, and recovery must find exactly a state that the log
// went through after its last successful sync.
#include <gtest/gtest.h>

#include <sstream>

#include "tests/disk/log_model.h"

namespace kvorum::disk {
namespace {

// What may be found after a crash: the state of the last successful sync or any later one.
class Workload {
 public:
  explicit Workload(uint64_t seed) : rng_(seed) { candidates_.push_back({}); }

  void StartFrom(const Recovered& recovered) {
    candidates_ = {ModelOf(recovered)};
    votes_ = {recovered.hard_state};
    term_ = std::max(recovered.hard_state.term.value(), candidates_.back().last_term());
  }

  // Runs `steps` steps or until the log fails.
  Status Run(Wal& wal, int steps) {
    for (int i = 0; i < steps; ++i) {
      if (Status s = Step(wal); !s.ok()) return s;
    }
    return Status::Ok();
  }

  [[nodiscard]] testing::AssertionResult Allows(const Recovered& recovered) const {
    if (recovered.shorter_than_witness) return testing::AssertionFailure() << recovered.note;
    const LogModel found = ModelOf(recovered);
    if (std::find(candidates_.begin(), candidates_.end(), found) == candidates_.end()) {
      return testing::AssertionFailure()
             << "log " << found.base.index.value() << ".." << found.last_index() << " is none of "
             << candidates_.size() << ", the first of which is "
             << candidates_.front().base.index.value() << ".." << candidates_.front().last_index();
    }
    for (raft::HardState vote : votes_) {
      if (vote.term.value() < found.last_term()) vote = {Term(found.last_term()), NodeId()};
      if (vote == recovered.hard_state) return testing::AssertionSuccess();
    }
    return testing::AssertionFailure()
           << "vote of term " << recovered.hard_state.term.value() << " was never saved";
  }

 private:
  Status Step(Wal& wal) {
    const uint64_t dice = rng_.Below(10);
    if (dice < 6) return AppendSome(wal);
    if (dice < 9 || candidates_.back().entries.empty()) return SyncAll(wal);
    // Compaction up to somewhere in the middle of the log.
    const LogModel& now = candidates_.back();
    const uint64_t index = now.base.index.value() + 1 + rng_.Below(now.entries.size());
    LogModel next = now;
    next.Compact(MetaAt(index, now.TermAt(index)));
    candidates_.push_back(next);
    if (Status s = wal.Compact(next.base); !s.ok()) return s;
    Synced();
    return Status::Ok();
  }

  Status AppendSome(Wal& wal) {
    std::vector<raft::Save> saves;
    LogModel next = candidates_.back();
    for (uint64_t n = 1 + rng_.Below(2); n > 0; --n) {
      saves.push_back(MakeSave(next));
      next.Apply(saves.back());
      if (saves.back().hard_state.has_value()) votes_.push_back(*saves.back().hard_state);
    }
    candidates_.push_back(next);
    return wal.Append(saves);
  }

  raft::Save MakeSave(const LogModel& now) {
    raft::Save save;
    if (rng_.OneIn(1, 4)) save.hard_state = {Term(++term_), NodeId(rng_.Below(4))};
    if (term_ == 0) save.hard_state = {Term(++term_), NodeId(1)};
    uint64_t next = now.last_index() + 1;
    if (rng_.OneIn(1, 20)) {
      next = now.last_index() + 1 + rng_.Below(5);
      save.reset_to = MetaAt(next, term_);
      ++next;
    } else if (save.hard_state.has_value() && !now.entries.empty() && rng_.OneIn(1, 2)) {
      next -= rng_.Below(std::min<uint64_t>(now.entries.size(), 4)) + 1;  // truncates
    }
    for (uint64_t n = rng_.Below(4); n > 0; --n) {
      const uint64_t size = rng_.OneIn(1, 25) ? 9000 : rng_.Below(1600);
      save.entries.push_back(
          MakeEntry(next++, term_, std::string(size, static_cast<char>('a' + rng_.Below(26)))));
    }
    return save;
  }

  Status SyncAll(Wal& wal) {
    if (Status s = wal.Sync(); !s.ok()) return s;
    Synced();
    return Status::Ok();
  }
  void Synced() {
    candidates_.erase(candidates_.begin(), candidates_.end() - 1);
    if (!votes_.empty()) votes_.erase(votes_.begin(), votes_.end() - 1);
  }

  Rng rng_;
  uint64_t term_ = 0;
  std::vector<LogModel> candidates_;
  std::vector<raft::HardState> votes_{{}};
};

constexpr CrashMode kModes[] = {CrashMode::kProcess,       CrashMode::kDropUnsynced,
                                CrashMode::kKeepUnsynced,  CrashMode::kRandomSectors,
                                CrashMode::kRandomSectors, CrashMode::kRandomSectors};

// A clean run, to know how many changes there are to stop at.
uint64_t ChangesOf(uint64_t seed, int steps) {
  TestLog log;
  EXPECT_TRUE(log.Open().ok());
  Workload workload(seed);
  EXPECT_TRUE(workload.Run(*log.wal, steps).ok());
  return log.files.changes();
}

void CrashAndCheck(uint64_t seed, int steps, uint64_t stop, uint64_t crash_seed, CrashMode mode) {
  std::ostringstream trace;
  trace << "seed " << seed << " stop " << stop << " crash seed " << crash_seed << " mode "
        << static_cast<int>(mode);
  SCOPED_TRACE(trace.str());
  TestLog log;
  log.files.StopAtChange(stop);
  Workload workload(seed);
  if (log.Open().ok()) (void)workload.Run(*log.wal, steps);
  Rng rng(crash_seed * 1000 + stop);
  log.wal.reset();
  log.files.Crash(rng, mode);

  // Recovery may be interrupted too, and again.
  for (int again = 0; again < 2 && crash_seed % 2 == 0; ++again) {
    log.files.StopAtChange(1 + rng.Below(25));
    const Status s = log.Open();
    log.wal.reset();
    ASSERT_TRUE(s.ok() || s.code() == StatusCode::kIo) << s.message();
    log.files.Crash(rng, mode);
  }
  const Status opened = log.Open();
  ASSERT_TRUE(opened.ok()) << opened.message();
  ASSERT_TRUE(workload.Allows(log.recovered)) << log.recovered.note;

  // And life goes on: the log that was found is continued, and found again.
  Workload more(seed + 1);
  more.StartFrom(log.recovered);
  ASSERT_TRUE(more.Run(*log.wal, 10).ok());
  ASSERT_TRUE(log.wal->Sync().ok());
  ASSERT_TRUE(more.Run(*log.wal, 3).ok());
  log.files.Crash(rng, mode);
  const Status reopened = log.Open();
  ASSERT_TRUE(reopened.ok()) << reopened.message();
  ASSERT_TRUE(more.Allows(log.recovered)) << log.recovered.note;
}

TEST(Crash, Scenarios65To67StoppedAtEveryChange) {
  constexpr int kSteps = 40;
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    const uint64_t changes = ChangesOf(seed, kSteps);
    ASSERT_GT(changes, 60u);
    for (uint64_t stop = 1; stop <= changes + 1; ++stop) {
      uint64_t crash_seed = 0;
      for (const CrashMode mode : kModes) {
        CrashAndCheck(seed, kSteps, stop, ++crash_seed, mode);
        if (testing::Test::HasFatalFailure()) return;
      }
    }
  }
}

TEST(Crash, Scenario67ManySeedsOfRandomSectors) {
  for (uint64_t seed = 100; seed < 500; ++seed) {
    Rng rng(seed);
    CrashAndCheck(seed, 60, 20 + rng.Below(200), seed, CrashMode::kRandomSectors);
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(Crash, Scenario75FailedSyncThatThenSucceedsIsNeverBelieved) {
  for (uint64_t nth = 1; nth <= 8; ++nth) {
    for (const FaultKind kind : {FaultKind::kErrorPagesClean, FaultKind::kIoError}) {
      TestLog log;
      ASSERT_TRUE(log.Open().ok());
      Workload workload(nth);
      ASSERT_TRUE(workload.Run(*log.wal, 10).ok());
      log.files.FailNth(Operation::kSync, nth, kind);
      const Status failed = workload.Run(*log.wal, 200);
      ASSERT_EQ(failed.code(), StatusCode::kIo);
      // Sticky: a later sync would succeed, and must not be asked.
      EXPECT_EQ(log.wal->Sync().message(), failed.message());
      EXPECT_EQ(log.wal->Append({}).message(), failed.message());
      EXPECT_EQ(log.wal->Compact(MetaAt(1, 1)).message(), failed.message());
      // The process dies. What the next one reads it reads from the page cache, and must put on
      // the disk before it believes it: power is lost right after.
      Rng rng(nth);
      log.files.Crash(rng, CrashMode::kProcess);
      ASSERT_TRUE(log.Open().ok());
      ASSERT_TRUE(workload.Allows(log.recovered));
      const LogModel believed = ModelOf(log.recovered);
      const raft::HardState voted = log.recovered.hard_state;
      log.files.Crash(rng, CrashMode::kDropUnsynced);
      ASSERT_TRUE(log.Open().ok());
      EXPECT_EQ(ModelOf(log.recovered), believed);
      EXPECT_EQ(log.recovered.hard_state, voted);
      EXPECT_FALSE(log.recovered.shorter_than_witness);
    }
  }
}

TEST(Crash, Scenario76FullDiskInEveryCallIsADefiniteErrorAndRecoversWithSpace) {
  for (const Operation operation : {Operation::kWrite, Operation::kSync, Operation::kRename}) {
    for (uint64_t nth = 1; nth <= 6; ++nth) {
      TestLog log;
      ASSERT_TRUE(log.Open().ok());
      Workload workload(nth);
      ASSERT_TRUE(workload.Run(*log.wal, 10).ok());
      log.files.FailNth(operation, nth, FaultKind::kNoSpace);
      const Status failed = workload.Run(*log.wal, 400);
      ASSERT_EQ(failed.code(), StatusCode::kNoSpace);
      EXPECT_EQ(log.wal->Sync().code(), StatusCode::kNoSpace);
      Rng rng(nth);
      log.files.Crash(rng, CrashMode::kRandomSectors);
      ASSERT_TRUE(log.Open().ok());
      EXPECT_TRUE(workload.Allows(log.recovered));
    }
  }
  TestLog full;
  ASSERT_TRUE(full.Open().ok());
  ASSERT_TRUE(full.Write({SaveOf({MakeEntry(1, 1, "kept")})}).ok());
  full.files.SetCapacity(full.files.UsedBytes() + 100);
  const Status failed = full.Write({SaveOf({MakeEntry(2, 1, std::string(20000, 'x'))})});
  EXPECT_EQ(failed.code(), StatusCode::kNoSpace);
  full.files.SetCapacity(UINT64_MAX);
  ASSERT_TRUE(full.Open().ok());
  ASSERT_EQ(full.recovered.entries.size(), 1u);
}

TEST(Crash, Scenario20And82VoteIsDurableBeforeItIsReportedAndNoLaterThanEntries) {
  for (uint64_t stop = 1; stop <= 8; ++stop) {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      TestLog log;
      ASSERT_TRUE(log.Open().ok());
      ASSERT_TRUE(log.Write({VoteFor(3, 1), SaveOf({MakeEntry(1, 3, "a")})}).ok());
      log.files.StopAtChange(stop);
      const bool reported = log.Write({VoteFor(4, 2), SaveOf({MakeEntry(2, 4, "b")})}).ok();
      Rng rng(seed);
      log.files.Crash(rng, CrashMode::kRandomSectors);
      ASSERT_TRUE(log.Open().ok());
      const raft::HardState found = log.recovered.hard_state;
      EXPECT_GE(found.term, log.recovered.entries.back().term);
      if (reported) {
        EXPECT_EQ(found, (raft::HardState{Term(4), NodeId(2)}));
        EXPECT_EQ(log.recovered.entries.size(), 2u);
      } else if (found.term == Term(3)) {
        EXPECT_EQ(found.vote, NodeId(1));
      } else {
        // Either the vote that was being saved, or none where only the entry got through.
        EXPECT_EQ(found.term, Term(4));
        EXPECT_TRUE(found.vote == NodeId(2) || found.vote == NodeId());
      }
    }
  }
}

}  // namespace
}  // namespace kvorum::disk
