// SPDX-License-Identifier: Apache-2.0
#include "base/rng.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>

namespace kvorum {
namespace {

// A seed that failed once must fail for ever: these numbers never change. They were computed by an
// independent version of xoshiro256** with splitmix64 seeding.
TEST(Rng, TheSameNumbersForEver) {
  Rng zero(0);
  EXPECT_EQ(zero.Next(), 0x99EC5F36CB75F2B4ULL);
  EXPECT_EQ(zero.Next(), 0xBF6E1F784956452AULL);
  Rng one(1);
  EXPECT_EQ(one.Next(), 0xB3F2AF6D0FC710C5ULL);
  EXPECT_EQ(one.Next(), 0x853B559647364CEAULL);
  Rng late(0xDEADBEEF);
  for (int i = 0; i < 1000; ++i) late.Next();
  EXPECT_EQ(late.Next(), 0xBF22A7073D943680ULL);
}

TEST(Rng, BoundsHold) {
  Rng rng(3);
  std::array<int, 10> seen{};
  for (int i = 0; i < 10'000; ++i) {
    const uint64_t n = rng.Below(10);
    ASSERT_LT(n, 10U);
    ++seen[n];
    const int64_t m = rng.Between(-3, 3);
    ASSERT_GE(m, -3);
    ASSERT_LE(m, 3);
  }
  for (const int count : seen) EXPECT_NEAR(count, 1000, 150);
  EXPECT_EQ(rng.Below(1), 0U);
  EXPECT_EQ(rng.Between(7, 7), 7);
}

TEST(Rng, ProbabilitiesAreAboutRight) {
  Rng rng(4);
  int hits = 0;
  for (int i = 0; i < 10'000; ++i) hits += rng.OneIn(1, 4) ? 1 : 0;
  EXPECT_NEAR(hits, 2500, 200);
  EXPECT_FALSE(rng.OneIn(0, 4));
  EXPECT_TRUE(rng.OneIn(4, 4));
}

}  // namespace
}  // namespace kvorum
