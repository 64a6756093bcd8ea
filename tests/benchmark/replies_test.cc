// SPDX-License-Identifier: Apache-2.0
#include "benchmark/load/replies.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace kvorum::load {
namespace {

constexpr std::string_view kReplies[] = {
    "+OK\r\n",
    "-MOVED 1 a:2\r\n",
    ":12\r\n",
    "$5\r\nhello\r\n",
    "$0\r\n\r\n",
    "$4\r\na\r\nb\r\n",
    "$-1\r\n",
    "*-1\r\n",
    "*0\r\n",
    "*2\r\n:1\r\n:1\r\n",
    "*2\r\n*2\r\n$1\r\na\r\n:1\r\n+x\r\n",
    "%1\r\n+a\r\n*1\r\n_\r\n",
    "_\r\n",
    ",1.5\r\n",
    "#t\r\n",
};

TEST(RepliesTest, EndsWhereTheReplyEnds) {
  for (const std::string_view text : kReplies) {
    Reply reply;
    ASSERT_EQ(ScanReply(std::string(text) + "+next\r\n", reply), ReplyState::kComplete) << text;
    EXPECT_EQ(reply.bytes, text.size()) << text;
    EXPECT_EQ(reply.kind, text[0]) << text;
  }
}

TEST(RepliesTest, EveryPrefixIsIncomplete) {
  for (const std::string_view text : kReplies) {
    for (size_t n = 0; n < text.size(); ++n) {
      Reply reply;
      EXPECT_EQ(ScanReply(text.substr(0, n), reply), ReplyState::kIncomplete) << text << n;
    }
  }
}

TEST(RepliesTest, NullsAreTold) {
  Reply reply;
  for (const std::string_view text : {"$-1\r\n", "*-1\r\n", "_\r\n"}) {
    ScanReply(text, reply);
    EXPECT_TRUE(reply.null) << text;
  }
  for (const std::string_view text : {"$0\r\n\r\n", "*1\r\n$-1\r\n", "+OK\r\n"}) {
    ScanReply(text, reply);
    EXPECT_FALSE(reply.null) << text;
  }
}

TEST(RepliesTest, WhatIsNoResp) {
  for (const std::string_view text : {"HTTP/1.1 400\r\n", "\r\n", "$x\r\n", "$-2\r\n", "*1x\r\n"}) {
    Reply reply;
    EXPECT_EQ(ScanReply(text, reply), ReplyState::kNoResp) << text;
  }
}

TEST(RepliesTest, Moved) {
  const auto moved = ParseMoved("MOVED 12182 node-2:7001", "asked");
  ASSERT_TRUE(moved);
  EXPECT_EQ(moved->slot, 12182u);
  EXPECT_EQ(moved->to, (Address{"node-2", 7001}));
  EXPECT_EQ(ParseMoved("MOVED 1 :7001", "asked")->to, (Address{"asked", 7001}));
  for (const std::string_view text : {"MOVED", "MOVED 1", "MOVED x a:1", "MOVED 16384 a:1",
                                      "MOVED 1 a", "ERR MOVED 1 a:1", "MOVEDX 1 a:1"}) {
    EXPECT_FALSE(ParseMoved(text, "asked")) << text;
  }
}

TEST(RepliesTest, ErrorWord) {
  EXPECT_EQ(ErrorWord("ERR no"), "ERR");
  EXPECT_EQ(ErrorWord("CLUSTERDOWN"), "CLUSTERDOWN");
}

}  // namespace
}  // namespace kvorum::load
