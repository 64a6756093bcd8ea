// SPDX-License-Identifier: Apache-2.0
//
// The feature level of a group: who tells whom, when it is raised, and what clients see of it.
#include <gtest/gtest.h>

#include <string>

#include "server/peer_frame.h"
#include "tests/server/node_fixture.h"

namespace kvorum::server {
namespace {

constexpr const char* kSyntax = "-ERR syntax error\r\n";
constexpr Micros kAWhile = 1'000'000;

std::string Ask(TestGroup& group, uint64_t node, const std::string& line,
                PortKind kind = PortKind::kCluster) {
  return Exchange(group, group.at(node), group.at(node).Connect(kind), line + "\r\n");
}

store::FeatureLevel LevelOf(TestGroup& group, uint64_t id) {
  return group.at(id).node().machine().feature_level();
}

// The last one is held back, or is an older release.
void Hold(Config& config) { config.feature_level_max = config.node_id == NodeId(3) ? 1 : 0; }
void Old(Config& config) { config.feature_level_known = config.node_id == NodeId(3) ? 1 : 2; }

TEST(FeatureLevel, IsRaisedByItself) {
  TestGroup group(3);
  const uint64_t leader = group.ElectLeader();
  group.Advance(kAWhile);
  for (uint64_t id = 1; id <= 3; ++id) EXPECT_EQ(LevelOf(group, id), 2) << id;
  EXPECT_EQ(Ask(group, leader, "SET k v\r\nSET k w IFEQ v\r\nGET k"), "+OK\r\n+OK\r\n$1\r\nw\r\n");
  std::string names;
  for (const EventLog::Recorded& one : group.at(leader).node().events().recent()) {
    names += std::string(one.event.name) + " ";
  }
  EXPECT_TRUE(names.ends_with("serves feature-level-proposed feature-level ")) << names;
}

TEST(FeatureLevel, WaitsForTheLast) {
  for (const auto change : {Hold, Old}) {
    TestGroup group(3, change);
    const uint64_t leader = group.ElectLeader();
    group.Advance(kAWhile);
    for (uint64_t id = 1; id <= 3; ++id) EXPECT_EQ(LevelOf(group, id), 1) << id;
    EXPECT_EQ(Ask(group, leader, "SET k w IFEQ v"), kSyntax);
    const Index before = group.at(leader).node().member().core().log().last_index();
    Ask(group, leader, "SET k w IFEQ v");
    EXPECT_EQ(group.at(leader).node().member().core().log().last_index(), before);
  }
}

TEST(FeatureLevel, IsLetGoAtRunTime) {
  TestGroup group(3, Hold);
  const uint64_t leader = group.ElectLeader();
  group.Advance(kAWhile);
  EXPECT_EQ(Ask(group, 3, "CONFIG GET feature-level-max"),
            "*2\r\n$17\r\nfeature-level-max\r\n$1\r\n1\r\n");
  EXPECT_EQ(Ask(group, 3, "CONFIG SET feature-level-max 0"), "+OK\r\n");
  group.Advance(kAWhile);
  EXPECT_EQ(LevelOf(group, leader), 2);
}

// What one has told is taken back at once.
TEST(FeatureLevel, IsHeldAtRunTime) {
  TestGroup group(3, Hold);
  const uint64_t leader = group.ElectLeader();
  group.Advance(kAWhile);
  const uint64_t other = leader == 1 ? 2 : 1;
  const replica::Member& member = group.at(leader).node().member();
  EXPECT_EQ(member.FeatureOf(NodeId(other)), 2);
  EXPECT_EQ(Ask(group, other, "CONFIG SET feature-level-max 1"), "+OK\r\n");
  group.Advance(1'000);
  EXPECT_EQ(member.FeatureOf(NodeId(other)), 1);
  EXPECT_EQ(Ask(group, 3, "CONFIG SET feature-level-max 0"), "+OK\r\n");
  group.Advance(2 * kAWhile);
  EXPECT_EQ(LevelOf(group, leader), 1);
}

// Behind the leader the level may not be known yet: what it would take, no other refuses.
TEST(FeatureLevel, TheLeaderDecidesForAFollower) {
  TestGroup group(3);
  const uint64_t leader = group.ElectLeader();
  const uint64_t follower = leader == 1 ? 2 : 1;
  EXPECT_EQ(LevelOf(group, follower), 1);
  EXPECT_EQ(Ask(group, follower, "SET k w IFEQ v").substr(0, 6), "-MOVED");
  EXPECT_EQ(Ask(group, follower, "SET k w IFEQ").substr(0, 6), "-ERR s");
  group.Advance(kAWhile);
  EXPECT_EQ(Ask(group, follower, "SET k w IFEQ v", PortKind::kProxy), "$-1\r\n");
}

TEST(FeatureLevel, OlderNodesAreNotTakenIn) {
  TestGroup group(3);
  const uint64_t leader = group.ElectLeader();
  group.Advance(kAWhile);
  const std::string add = "RAFT ADD 4 10.0.0.4:7004@17004";
  const std::string in_force =
      "-ERR feature level 2 is in force, which Kvorum 0.2.0 and newer can do; node 4 ";
  const std::string advice =
      ": start it with a newer release (by hand: RAFT ADD id address LEVEL 2)\r\n";
  EXPECT_EQ(Ask(group, leader, add),
            in_force + "does not say that it can, as older releases do not" + advice);
  EXPECT_EQ(Ask(group, leader, add + " LEVEL 1"), in_force + "can do level 1 at most" + advice);
  EXPECT_NE(group.at(leader).logged().back().find("a node is not taken in"), std::string::npos);
  EXPECT_EQ(Ask(group, leader, add + " LEVEL x"),
            "-ERR value is not an integer or out of range\r\n");
  EXPECT_EQ(Ask(group, leader, add + " STEP 2"), kSyntax);
  EXPECT_EQ(Ask(group, leader, add + " LEVEL 2"), "+OK\r\n");
}

TEST(FeatureLevel, AndTheyAreBeforeIt) {
  TestGroup group(3, Hold);
  const uint64_t leader = group.ElectLeader();
  group.Advance(kAWhile);
  EXPECT_EQ(Ask(group, leader, "RAFT ADD 4 10.0.0.4:7004@17004"), "+OK\r\n");
}

TEST(FeatureLevel, IsShown) {
  TestGroup group(3, Hold);
  const uint64_t leader = group.ElectLeader();
  group.Advance(kAWhile);
  EXPECT_NE(
      Ask(group, leader, "RAFT INFO")
          .find("$13\r\nfeature_level\r\n:1\r\n$23\r\nfeature_level_supported\r\n:2\r\n$17\r\n"
                "feature_level_max\r\n:0\r\n"),
      std::string::npos);
  EXPECT_NE(Ask(group, leader, "RAFT NODES").find("$17\r\nfeature_level_max\r\n:2\r\n"),
            std::string::npos);
}

// A release that knows of no levels must take these bytes and do nothing: they are the close of a
// client that it has never heard of.
TEST(FeatureLevel, IsToldInAFormThatOlderReleasesTake) {
  std::string bytes;
  EncodeFrame(FeatureAbility{2}, bytes);
  const std::string body = bytes.substr(8);
  EXPECT_EQ(body, std::string("\x04\x82\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11));
  PeerMessage message;
  size_t size = 0;
  std::string why;
  ASSERT_EQ(DecodeFrame(bytes, &message, &size, &why), FrameState::kReady);
  EXPECT_EQ(std::get<FeatureAbility>(message).level, 2);
  bytes.clear();
  EncodeFrame(ForwardClose{77}, bytes);
  ASSERT_EQ(DecodeFrame(bytes, &message, &size, &why), FrameState::kReady);
  EXPECT_EQ(std::get<ForwardClose>(message).client, 77U);
}

}  // namespace
}  // namespace kvorum::server
