// SPDX-License-Identifier: Apache-2.0
#include "server/io_threads.h"

#include <gtest/gtest.h>

#include <vector>

namespace kvorum::server {
namespace {

// Plain integers: a thread that touched another's item, or a caller that did not wait, is a race.
TEST(IoThreads, EachItemOnceAndAllAreDoneAtTheEnd) {
  for (const size_t threads : {1U, 2U, 5U}) {
    IoThreads io(threads);
    EXPECT_EQ(io.size(), threads);
    std::vector<int> done;
    for (int round = 1; round <= 300; ++round) {
      const size_t count = static_cast<size_t>(round) % 70;
      done.assign(count, 0);
      io.ForEach(count, [&](size_t item, size_t thread) {
        ASSERT_LT(thread, threads);
        ++done[item];
      });
      EXPECT_EQ(done, std::vector<int>(count, 1)) << threads << " threads, round " << round;
    }
  }
}

TEST(IoThreads, FewItemsWakeNobody) {
  IoThreads io(4);
  for (int round = 0; round < 100; ++round) {
    io.ForEach(3, [](size_t /*item*/, size_t thread) { EXPECT_EQ(thread, 0U); });
  }
}

TEST(IoThreads, EndsWithoutEverHavingWorked) { const IoThreads io(8); }

}  // namespace
}  // namespace kvorum::server
