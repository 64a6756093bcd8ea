// SPDX-License-Identifier: Apache-2.0
//
// SIGTERM to a leader: its clients are told where to go before their connections are closed.
#include <gtest/gtest.h>

#include "server/limits.h"
#include "tests/server/node_fixture.h"

namespace kvorum::server {
namespace {

class Drain : public ::testing::Test {
 protected:
  Drain() : leader_(group_.ElectLeader()) { Exchange(group_, node(), client_, "SET k 1\r\n"); }
  TestNode& node() { return group_.at(leader_); }
  void Begin() {
    node().Input([this] { node().node().BeginDrain(); });
    group_.Settle();
    ASSERT_FALSE(node().LeadsAndServes());
  }

  TestGroup group_{3};
  uint64_t leader_;
  TestClient& client_{group_.at(leader_).Connect()};
};

TEST_F(Drain, WaitsUntilAClientHasBeenRedirected) {
  Begin();
  EXPECT_FALSE(node().node().Drained());
  EXPECT_TRUE(Exchange(group_, node(), client_, "SET k 2\r\n").starts_with("-MOVED "));
  EXPECT_TRUE(node().node().Drained());
}

TEST_F(Drain, DoesNotWaitForWhoHasGone) {
  Begin();
  node().Disconnect(client_);
  group_.Settle();
  EXPECT_TRUE(node().node().Drained());
}

TEST_F(Drain, DoesNotWaitForWhoDoesNotAsk) {
  Begin();
  group_.Advance(kRedirectPatienceUs);
  EXPECT_TRUE(node().node().Drained());
}

TEST_F(Drain, DoesNotWaitForTheIdle) {
  group_.Advance(2 * kRedirectPatienceUs);
  leader_ = group_.ElectLeader();
  Begin();
  EXPECT_TRUE(node().node().Drained());
}

TEST_F(Drain, AClientOfTheProxyIsServedMeanwhile) {
  TestClient& proxied = node().Connect(PortKind::kProxy);
  Exchange(group_, node(), proxied, "SET k 2\r\n");
  Begin();
  EXPECT_EQ(Exchange(group_, node(), proxied, "GET k\r\n"), "$1\r\n2\r\n");
}

TEST(DrainAlone, NobodyCanBeRedirected) {
  OneNode one;
  TestClient& client = one.Connect();
  one.Send(client, "SET k 1\r\n");
  one.node().Input([&] { one.node().node().BeginDrain(); });
  one.group().Settle();
  EXPECT_TRUE(one.node().node().Drained());
}

}  // namespace
}  // namespace kvorum::server
