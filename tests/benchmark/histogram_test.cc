// SPDX-License-Identifier: Apache-2.0
#include "benchmark/load/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/rng.h"

namespace kvorum::load {
namespace {

TEST(HistogramTest, BucketsCoverAllValuesWithoutGapOrOverlap) {
  uint64_t next = 0;
  for (size_t bucket = 0; bucket < Histogram::kBuckets; ++bucket) {
    ASSERT_EQ(Histogram::BucketOf(next), bucket) << next;
    const uint64_t highest = Histogram::HighestIn(bucket);
    ASSERT_EQ(Histogram::BucketOf(highest), bucket) << highest;
    ASSERT_GE(highest, next);
    next = highest + 1;
  }
  EXPECT_EQ(next, 0u) << "the last bucket ends at the largest number there is";
}

TEST(HistogramTest, ABucketIsNoWiderThanA128thOfItsValues) {
  for (uint64_t value : {uint64_t{1000}, uint64_t{123456}, uint64_t{5000000000}, UINT64_MAX / 3}) {
    const uint64_t highest = Histogram::HighestIn(Histogram::BucketOf(value));
    EXPECT_GE(highest, value);
    EXPECT_LE(highest - value, value / 128);
  }
}

TEST(HistogramTest, EmptyIsAllZero) {
  const auto h = std::make_unique<Histogram>();
  EXPECT_EQ(h->Quantile(0.99), 0u);
  EXPECT_EQ(h->Count(), 0u);
  EXPECT_EQ(h->Max(), 0u);
  EXPECT_EQ(h->Mean(), 0);
}

TEST(HistogramTest, SmallValuesAreExact) {
  const auto h = std::make_unique<Histogram>();
  for (uint64_t v = 1; v <= 100; ++v) h->Record(v);
  EXPECT_EQ(h->Quantile(0), 1u);
  EXPECT_EQ(h->Quantile(0.5), 50u);
  EXPECT_EQ(h->Quantile(0.99), 99u);
  EXPECT_EQ(h->Quantile(0.999), 100u);
  EXPECT_EQ(h->Quantile(1), 100u);
  EXPECT_DOUBLE_EQ(h->Mean(), 50.5);
}

TEST(HistogramTest, AQuantileNeverExceedsTheMaximum) {
  const auto h = std::make_unique<Histogram>();
  h->Record(1'000'000);
  EXPECT_EQ(h->Quantile(0.5), 1'000'000u);
  EXPECT_EQ(h->Max(), 1'000'000u);
}

TEST(HistogramTest, AgreesWithSortedValues) {
  Rng rng(7);
  const auto h = std::make_unique<Histogram>();
  std::vector<uint64_t> values;
  for (int i = 0; i < 20000; ++i) {
    values.push_back(rng.Next() >> (20 + rng.Below(40)));
    h->Record(values.back());
  }
  std::sort(values.begin(), values.end());
  for (const double share : {0.01, 0.5, 0.9, 0.99, 0.999}) {
    const auto at = static_cast<size_t>(share * static_cast<double>(values.size()));
    const uint64_t exact = values[at - 1];
    EXPECT_GE(h->Quantile(share), exact) << share;
    EXPECT_LE(h->Quantile(share), exact + exact / 128 + 1) << share;
  }
}

TEST(HistogramTest, MergedIsAsIfRecordedInOne) {
  Rng rng(3);
  const auto all = std::make_unique<Histogram>();
  const auto left = std::make_unique<Histogram>();
  const auto right = std::make_unique<Histogram>();
  for (int i = 0; i < 1000; ++i) {
    const uint64_t v = rng.Below(1 << 20);
    all->Record(v);
    (i % 3 == 0 ? left : right)->Record(v);
  }
  left->Merge(*right);
  EXPECT_EQ(left->Count(), all->Count());
  EXPECT_EQ(left->Max(), all->Max());
  for (const double share : {0.1, 0.5, 0.99})
    EXPECT_EQ(left->Quantile(share), all->Quantile(share));
}

}  // namespace
}  // namespace kvorum::load
