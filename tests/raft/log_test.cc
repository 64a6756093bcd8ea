// SPDX-License-Identifier: Apache-2.0
#include "raft/log.h"

#include <gtest/gtest.h>

#include "raft/quorum.h"

namespace kvorum::raft {
namespace {

Entry E(uint64_t index, uint64_t term, const std::string& text = "x") {
  return {Term(term), Index(index), EntryType::kBatch, Payload(text)};
}

Log Make(std::initializer_list<uint64_t> terms, uint64_t base = 0, uint64_t base_term = 0) {
  std::vector<Entry> entries;
  uint64_t index = base;
  for (const uint64_t term : terms) entries.push_back(E(++index, term));
  return {Index(base), Term(base_term), entries};
}

TEST(Log, UpToDateComparesTermsFirst) {  // thesis 3.6.1
  const Log log = Make({1, 1, 3});
  EXPECT_TRUE(log.IsUpToDate(Index(3), Term(3)));
  EXPECT_TRUE(log.IsUpToDate(Index(1), Term(4)));
  EXPECT_FALSE(log.IsUpToDate(Index(9), Term(2)));
  EXPECT_FALSE(log.IsUpToDate(Index(2), Term(3)));
}

TEST(Log, LastPossibleMatchSkipsWholeTerms) {
  const Log log = Make({1, 1, 2, 2, 5});
  EXPECT_EQ(log.LastPossibleMatch(Index(5), Term(4)), Index(4));
  EXPECT_EQ(log.LastPossibleMatch(Index(5), Term(1)), Index(2));
  EXPECT_EQ(log.LastPossibleMatch(Index(9), Term(9)), Index(5));
  EXPECT_EQ(Make({2, 2}, 10, 2).LastPossibleMatch(Index(12), Term(1)), Index(10));
}

TEST(Log, DurabilityFollowsTheSaves) {
  Log log = Make({1});
  EXPECT_EQ(log.durable_index(), Index(1));
  log.Append(E(2, 1));
  std::vector<Entry> saved;
  log.TakeUnsaved(BatchNumber(1), saved);
  EXPECT_EQ(saved.size(), 1U);
  EXPECT_EQ(log.durable_index(), Index(1));
  log.Append(E(3, 1));
  log.Persisted(BatchNumber(1));
  EXPECT_EQ(log.durable_index(), Index(2));
}

// Scenario 31: 2 is written (save 1), replaced (save 2), and save 1 returns.
TEST(Log, AcknowledgementOfAReplacedEntryDoesNotCount) {
  Log log = Make({1});
  std::vector<Entry> saved;
  log.Append(E(2, 1, "old"));
  log.TakeUnsaved(BatchNumber(1), saved);
  log.TruncateFrom(Index(2));
  log.Append(E(2, 2, "new"));
  log.TakeUnsaved(BatchNumber(2), saved);
  log.Persisted(BatchNumber(1));
  EXPECT_EQ(log.durable_index(), Index(1));
  log.Persisted(BatchNumber(2));
  EXPECT_EQ(log.durable_index(), Index(2));
}

// The same through three terms: A, B, and A's index once more with a longer tail.
TEST(Log, AcknowledgementsThroughThreeTerms) {
  Log log = Make({});
  std::vector<Entry> saved;
  for (uint64_t term = 1; term <= 3; ++term) {
    log.Append(E(1, term));
    if (term == 3) log.Append(E(2, term));
    log.TakeUnsaved(BatchNumber(term), saved);
    if (term < 3) log.TruncateFrom(Index(1));
  }
  log.Persisted(BatchNumber(2));
  EXPECT_EQ(log.durable_index(), Index(0));
  log.Persisted(BatchNumber(3));
  EXPECT_EQ(log.durable_index(), Index(2));
}

TEST(Log, CompactionKeepsWhatTheDiskHasNotGot) {
  Log log = Make({1, 1});
  log.Append(E(3, 1));
  log.CompactTo(Index(3));
  EXPECT_EQ(log.base_index(), Index(2));
  EXPECT_EQ(log.base_term(), Term(1));
  EXPECT_EQ(log.last_index(), Index(3));
}

TEST(Log, BytesAreCountedExactly) {  // scenario 34
  Log log = Make({});
  for (uint64_t i = 1; i <= 1000; ++i) log.Append(E(i, 1, std::string(i % 17, 'v')));
  log.TruncateFrom(Index(500));
  std::vector<Entry> saved;
  log.TakeUnsaved(BatchNumber(1), saved);
  log.Persisted(BatchNumber(1));
  log.CompactTo(Index(499));
  EXPECT_EQ(log.bytes(), 0U);
  EXPECT_EQ(log.BytesAfter(Index(0)), 0U);
}

TEST(Log, SliceHonoursItsLimitsButTakesAtLeastOne) {
  Log log = Make({});
  for (uint64_t i = 1; i <= 10; ++i) log.Append(E(i, 1, std::string(100, 'v')));
  std::vector<Entry> out;
  log.Slice(Index(1), 3, 10'000, out);
  EXPECT_EQ(out.size(), 3U);
  out.clear();
  log.Slice(Index(1), 100, 250, out);
  EXPECT_EQ(out.size(), 2U);
  out.clear();
  log.Slice(Index(4), 100, 1, out);
  EXPECT_EQ(out.size(), 1U);
  EXPECT_EQ(out.front().index, Index(4));
}

TEST(Quorum, ValueThatAMajorityHasReached) {
  std::vector<int> one{7};
  EXPECT_EQ(QuorumValue(one), 7);
  std::vector<int> three{5, 9, 1};
  EXPECT_EQ(QuorumValue(three), 5);
  std::vector<int> four{4, 1, 3, 2};
  EXPECT_EQ(QuorumValue(four), 2);
  std::vector<int> five{1, 2, 3, 4, 5};
  EXPECT_EQ(QuorumValue(five), 3);
}

}  // namespace
}  // namespace kvorum::raft
