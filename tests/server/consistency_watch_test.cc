// SPDX-License-Identifier: Apache-2.0
//
// A node whose state has changed by itself is found and stops; the others go on.
#include <gtest/gtest.h>

#include <string>

#include "server/limits.h"
#include "tests/server/node_fixture.h"

namespace kvorum::server {
namespace {

class Watch : public ::testing::Test {
 protected:
  Watch() : leader_(group_.ElectLeader()), follower_(leader_ == 1 ? 2 : 1) {}

  // Entries until every part of the keyspace has been looked at.
  void Write(uint64_t entries) {
    TestClient& client = group_.at(leader_).Connect();
    for (uint64_t i = 0; i < entries && !client.closed; ++i) {
      group_.at(leader_).Push(client, "INCR k" + std::to_string(i % 50) + "\r\n");
      group_.Settle();
    }
  }
  // Bits flip in one node's memory: the same place in the log, another value.
  void Corrupt(uint64_t node) {
    store::Machine& machine = group_.at(node).node().machine();
    const Index applied = machine.applied();
    const auto copy = [](store::Machine& from, store::Machine& to, Index at) {
      from.BeginSnapshot();
      to.BeginLoad();
      for (bool more = true; more;) {
        std::string chunk;
        more = from.SnapshotStep(1 << 20, chunk);
        ASSERT_TRUE(to.LoadChunk(chunk).ok());
      }
      ASSERT_TRUE(to.FinishLoad(at).ok());
    };
    store::Machine other(machine.options());
    copy(machine, other, applied - 1);
    store::EnvelopeWriter writer;
    const std::string_view words[] = {"SET", "k7", "flipped"};
    writer.Add(store::Opcode::kSet, 0, nullptr, words);
    other.Apply(applied, writer.Finish(machine.log_time(), 1), nullptr);
    copy(other, machine, applied);
  }
  [[nodiscard]] uint64_t Divergences(uint64_t node) {
    return group_.at(node).node().watch().stats().divergences.Get();
  }

  TestGroup group_{3};
  uint64_t leader_;
  uint64_t follower_;
};

TEST_F(Watch, EqualStatesAreFoundEqual) {
  Write(10 * kDigestEvery);
  const ConsistencyWatch& watch = group_.at(leader_).node().watch();
  EXPECT_EQ(watch.equal_at().size(), 2U);
  EXPECT_GE(watch.stats().compared.Get(), 18U);
  EXPECT_EQ(Divergences(leader_), 0U);
}

TEST_F(Watch, AFollowerThatIsAloneWithItsStateStops) {
  Write(10);
  Corrupt(follower_);
  group_.at(follower_).ExpectHalt();
  Write(10 * kDigestEvery);
  EXPECT_NE(group_.at(follower_).halted().find("differs from that of a majority"),
            std::string::npos);
  EXPECT_EQ(Divergences(leader_), 1U);
  EXPECT_EQ(group_.at(leader_).halted(), "");
}

TEST_F(Watch, ALeaderThatIsAloneWithItsStateStops) {
  Write(10);
  Corrupt(leader_);
  group_.at(leader_).ExpectHalt();
  Write(10 * kDigestEvery);
  EXPECT_NE(group_.at(leader_).halted().find("differs from that of a majority"), std::string::npos);
  EXPECT_EQ(group_.at(follower_).halted(), "");
}

TEST_F(Watch, TwoThatDifferWithoutAMajorityRaiseTheAlarm) {
  group_.Cut({NodeId(6 - leader_ - follower_)});
  Write(10);
  Corrupt(follower_);
  Write(10 * kDigestEvery);
  EXPECT_GT(Divergences(leader_), 0U);
  EXPECT_EQ(group_.at(leader_).halted() + group_.at(follower_).halted(), "");
}

}  // namespace
}  // namespace kvorum::server
