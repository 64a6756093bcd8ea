// SPDX-License-Identifier: Apache-2.0
#include "base/stats.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace kvorum {
namespace {

// The bucket that one observation falls into.
size_t BucketOf(int64_t us) {
  Histogram histogram;
  histogram.Observe(us);
  for (size_t bucket = 0; bucket < Histogram::kBuckets; ++bucket) {
    if (histogram.CountIn(bucket) != 0) return bucket;
  }
  return Histogram::kBuckets;
}

TEST(Histogram, BoundsDoubleFromTenMicroseconds) {
  EXPECT_EQ(Histogram::BoundUs(0), 10);
  EXPECT_EQ(Histogram::BoundUs(1), 20);
  EXPECT_EQ(Histogram::BoundUs(20), 10'485'760);
}

TEST(Histogram, ABoundBelongsToItsOwnBucket) {
  // The last bucket has no bound.
  for (size_t bucket = 0; bucket + 1 < Histogram::kBuckets; ++bucket) {
    const int64_t bound = Histogram::BoundUs(bucket);
    EXPECT_EQ(BucketOf(bound), bucket) << bound;
    EXPECT_EQ(BucketOf(bound + 1), bucket + 1) << bound;
    if (bucket != 0) {
      EXPECT_EQ(BucketOf(bound - 1), bucket) << bound;
    }
  }
}

TEST(Histogram, ExtremesAreCountedSomewhere) {
  EXPECT_EQ(BucketOf(0), 0U);
  EXPECT_EQ(BucketOf(1), 0U);
  EXPECT_EQ(BucketOf(-5), 0U);  // a clock that went backwards
  EXPECT_EQ(BucketOf(std::numeric_limits<int64_t>::max()), Histogram::kBuckets - 1);
}

TEST(Histogram, SumsWhatItSaw) {
  Histogram histogram;
  for (const int64_t us : {5, 15, 1000, -7}) histogram.Observe(us);
  EXPECT_EQ(histogram.SumUs(), 1020U);
  uint64_t all = 0;
  for (size_t bucket = 0; bucket < Histogram::kBuckets; ++bucket) all += histogram.CountIn(bucket);
  EXPECT_EQ(all, 4U);
}

TEST(Counters, AddAndSet) {
  Counter counter;
  counter.Add();
  counter.Add(41);
  EXPECT_EQ(counter.Get(), 42U);
  Gauge gauge;
  gauge.Set(3);
  gauge.Add(-5);
  EXPECT_EQ(gauge.Get(), -2);
}

}  // namespace
}  // namespace kvorum
