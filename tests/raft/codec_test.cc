// SPDX-License-Identifier: Apache-2.0
#include "raft/codec.h"

#include <gtest/gtest.h>

#include "base/rng.h"
#include "tests/raft/trace_cluster.h"

namespace kvorum::raft {
namespace {

std::string Bytes(const Message& message) {
  std::string out;
  Encode(message, out);
  return out;
}

Configuration Everything() {
  Configuration c{NodeId(1), NodeId(2)};
  c.old_voters = {NodeId(1), NodeId(3)};
  c.learners = {NodeId(3), NodeId(9)};
  c.joining = {NodeId(9)};
  c.removed_up_to = NodeId(8);
  c.addresses = {{NodeId(1), "a:1@2"}, {NodeId(9), "[::1]:3@4"}};
  return c;
}

std::vector<Message> Samples() {
  Append append{.term = Term(7),
                .prev_index = Index(10),
                .prev_term = Term(6),
                .commit = Index(9),
                .round = Round(99)};
  append.entries.push_back(
      {Term(6), Index(11), EntryType::kBatch, Payload(std::string("a\0b", 3))});
  append.entries.push_back({Term(7), Index(12), EntryType::kNoop, Payload()});
  std::string configuration;
  EncodeConfiguration(Everything(), configuration);
  append.entries.push_back({Term(7), Index(13), EntryType::kConfig, Payload(configuration)});
  return {PreVote{Term(3), Index(4), Term(2)},
          PreVoteReply{Term(3), true},
          Vote{Term(3), Index(4), Term(2), true},
          VoteReply{Term(3), false},
          append,
          AppendReply{Term(7), Round(99), true, Index(12), Index(), Index(), Term()},
          AppendReply{Term(7), Round(99), false, Index(), Index(10), Index(8), Term(5)},
          Heartbeat{Term(7), Index(9), Round(100)},
          HeartbeatReply{Term(7), Round(100), 3},
          InstallSnapshot{Term(7), {Index(5), Term(4), {NodeId(1), NodeId(2)}}, 3, 10, "bytes"},
          InstallSnapshot{Term(7), {Index(5), Term(4), Everything()}, 3, 10, "bytes"},
          InstallSnapshotReply{Term(7), Index(5), 8, true},
          TimeoutNow{Term(7)},
          ReadIndex{Term(7), 12, ReadId(3)},
          ReadIndexReply{Term(7), 12, ReadId(3), Index(9)},
          MatchLost{Term(7), Index(12)}};
}

TEST(Codec, EveryMessageComesBack) {
  for (const Message& message : Samples()) {
    const std::optional<Message> back = Decode(Bytes(message));
    ASSERT_TRUE(back.has_value()) << Describe(message);
    EXPECT_EQ(back->index(), message.index());
    EXPECT_EQ(Bytes(*back), Bytes(message)) << Describe(message);
  }
}

TEST(Codec, EveryTruncationIsRefused) {
  for (const Message& message : Samples()) {
    const std::string bytes = Bytes(message);
    for (size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(Decode(bytes.substr(0, size)).has_value()) << Describe(message);
    }
    EXPECT_FALSE(Decode(bytes + "x").has_value());
  }
}

// Bad input 57: numbers at the end of their range, terms that do not ascend, counts that lie.
TEST(Codec, ImpossibleNumbersAreRefused) {
  EXPECT_FALSE(Decode(Bytes(Heartbeat{Term::Max(), Index(1), Round(1)})).has_value());
  EXPECT_FALSE(Decode(Bytes(Heartbeat{Term(1), Index::Max(), Round(1)})).has_value());
  EXPECT_FALSE(Decode(Bytes(Heartbeat{Term(), Index(1), Round(1)})).has_value());
  Append descending{.term = Term(5), .prev_index = Index(1), .prev_term = Term(4)};
  descending.entries.push_back({Term(3), Index(2), EntryType::kNoop, Payload()});
  EXPECT_FALSE(Decode(Bytes(descending)).has_value());
  Append from_the_future{.term = Term(5), .prev_index = Index(1), .prev_term = Term(4)};
  from_the_future.entries.push_back({Term(6), Index(2), EntryType::kNoop, Payload()});
  EXPECT_FALSE(Decode(Bytes(from_the_future)).has_value());
  std::string count = Bytes(Append{.term = Term(5)});
  count.back() = 0x7F;
  EXPECT_FALSE(Decode(count).has_value());
  EXPECT_FALSE(
      Decode(Bytes(InstallSnapshot{Term(1), {Index(1), Term(1), {NodeId(1)}}, 9, 10, "xx"}))
          .has_value());
}

TEST(Codec, ConfigurationsThatMakeNoSenseAreRefused) {
  const auto refused = [](const Configuration& configuration) {
    std::string bytes;
    EncodeConfiguration(configuration, bytes);
    Append append{.term = Term(5), .prev_index = Index(1), .prev_term = Term(4)};
    append.entries.push_back({Term(5), Index(2), EntryType::kConfig, Payload(bytes)});
    return !DecodeConfiguration(bytes).has_value() && !Decode(Bytes(append)).has_value();
  };
  EXPECT_FALSE(refused(Everything()));
  Configuration c = Everything();
  c.voters = {NodeId(2), NodeId(1)};
  EXPECT_TRUE(refused(c)) << "out of order";
  c = Everything();
  c.voters.clear();
  EXPECT_TRUE(refused(c)) << "nobody votes";
  c = Everything();
  c.learners.push_back(NodeId(2));
  EXPECT_TRUE(refused(c)) << "voter and learner";
  c = Everything();
  c.joining = {NodeId(4)};
  EXPECT_TRUE(refused(c)) << "joins and is no learner";
  c = Everything();
  c.addresses[NodeId(4)] = "d:1@2";
  EXPECT_TRUE(refused(c)) << "the address of a stranger";
  c = Everything();
  for (uint64_t id = 10; id < 10 + kMaxMembers; ++id) c.learners.push_back(NodeId(id));
  EXPECT_TRUE(refused(c)) << "too many";
  c = Everything();
  c.addresses[NodeId(1)] = std::string(kMaxAddressBytes + 1, 'h');
  EXPECT_TRUE(refused(c)) << "a long address";
}

TEST(Codec, RandomBytesNeverCrash) {
  Rng rng(57);
  const std::vector<Message> samples = Samples();
  for (int i = 0; i < 200'000; ++i) {
    std::string bytes = Bytes(samples[rng.Below(samples.size())]);
    const uint64_t flips = 1 + rng.Below(4);
    for (uint64_t f = 0; f < flips; ++f)
      bytes[rng.Below(bytes.size())] = static_cast<char>(rng.Next());
    const std::optional<Message> message = Decode(bytes);
    EXPECT_TRUE(!message.has_value() || !Bytes(*message).empty());
  }
}

}  // namespace
}  // namespace kvorum::raft
