// SPDX-License-Identifier: Apache-2.0
//
// The order of replies: whatever is mixed in one read, they come in the order of the requests, and
// a command sees what its predecessors have changed.
#include <gtest/gtest.h>

#include <string>

#include "tests/server/node_fixture.h"

namespace kvorum::server {
namespace {

class Pipeline : public ::testing::Test {
 protected:
  std::string Send(std::string_view bytes) { return node_.Send(client_, bytes); }

  OneNode node_;
  TestClient& client_ = node_.Connect();
};

TEST_F(Pipeline, WritesReadsAndLocalCommandsKeepTheirOrder) {
  EXPECT_EQ(
      Send("SET k 1\r\nGET k\r\nPING\r\nINCR k\r\nGET k\r\nECHO x\r\nFOO\r\nSET k\r\nGET k\r\n"),
      "+OK\r\n$1\r\n1\r\n+PONG\r\n:2\r\n$1\r\n2\r\n$1\r\nx\r\n"
      "-ERR unknown command 'FOO', with args beginning with: \r\n"
      "-ERR wrong number of arguments for 'set' command\r\n$1\r\n2\r\n");
}

TEST_F(Pipeline, ReadsByQuorumKeepTheirOrderToo) {
  node_.node().config().lease_reads = false;
  node_.node().node().member().SetLeaseReads(false);
  EXPECT_EQ(Send("GET k\r\nPING\r\nGET k\r\nSET k 1\r\nGET k\r\nPING\r\nGET k\r\n"),
            "$-1\r\n+PONG\r\n$-1\r\n+OK\r\n$1\r\n1\r\n+PONG\r\n$1\r\n1\r\n");
}

TEST_F(Pipeline, TheProtocolChangesWithHello) {
  const std::string reply = Send("GET no\r\nHELLO 3\r\nGET no\r\nSET k 1\r\nHELLO 2\r\nGET no\r\n");
  EXPECT_TRUE(reply.starts_with("$-1\r\n%7\r\n")) << reply;
  EXPECT_NE(reply.find("_\r\n+OK\r\n*14\r\n"), std::string::npos) << reply;
  EXPECT_TRUE(reply.ends_with("$-1\r\n")) << reply;
}

TEST_F(Pipeline, TheDatabaseChangesWithSelect) {
  EXPECT_EQ(Send("SET k 0\r\nSELECT 1\r\nGET k\r\nSET k 1\r\nSELECT 0\r\nGET k\r\nSELECT 1\r\n"
                 "GET k\r\n"),
            "+OK\r\n+OK\r\n$-1\r\n+OK\r\n+OK\r\n$1\r\n0\r\n+OK\r\n$1\r\n1\r\n");
}

TEST_F(Pipeline, ReplyOff) {
  EXPECT_EQ(Send("CLIENT REPLY OFF\r\nSET k 1\r\nGET k\r\nPING\r\nFOO\r\nCLIENT REPLY ON\r\n"
                 "GET k\r\n"),
            "+OK\r\n$1\r\n1\r\n");
  EXPECT_EQ(Send("CLIENT REPLY OFF\r\nCLIENT REPLY SKIP\r\nPING\r\nPING\r\n"), "");
  EXPECT_EQ(Send("CLIENT REPLY ON\r\n"), "+OK\r\n");
}

TEST_F(Pipeline, ReplySkip) {
  EXPECT_EQ(Send("CLIENT REPLY SKIP\r\nSET k 1\r\nGET k\r\n"), "$1\r\n1\r\n");
  EXPECT_EQ(Send("CLIENT REPLY SKIP\r\nPING\r\nPING\r\n"), "+PONG\r\n");
  // Of two in a row the second is the one that is skipped, and it skips the next.
  EXPECT_EQ(Send("CLIENT REPLY SKIP\r\nCLIENT REPLY SKIP\r\nPING\r\nECHO x\r\n"), "$1\r\nx\r\n");
}

// The reply of CLIENT REPLY ON is sent even where it would have been skipped.
TEST_F(Pipeline, ReplyOnEndsSkip) {
  EXPECT_EQ(Send("CLIENT REPLY SKIP\r\nCLIENT REPLY ON\r\nPING\r\n"), "+OK\r\n+PONG\r\n");
}

TEST_F(Pipeline, NothingIsExecutedBehindQuit) {
  EXPECT_EQ(Send("SET k 1\r\nQUIT\r\nSET k 2\r\n"), "+OK\r\n+OK\r\n(closed)");
  EXPECT_EQ(node_.Send(node_.Connect(), "GET k\r\n"), "$1\r\n1\r\n");
}

TEST_F(Pipeline, WhatIsOwedComesBeforeAProtocolError) {
  EXPECT_EQ(Send("SET k 1\r\nGET k\r\n*x\r\nPING\r\n"),
            "+OK\r\n$1\r\n1\r\n-ERR Protocol error: invalid multibulk length\r\n(closed)");
}

TEST_F(Pipeline, ResetTakesEverythingBack) {
  EXPECT_TRUE(Send("HELLO 3 SETNAME me\r\nSELECT 2\r\n").ends_with("+OK\r\n"));
  EXPECT_EQ(Send("RESET\r\nCLIENT GETNAME\r\nGET no\r\nSET k 1\r\n"),
            "+RESET\r\n$-1\r\n$-1\r\n+OK\r\n");
  EXPECT_EQ(client_.session->database, 0);
  EXPECT_EQ(Send("CLIENT REPLY OFF\r\nRESET\r\n"), "+RESET\r\n");
}

TEST_F(Pipeline, BytesMayComeOneByOne) {
  std::string received;
  for (const char c : std::string("*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING\r\n")) {
    received += Send(std::string_view(&c, 1));
  }
  EXPECT_EQ(received, "$-1\r\n+PONG\r\n");
}

TEST_F(Pipeline, ADeepOneIsServedInSeveralTurns) {
  std::string requests;
  std::string replies;
  for (int i = 1; i <= 40'000; ++i) {
    requests += i % 2 == 0 ? "PING\r\n" : "INCR n\r\n";
    replies += i % 2 == 0 ? "+PONG\r\n" : ":" + std::to_string((i + 1) / 2) + "\r\n";
  }
  EXPECT_EQ(Send(requests), replies);
}

// Nobody else is there, so it waits to the deadline; what follows waits with it.
TEST_F(Pipeline, WaitHoldsBackWhatFollows) {
  EXPECT_EQ(Send("SET k 1\r\nWAIT 1 100\r\nPING\r\n"), "+OK\r\n");
  node_.group().Advance(99'000);
  EXPECT_EQ(Send(""), "");
  node_.group().Advance(2'000);
  EXPECT_EQ(Send(""), ":0\r\n+PONG\r\n");
}

// A read by quorum gets its own place in line: it must not be answered before WAIT is.
TEST_F(Pipeline, WaitHoldsBackReadsByQuorum) {
  node_.node().config().lease_reads = false;
  node_.node().node().member().SetLeaseReads(false);
  EXPECT_EQ(Send("WAIT 1 100\r\nGET k\r\nSET k 1\r\nGET k\r\n"), "");
  node_.group().Advance(102'000);
  EXPECT_EQ(Send(""), ":0\r\n$-1\r\n+OK\r\n$1\r\n1\r\n");
}

TEST_F(Pipeline, WaitKeepsQuietWhenReplyIsOff) {
  EXPECT_EQ(Send("CLIENT REPLY OFF\r\nWAIT 1 10\r\n"), "");
  node_.group().Advance(20'000);
  EXPECT_EQ(Send("CLIENT REPLY ON\r\n"), "+OK\r\n");
}

TEST_F(Pipeline, AWaitingClientMayLeave) {
  Send("WAIT 1 0\r\nPING\r\n");
  node_.node().Disconnect(client_);
  node_.group().Advance(10'000);
  EXPECT_EQ(node_.node().node().sessions().size(), 0U);
}

}  // namespace
}  // namespace kvorum::server
