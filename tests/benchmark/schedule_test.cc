// SPDX-License-Identifier: Apache-2.0
#include "benchmark/load/schedule.h"

#include <gtest/gtest.h>

#include <vector>

namespace kvorum::load {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

// All that is due at once, taken.
std::vector<int64_t> TakeDue(Schedule& schedule, int64_t now_ns) {
  std::vector<int64_t> taken;
  int64_t due = 0;
  while (schedule.Due(now_ns, due)) {
    taken.push_back(due);
    schedule.Take();
  }
  return taken;
}

TEST(ScheduleTest, OpenLoopIsDueAtFixedDistances) {
  Options options;
  options.rate_per_s = 4;
  options.duration_s = 1;
  Schedule schedule(options, 0, 1, 100);
  EXPECT_EQ(TakeDue(schedule, 100), (std::vector<int64_t>{100}));
  EXPECT_EQ(schedule.NextNs(true), 100 + kSecond / 4);
  EXPECT_EQ(TakeDue(schedule, 100 + kSecond / 4 - 1), (std::vector<int64_t>{}));
  EXPECT_EQ(TakeDue(schedule, 100 + kSecond / 4), (std::vector<int64_t>{100 + kSecond / 4}));
}

TEST(ScheduleTest, AStallDoesNotMoveWhatWasDue) {
  Options options;
  options.rate_per_s = 4;
  options.duration_s = 1;
  Schedule schedule(options, 0, 1, 0);
  TakeDue(schedule, 0);
  // Nobody asked for three seconds: all that was due in time comes, with the times it was due at.
  EXPECT_FALSE(schedule.Ended(3 * kSecond));
  EXPECT_EQ(TakeDue(schedule, 3 * kSecond),
            (std::vector<int64_t>{kSecond / 4, kSecond / 2, 3 * kSecond / 4}));
  EXPECT_TRUE(schedule.Ended(3 * kSecond));
}

TEST(ScheduleTest, WhatIsNeverTakenIsLate) {
  Options options;
  options.rate_per_s = 10;
  options.warmup_s = 1;
  options.duration_s = 1;
  Schedule schedule(options, 0, 1, 0);
  EXPECT_EQ(schedule.Late(5 * kSecond), 10u) << "the warm-up does not count";
  EXPECT_FALSE(schedule.Counts(kSecond - 1));
  EXPECT_TRUE(schedule.Counts(kSecond));
}

TEST(ScheduleTest, ThreadsTakeTurns) {
  Options options;
  options.rate_per_s = 4;
  options.duration_s = 1;
  Schedule one(options, 0, 2, 0);
  Schedule two(options, 1, 2, 0);
  EXPECT_EQ(TakeDue(one, kSecond - 1), (std::vector<int64_t>{0, kSecond / 2}));
  EXPECT_EQ(TakeDue(two, kSecond - 1), (std::vector<int64_t>{kSecond / 4, 3 * kSecond / 4}));
}

TEST(ScheduleTest, ClosedLoopIsAlwaysDueUntilItsEnd) {
  Options options;
  options.duration_s = 1;
  Schedule schedule(options, 0, 1, 0);
  int64_t due = 0;
  EXPECT_TRUE(schedule.Due(777, due));
  EXPECT_EQ(due, 777) << "service time counts from when it is sent";
  EXPECT_FALSE(schedule.Due(kSecond, due));
  EXPECT_TRUE(schedule.Ended(kSecond));
  EXPECT_EQ(schedule.NextNs(true), kSecond);
}

TEST(ScheduleTest, RequestsAreDealtOutToThreads) {
  Options options;
  options.requests = 10;
  uint64_t all = 0;
  for (uint64_t part = 0; part < 3; ++part) {
    Schedule schedule(options, part, 3, 0);
    int64_t due = 0;
    while (schedule.Due(1000 * kSecond, due)) schedule.Take();
    all += schedule.taken();
    EXPECT_TRUE(schedule.Ended(0));
  }
  EXPECT_EQ(all, 10u);
}

}  // namespace
}  // namespace kvorum::load
