// SPDX-License-Identifier: Apache-2.0
#include "benchmark/load/keys.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace kvorum::load {
namespace {

std::vector<int> Counts(const KeyChooser& keys, uint64_t n, int draws) {
  Rng rng(11);
  std::vector<int> counts(n);
  for (int i = 0; i < draws; ++i) ++counts.at(keys.Next(rng));
  return counts;
}

TEST(KeysTest, UniformGivesEachKeyItsShare) {
  const std::vector<int> counts = Counts(KeyChooser(100, 0), 100, 100000);
  for (const int count : counts) EXPECT_NEAR(count, 1000, 200);
}

TEST(KeysTest, ZipfianSharesFollowTheRank) {
  constexpr uint64_t kKeys = 1000;
  constexpr int kDraws = 200000;
  constexpr double kTheta = 0.99;
  double zeta = 0;
  for (uint64_t i = 1; i <= kKeys; ++i) zeta += std::pow(static_cast<double>(i), -kTheta);
  const Zipfian zipfian(kKeys, kTheta);
  Rng rng(5);
  std::vector<int> counts(kKeys);
  for (int i = 0; i < kDraws; ++i) ++counts.at(zipfian.Next(rng));
  // The method is exact for the first two ranks and close for sums of later ones.
  for (const size_t rank : {0u, 1u}) {
    const double expected = kDraws * std::pow(static_cast<double>(rank + 1), -kTheta) / zeta;
    EXPECT_NEAR(counts[rank], expected, expected * 0.05) << rank;
  }
  double expected_tail = 0;
  int tail = 0;
  for (size_t rank = 100; rank < kKeys; ++rank) {
    expected_tail += kDraws * std::pow(static_cast<double>(rank + 1), -kTheta) / zeta;
    tail += counts[rank];
  }
  EXPECT_NEAR(tail, expected_tail, expected_tail * 0.1);
}

TEST(KeysTest, ZipfianStaysInRangeForFewKeys) {
  for (const uint64_t n : {3u, 4u, 17u}) {
    const Zipfian zipfian(n, 0.5);
    Rng rng(n);
    for (int i = 0; i < 10000; ++i) ASSERT_LT(zipfian.Next(rng), n);
  }
}

TEST(KeysTest, SpreadIsAPermutation) {
  for (const uint64_t n : {1u, 2u, 3u, 100u, 1024u, 9973u}) {
    const KeyChooser keys(n, 0);
    std::vector<bool> seen(n);
    for (uint64_t rank = 0; rank < n; ++rank) {
      ASSERT_LT(keys.Spread(rank), n);
      ASSERT_FALSE(seen[keys.Spread(rank)]) << n << " " << rank;
      seen[keys.Spread(rank)] = true;
    }
  }
}

TEST(KeysTest, TheSameSeedGivesTheSameKeys) {
  const KeyChooser keys(100000, 0.99);
  Rng one(42);
  Rng two(42);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(keys.Next(one), keys.Next(two));
}

TEST(KeysTest, SpelledAsRedisBenchmarkDoes) {
  std::string text;
  AppendKey(text, 42);
  EXPECT_EQ(text, "key:000000000042");
  EXPECT_EQ(text.size(), kKeyBytes);
}

TEST(KeysTest, ValuesHaveTheSizeAskedFor) {
  for (const size_t bytes : {0u, 5u, 12u, 64u}) {
    std::string text = "before";
    AppendValue(text, 7, bytes);
    EXPECT_EQ(text.size(), 6 + bytes);
  }
  std::string text;
  AppendValue(text, 7, 14);
  EXPECT_EQ(text, "000000000007vv");
}

TEST(KeysTest, SlotsAreRedisClusters) {
  // The check value of CRC16/XMODEM, and a slot that Redis Cluster's documents give.
  EXPECT_EQ(SlotOf("123456789"), 0x31C3);
  EXPECT_EQ(SlotOf("foo"), 12182);
}

}  // namespace
}  // namespace kvorum::load
