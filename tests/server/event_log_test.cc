// SPDX-License-Identifier: Apache-2.0
//
// What happened to a group, as lines, as a file and by RAFT EVENTS.
#include <gtest/gtest.h>

#include <string>

#include "server/event_file.h"
#include "server/event_log.h"
#include "server/limits.h"
#include "tests/disk/memory_files.h"
#include "tests/server/node_fixture.h"

namespace kvorum::server {
namespace {

// ---- lines --------------------------------------------------------------------------------------

TEST(EventLog, ALineIsAJsonObject) {
  EventLog log;
  const EventLog::Recorded& recorded =
      log.Add(1'700'000'000'007, {"votes", Term(5), {{"for", uint64_t{2}}, {"why", "a \"b\"\n"}}});
  EXPECT_EQ(EventLog::Line(NodeId(1), recorded),
            R"({"time":"2023-11-14T22:13:20.007Z","node":1,"term":5,"event":"votes","for":2,)"
            R"("why":"a \"b\"\u000a"})");
}

TEST(EventLog, OnlyTheNewestAreKept) {
  EventLog log;
  for (size_t i = 0; i < kEventsKept + 3; ++i) log.Add(0, {"votes", Term(i), {}});
  EXPECT_EQ(log.recent().size(), kEventsKept);
  EXPECT_EQ(log.recent().front().event.term, Term(3));
}

// ---- the file -----------------------------------------------------------------------------------

TEST(EventFile, GoesOnWhereAFormerLifeStopped) {
  disk::MemoryFiles files;
  for (const char* line : {"one", "two"}) {
    EventFile file(files);
    file.Add(line);
    ASSERT_TRUE(file.Write().ok());
  }
  EXPECT_EQ(files.Contents("events.jsonl"), "one\ntwo\n");
}

TEST(EventFile, AFullOneBecomesTheOldOne) {
  disk::MemoryFiles files;
  EventFile file(files);
  const std::string long_line(kEventFileBytes, 'x');
  for (const std::string& line : {long_line, std::string("two"), std::string("three")}) {
    file.Add(line);
    ASSERT_TRUE(file.Write().ok());
  }
  EXPECT_EQ(files.Contents("events.1.jsonl").size(), kEventFileBytes + 1);
  EXPECT_EQ(files.Contents("events.jsonl"), "two\nthree\n");
}

// ---- of a group ---------------------------------------------------------------------------------

TEST(Events, TellAnElection) {
  TestGroup group(3);
  const uint64_t leader = group.ElectLeader();
  for (uint64_t id = 1; id <= 3; ++id) {
    std::string names;
    for (const EventLog::Recorded& one : group.at(id).node().events().recent()) {
      names += std::string(one.event.name) + " ";
    }
    if (id == leader) {
      EXPECT_EQ(names, "campaigns elected serves ");
    } else {
      EXPECT_TRUE(names.ends_with("follows ")) << names;
    }
    EXPECT_EQ(group.at(id).recorded().size(), group.at(id).node().events().recent().size());
  }
}

TEST(Events, RaftEventsShowsTheNewest) {
  OneNode node;
  TestClient& client = node.Connect();
  EXPECT_EQ(node.Send(client, "RAFT EVENTS 0\r\n"), "*0\r\n");
  const std::string one = node.Send(client, "RAFT EVENTS 1\r\n");
  EXPECT_TRUE(one.starts_with("*1\r\n*10\r\n$4\r\ntime\r\n$24\r\n")) << one;
  EXPECT_TRUE(
      one.ends_with("$5\r\nevent\r\n$13\r\nfeature-level\r\n$5\r\nlevel\r\n:2\r\n"
                    "$5\r\nindex\r\n:2\r\n"))
      << one;
  EXPECT_TRUE(node.Send(client, "RAFT EVENTS\r\n").starts_with("*5\r\n"));
  EXPECT_TRUE(node.Send(client, "RAFT EVENTS -1\r\n").starts_with("-ERR value is out of range"));
  EXPECT_TRUE(node.Send(client, "RAFT EVENTS x\r\n").starts_with("-ERR value is not an integer"));
}

TEST(Events, AHandOverSaysWhy) {
  TestGroup group(3);
  const uint64_t leader = group.ElectLeader();
  group.at(leader).Input([&] { group.at(leader).node().BeginDrain(); });
  group.Settle();
  std::string lines;
  for (const std::string& line : group.at(leader).recorded()) lines += line + "\n";
  EXPECT_NE(lines.find(R"("event":"stops"})"), std::string::npos) << lines;
  EXPECT_NE(lines.find(R"("event":"hands-over","why":"stops"})"), std::string::npos) << lines;
  EXPECT_NE(lines.find(R"("event":"follows","leader":)"), std::string::npos) << lines;
}

}  // namespace
}  // namespace kvorum::server
