// SPDX-License-Identifier: Apache-2.0
#include "base/ids.h"

#include <gtest/gtest.h>

#include <type_traits>
#include <unordered_set>

namespace kvorum {
namespace {

// What the strong types are for: these must not compile.
static_assert(!std::is_convertible_v<uint64_t, Term>);
static_assert(!std::is_convertible_v<Term, uint64_t>);
static_assert(!std::is_constructible_v<Term, Index>);
static_assert(!std::is_assignable_v<Index&, Term>);
static_assert(!std::is_invocable_v<std::less<>, Term, Index>);
static_assert(!std::is_invocable_v<std::plus<>, Index, Index>);
static_assert(sizeof(GroupId) == 4 && sizeof(NodeId) == 8);

TEST(Ids, StartAtNothing) {
  EXPECT_EQ(Term().value(), 0U);
  EXPECT_EQ(NodeId(), NodeId(0));
}

TEST(Ids, CountAndCompare) {
  Index index(5);
  EXPECT_EQ((++index).value(), 6U);
  index += 4;
  EXPECT_EQ(index, Index(10));
  EXPECT_EQ(index + 2, Index(12));
  EXPECT_EQ(index - 3, Index(7));
  EXPECT_LT(Index(9), index);
  EXPECT_GT(Index::Max(), index);
}

TEST(Ids, TheDistanceIsAPlainNumber) {
  const auto distance = Index(12) - Index(5);
  static_assert(std::is_same_v<decltype(distance), const uint64_t>);
  EXPECT_EQ(distance, 7U);
}

TEST(Ids, HashByValue) {
  const std::unordered_set<NodeId> nodes{NodeId(1), NodeId(2), NodeId(1)};
  EXPECT_EQ(nodes.size(), 2U);
  EXPECT_TRUE(nodes.contains(NodeId(2)));
}

}  // namespace
}  // namespace kvorum
