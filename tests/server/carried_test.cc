// SPDX-License-Identifier: Apache-2.0
//
// Commands of a follower's clients: the order of their replies, and what happens when those do not
// fit anywhere.
#include <gtest/gtest.h>

#include <string>

#include "server/limits.h"
#include "tests/server/node_fixture.h"

namespace kvorum::server {
namespace {

constexpr uint64_t kSoftLimit = 1 << 20;
constexpr size_t kBigBytes = 32 << 10;

class Carried : public ::testing::Test {
 protected:
  Carried() : leader_(group_.ElectLeader()), follower_(leader_ == 1 ? 2 : 1) {}

  TestNode& leader() { return group_.at(leader_); }
  TestNode& follower() { return group_.at(follower_); }
  // As if the leader had answered: the follower's start is its id.
  void Answer(uint64_t sequence, bool refused, const std::string& bytes) {
    follower().node().OnPeer(
        NodeId(leader_), ForwardReply{follower_, {{sequence, refused, {}, bytes}}}, group_.now());
  }
  TestClient& Pipeline(const std::string& bytes) {
    TestClient& client = follower().Connect(PortKind::kProxy);
    follower().Push(client, bytes);
    follower().Turn();
    return client;
  }
  // Writes, because a follower reads for itself.
  TestClient& ReadBig(int times) {
    Exchange(group_, leader(), leader().Connect(),
             "SET big " + std::string(kBigBytes, 'b') + "\r\n");
    std::string bytes;
    for (int i = 0; i < times; ++i) bytes += "GETEX big PERSIST\r\n";
    return Pipeline(bytes);
  }

  TestGroup group_{3, [](Config& config) { config.output_soft_limit = kSoftLimit; }};
  uint64_t leader_;
  uint64_t follower_;
};

TEST_F(Carried, AReplyWaitsForThoseBeforeIt) {
  TestClient& client = Pipeline("SET k 1\r\nSETNX k 2\r\n");
  Answer(2, false, ":0\r\n");
  follower().Turn();
  EXPECT_EQ(client.received, "");
  Answer(1, false, "+OK\r\n");
  follower().Turn();
  EXPECT_EQ(client.received, "+OK\r\n:0\r\n");
}

TEST_F(Carried, WhatWasRefusedIsNotExecutedBehindWhatFollowedIt) {
  TestClient& client = Pipeline("SET k 1\r\nSETNX k 2\r\n");
  Answer(1, true, "");
  follower().Turn();
  EXPECT_EQ(client.received, "");
  Answer(2, false, ":1\r\n");
  follower().Turn();
  EXPECT_EQ(client.received, "-CLUSTERDOWN The cluster is down\r\n:1\r\n");
}

TEST_F(Carried, WhatTheLeaderHasTakenOnIsExecutedThoughTheLinkIsLost) {
  // Quorum reads keep the leader from executing at once.
  leader().config().lease_reads = false;
  TestClient& client = Pipeline("SET k 1\r\n");
  leader().Input([this] { leader().node().OnLinkReset(NodeId(follower_)); });
  leader().Turn();
  follower().node().OnLinkReset(NodeId(leader_));
  group_.Settle();
  EXPECT_EQ(client.received, "+OK\r\n");
}

TEST_F(Carried, RepliesWaitUntilTheLinkTakesThem) {
  leader().SetQueuedBytes(kRemoteReplyBytes);
  TestClient& client = ReadBig(3);
  group_.Settle();
  EXPECT_EQ(client.received, "");
  leader().SetQueuedBytes(0);
  group_.Settle();
  EXPECT_EQ(client.received.size(), 3 * (kBigBytes + 10));
}

TEST_F(Carried, RepliesGoInMessagesOfLimitedSize) {
  TestClient& client = ReadBig(200);
  client.reads = true;
  group_.Settle();
  EXPECT_EQ(client.received.size(), 200 * (kBigBytes + 10));
  EXPECT_LE(leader().largest_reply_message(), kForwardReplyBytes + kBigBytes + 10);
}

TEST_F(Carried, NoMoreAreCarriedThanTheClientHasRoomFor) {
  TestClient& client = ReadBig(200);
  EXPECT_EQ(follower().node().carried_pending(), kFirstForwards);
  client.reads = false;
  group_.Settle();
  EXPECT_LE(client.session->output.size(), kSoftLimit * 4);
  client.reads = true;
  follower().Resume(client);
  group_.Settle();
  EXPECT_EQ(client.received.size(), 200 * (kBigBytes + 10));
}

}  // namespace
}  // namespace kvorum::server
