// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/sim/world.h"

namespace kvorum::sim {
namespace {

TEST(Simulator, TheSameSeedIsTheSameRun) {
  for (const uint64_t seed : {3, 7, 204}) {
    const Report first = World(Plan::Swarm(seed)).Run();
    const Report second = World(Plan::Swarm(seed)).Run();
    EXPECT_TRUE(first.ok) << first.failure;
    EXPECT_EQ(first.trace_hash, second.trace_hash);
    EXPECT_EQ(first.events, second.events);
  }
}

// A run without a single fault: nothing may be unknown, and one election is enough.
TEST(Simulator, WithoutFaultsNothingIsLostOrRepeated) {
  Plan plan;
  plan.seed = 42;
  plan.crash_every_us = plan.power_every_us = plan.partition_every_us = 0;
  plan.stall_every_us = plan.clock_jump_every_us = plan.reset_every_us = 0;
  plan.drift_percent = 0;
  const Report report = World(plan).Run();
  EXPECT_TRUE(report.ok) << report.failure;
  EXPECT_EQ(report.unknown, 0U);
  EXPECT_EQ(report.indoubt, 0U);
  EXPECT_EQ(report.elections, 1U);
  EXPECT_GT(report.operations, 500U);
}

// Seeds that once found a bug (docs/bugs.md).
TEST(Simulator, SeedsThatOnceFailed) {
  for (const uint64_t seed : {204, 518, 1231}) {
    const Report report = World(Plan::Swarm(seed)).Run();
    EXPECT_TRUE(report.ok) << "seed " << seed << ": " << report.failure;
  }
}

}  // namespace
}  // namespace kvorum::sim
