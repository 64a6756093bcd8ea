// SPDX-License-Identifier: Apache-2.0
//
// The checker is itself checked: good histories pass, and every single lie in one is found.
#include "tests/check/linearizability.h"

#include <gtest/gtest.h>

namespace kvorum::check {
namespace {

std::string Bulk(const std::string& text) {
  return text.empty() ? "$-1\r\n" : "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}
Op Make(Micros invoked, Micros returned, std::vector<std::string> argv, std::string reply) {
  return {
      .argv = std::move(argv), .invoked = invoked, .returned = returned, .reply = std::move(reply)};
}
Op Set(Micros invoked, Micros returned, const std::string& value) {
  return Make(invoked, returned, {"SET", "k", value}, "+OK\r\n");
}
Op Get(Micros invoked, Micros returned, const std::string& value) {
  return Make(invoked, returned, {"GET", "k"}, Bulk(value));
}
Op Incr(Micros invoked, Micros returned, const std::string& result) {
  return Make(invoked, returned, {"INCR", "k"}, ":" + result + "\r\n");
}
Verdict Check(const History& history, uint64_t budget = 1'000'000) {
  return CheckLinearizable(history, budget).verdict;
}

TEST(Linearizability, SequentialHistory) {
  EXPECT_EQ(Check({Get(0, 1, ""), Set(2, 3, "a"), Get(4, 5, "a"), Set(6, 7, "b"), Get(8, 9, "b")}),
            Verdict::kLinearizable);
}

TEST(Linearizability, StaleReadIsRefused) {
  EXPECT_EQ(Check({Set(0, 1, "a"), Set(2, 3, "b"), Get(4, 5, "a")}), Verdict::kNot);
}

TEST(Linearizability, ConcurrentOperationsMayGoEitherWay) {
  EXPECT_EQ(Check({Set(0, 10, "a"), Set(0, 10, "b"), Get(11, 12, "a")}), Verdict::kLinearizable);
  EXPECT_EQ(Check({Set(0, 10, "a"), Set(0, 10, "b"), Get(11, 12, "b")}), Verdict::kLinearizable);
}

TEST(Linearizability, ReadsMustAgreeOnTheOrder) {
  EXPECT_EQ(Check({Set(0, 1, "x"), Set(2, 20, "a"), Get(3, 4, "a"), Get(5, 6, "x")}),
            Verdict::kNot);
}

TEST(Linearizability, UnknownWriteMayHappenLateOrNever) {
  EXPECT_EQ(Check({Set(0, 1, "a"), Set(2, Op::kNever, "b"), Get(3, 4, "a"), Get(5, 6, "b")}),
            Verdict::kLinearizable);
  EXPECT_EQ(Check({Set(0, 1, "a"), Set(2, Op::kNever, "b"), Get(3, 4, "a")}),
            Verdict::kLinearizable);
  // But it cannot have happened before it was invoked.
  EXPECT_EQ(Check({Set(0, 1, "a"), Get(2, 3, "b"), Set(4, Op::kNever, "b")}), Verdict::kNot);
}

TEST(Linearizability, IncrementExecutedTwiceIsRefused) {
  EXPECT_EQ(Check({Incr(0, 1, "1"), Incr(2, 3, "3")}), Verdict::kNot);
  EXPECT_EQ(Check({Incr(0, 1, "1"), Incr(2, Op::kNever, ""), Incr(4, 5, "3")}),
            Verdict::kLinearizable);
}

// Flip any one read of a good history, and it must be refused.
TEST(Linearizability, EveryFlippedReadIsFound) {
  History good;
  for (int i = 0; i < 20; ++i) {
    good.push_back(Set(10 * i, 10 * i + 3, std::to_string(i)));
    good.push_back(Get(10 * i + 4, 10 * i + 6, std::to_string(i)));
    good.push_back(Get(10 * i + 5, 10 * i + 8, std::to_string(i)));
  }
  ASSERT_EQ(Check(good), Verdict::kLinearizable);
  for (size_t i = 0; i < good.size(); ++i) {
    if (good[i].argv[0] != "GET") continue;
    History bad = good;
    bad[i].reply = Bulk(std::to_string((i / 3 + 1) % 20));
    EXPECT_EQ(Check(bad), Verdict::kNot) << "read " << i;
  }
}

TEST(Linearizability, KeysThatACommandTouchesTogetherAreOne) {
  const Op both = Make(0, 1, {"MSET", "a", "1;", "b", "1;"}, "+OK\r\n");
  const Op second = Make(2, 10, {"MSET", "a", "2;", "b", "2;"}, "+OK\r\n");
  const auto read = [](Micros at, const char* key, const char* value) {
    return Make(at, at + 1, {"GET", key}, Bulk(value));
  };
  EXPECT_EQ(Check({both, second, read(3, "a", "2;"), read(5, "b", "2;")}), Verdict::kLinearizable);
  // Each key alone could be explained; together they cannot: half of a command was seen.
  EXPECT_EQ(Check({both, second, read(3, "a", "2;"), read(5, "b", "1;")}), Verdict::kNot);
}

TEST(Linearizability, CommandsOnEverythingTieAllKeys) {
  const Op a = Make(0, 1, {"SET", "a", "1;"}, "+OK\r\n");
  const Op b = Make(0, 1, {"SET", "b", "1;"}, "+OK\r\n");
  const Op flush = Make(2, 10, {"FLUSHALL"}, "+OK\r\n");
  EXPECT_EQ(Check({a, b, flush, Make(3, 4, {"GET", "a"}, "$-1\r\n"),
                   Make(5, 6, {"GET", "b"}, Bulk("1;"))}),
            Verdict::kNot);
}

TEST(Linearizability, GivesUpOnABudgetAndSaysSo) {
  History ops;
  for (int i = 0; i < 14; ++i) ops.push_back(Set(0, 1000, std::to_string(i)));
  ops.push_back(Get(1001, 1002, "nothing"));
  EXPECT_EQ(Check(ops, 1000), Verdict::kTooHard);
}

}  // namespace
}  // namespace kvorum::check
