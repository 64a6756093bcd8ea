// SPDX-License-Identifier: Apache-2.0
//
// The checker is itself checked: good histories pass, and every single lie in one is found.
#include "tests/sim/linearizability.h"

#include <gtest/gtest.h>

namespace kvorum::sim {
namespace {

Op Set(Micros invoked, Micros returned, std::string value) {
  return {
      .kind = OpKind::kSet, .argument = std::move(value), .invoked = invoked, .returned = returned};
}
Op Get(Micros invoked, Micros returned, std::string value) {
  return {.kind = OpKind::kGet,
          .invoked = invoked,
          .returned = returned,
          .result = value,
          .missing = value.empty()};
}
Op Incr(Micros invoked, Micros returned, std::string result) {
  return {
      .kind = OpKind::kIncr, .invoked = invoked, .returned = returned, .result = std::move(result)};
}

TEST(Linearizability, SequentialHistory) {
  EXPECT_EQ(CheckLinearizable(
                {Get(0, 1, ""), Set(2, 3, "a"), Get(4, 5, "a"), Set(6, 7, "b"), Get(8, 9, "b")}),
            Verdict::kLinearizable);
}

TEST(Linearizability, StaleReadIsRefused) {
  EXPECT_EQ(CheckLinearizable({Set(0, 1, "a"), Set(2, 3, "b"), Get(4, 5, "a")}), Verdict::kNot);
}

TEST(Linearizability, ConcurrentOperationsMayGoEitherWay) {
  EXPECT_EQ(CheckLinearizable({Set(0, 10, "a"), Set(0, 10, "b"), Get(11, 12, "a")}),
            Verdict::kLinearizable);
  EXPECT_EQ(CheckLinearizable({Set(0, 10, "a"), Set(0, 10, "b"), Get(11, 12, "b")}),
            Verdict::kLinearizable);
}

TEST(Linearizability, ReadsMustAgreeOnTheOrder) {
  EXPECT_EQ(CheckLinearizable({Set(0, 1, "x"), Set(2, 20, "a"), Get(3, 4, "a"), Get(5, 6, "x")}),
            Verdict::kNot);
}

TEST(Linearizability, UnknownWriteMayHappenLateOrNever) {
  EXPECT_EQ(
      CheckLinearizable({Set(0, 1, "a"), Set(2, Op::kNever, "b"), Get(3, 4, "a"), Get(5, 6, "b")}),
      Verdict::kLinearizable);
  EXPECT_EQ(CheckLinearizable({Set(0, 1, "a"), Set(2, Op::kNever, "b"), Get(3, 4, "a")}),
            Verdict::kLinearizable);
  // But it cannot have happened before it was invoked.
  EXPECT_EQ(CheckLinearizable({Set(0, 1, "a"), Get(2, 3, "b"), Set(4, Op::kNever, "b")}),
            Verdict::kNot);
}

TEST(Linearizability, IncrementExecutedTwiceIsRefused) {
  EXPECT_EQ(CheckLinearizable({Incr(0, 1, "1"), Incr(2, 3, "3")}), Verdict::kNot);
  EXPECT_EQ(CheckLinearizable({Incr(0, 1, "1"), Incr(2, Op::kNever, ""), Incr(4, 5, "3")}),
            Verdict::kLinearizable);
}

// Flip any one read of a good history, and it must be refused.
TEST(Linearizability, EveryFlippedReadIsFound) {
  std::vector<Op> good;
  for (int i = 0; i < 20; ++i) {
    good.push_back(Set(10 * i, 10 * i + 3, std::to_string(i)));
    good.push_back(Get(10 * i + 4, 10 * i + 6, std::to_string(i)));
    good.push_back(Get(10 * i + 5, 10 * i + 8, std::to_string(i)));
  }
  ASSERT_EQ(CheckLinearizable(good), Verdict::kLinearizable);
  for (size_t i = 0; i < good.size(); ++i) {
    if (good[i].kind != OpKind::kGet) continue;
    std::vector<Op> bad = good;
    bad[i].result = std::to_string((std::stoi(bad[i].result) + 1) % 20);
    EXPECT_EQ(CheckLinearizable(bad), Verdict::kNot) << "read " << i;
  }
}

TEST(Linearizability, GivesUpOnABudgetAndSaysSo) {
  std::vector<Op> ops;
  for (int i = 0; i < 14; ++i) ops.push_back(Set(0, 1000, std::to_string(i)));
  ops.push_back(Get(1001, 1002, "nothing"));
  EXPECT_EQ(CheckLinearizable(ops, 1000), Verdict::kTooHard);
}

}  // namespace
}  // namespace kvorum::sim
