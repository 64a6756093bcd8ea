// SPDX-License-Identifier: Apache-2.0
//
// Local commands whose replies are too long or too changeable for a script.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

#include "server/local_families.h"
#include "store/families.h"
#include "tests/server/node_fixture.h"

namespace kvorum::server {
namespace {

class LocalCommands : public ::testing::Test {
 protected:
  std::string Send(std::string_view line) {
    return node_.Send(client_, std::string(line) + "\r\n");
  }
  // The lines "name:value" of INFO.
  std::map<std::string, std::string> Info(const std::string& arguments = "") {
    const std::string text = Send("INFO " + arguments);
    std::map<std::string, std::string> fields;
    size_t from = 0;
    while (from < text.size()) {
      const size_t to = std::min(text.find("\r\n", from), text.size());
      const std::string line = text.substr(from, to - from);
      const size_t colon = line.find(':');
      if (colon != std::string::npos) fields[line.substr(0, colon)] = line.substr(colon + 1);
      from = to + 2;
    }
    return fields;
  }

  OneNode node_;
  TestClient& client_ = node_.Connect();
};

// What ioredis, BullMQ, Sidekiq, lettuce and redis_exporter look for.
TEST_F(LocalCommands, InfoHasWhatClientsParse) {
  Send("SET k v");
  Send("GET k");
  Send("GET nosuch");
  const auto fields = Info();
  const std::pair<const char*, const char*> expected[] = {
      {"loading", "0"},          {"redis_version", "7.2.0"}, {"redis_mode", "cluster"},
      {"role", "master"},        {"connected_slaves", "0"},  {"maxmemory_policy", "noeviction"},
      {"cluster_enabled", "1"},  {"connected_clients", "1"}, {"master_repl_offset", "3"},
      {"keyspace_hits", "1"},    {"keyspace_misses", "1"},   {"db0", "keys=1,expires=0,avg_ttl=0"},
      {"kvorum_role", "leader"}, {"kvorum_node_id", "1"},    {"kvorum_read_mode", "lease"},
      {"kvorum_term", "1"},      {"kvorum_leader", "1"},     {"kvorum_commit_index", "3"},
      {"tcp_port", "7001"},      {"blocked_clients", "0"},   {"kvorum_applied_index", "3"}};
  for (const auto& [name, value] : expected) {
    ASSERT_TRUE(fields.contains(name)) << name;
    EXPECT_EQ(fields.at(name), value) << name;
  }
  for (const char* name : {"used_memory", "used_memory_rss", "uptime_in_seconds", "process_id",
                           "total_commands_processed", "used_cpu_user", "kvorum_version"}) {
    EXPECT_TRUE(fields.contains(name)) << name;
  }
  EXPECT_FALSE(fields.contains("cmdstat_get"));  // not by default
}

TEST_F(LocalCommands, InfoSections) {
  EXPECT_EQ(Info("CLUSTER").size(), 1U);
  EXPECT_EQ(Info("cluster memory").count("used_memory"), 1U);
  EXPECT_EQ(Info("all").count("cmdstat_info"), 1U);
  EXPECT_EQ(Info("everything").size(), Info("all").size());
  EXPECT_EQ(Info("default").size(), Info().size());
}

TEST_F(LocalCommands, CommandstatsCountSubcommandsApart) {
  Send("GET k");
  Send("CLIENT ID");
  Send("CLIENT ID");
  auto fields = Info("commandstats");
  EXPECT_TRUE(fields["cmdstat_get"].starts_with("calls=1,usec=")) << fields["cmdstat_get"];
  EXPECT_TRUE(fields["cmdstat_client|id"].starts_with("calls=2,usec="));
  EXPECT_FALSE(fields.contains("cmdstat_client"));
}

TEST_F(LocalCommands, ResetstatCountsFromThere) {
  Send("SET k v");
  Send("GET k");
  EXPECT_EQ(Send("CONFIG RESETSTAT"), "+OK\r\n");
  auto fields = Info("all");
  EXPECT_EQ(fields["keyspace_hits"], "0");
  EXPECT_FALSE(fields.contains("cmdstat_get"));
  Send("GET k");
  EXPECT_EQ(Info("stats")["keyspace_hits"], "1");
  // The counters that the exporter reads do not go back.
  EXPECT_EQ(node_.node().node().machine().stats().keyspace_hits.Get(), 2U);
}

TEST_F(LocalCommands, ClientListShowsEveryConnection) {
  TestClient& other = node_.Connect(PortKind::kProxy);
  node_.Send(other,
             "HELLO 3 SETNAME worker\r\nCLIENT SETINFO LIB-NAME lib\r\nSELECT 3\r\n"
             "READONLY\r\n");
  node_.group().Advance(2'500'000);
  const std::string list = Send("CLIENT LIST");
  EXPECT_NE(list.find("id=1 addr=127.0.0.1:50001 laddr=127.0.0.1:7001 fd=9 name= age=2 idle=0 "
                      "flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 qbuf=0 qbuf-free="),
            std::string::npos)
      << list;
  EXPECT_NE(list.find(" cmd=client|list user=default redir=-1 resp=2 lib-name= lib-ver=\n"),
            std::string::npos)
      << list;
  EXPECT_NE(list.find("\nid=2 addr=127.0.0.1:50002 laddr=127.0.0.1:7001 fd=9 name=worker age=2 "
                      "idle=2 flags=r db=3 "),
            std::string::npos)
      << list;
  EXPECT_NE(list.find(" cmd=readonly user=default redir=-1 resp=3 lib-name=lib lib-ver=\n"),
            std::string::npos)
      << list;
  EXPECT_EQ(Send("CLIENT LIST ID 2").find("id=1 "), std::string::npos);
  EXPECT_NE(Send("CLIENT LIST TYPE normal").find("id=2 "), std::string::npos);
  EXPECT_EQ(Send("CLIENT INFO").find("id=2 "), std::string::npos);
}

TEST_F(LocalCommands, AWaitingClientIsBlocked) {
  TestClient& other = node_.Connect();
  node_.Send(other, "WAIT 1 0\r\n");
  EXPECT_NE(Send("CLIENT LIST ID 2").find(" flags=b "), std::string::npos);
  EXPECT_EQ(Info("clients")["blocked_clients"], "1");
  EXPECT_EQ(Send("CLIENT KILL ID 2"), ":1\r\n");
  EXPECT_TRUE(other.closed);
}

// The whole of COMMAND, COMMAND DOCS and COMMAND LIST is well formed: as many elements as
// announced.
class Walk {
 public:
  explicit Walk(std::string_view bytes) : bytes_(bytes) {}

  // Steps over one reply; false when it is not whole.
  bool Skip() {
    const size_t end = bytes_.find("\r\n");
    if (end == std::string_view::npos) return false;
    const char type = bytes_[0];
    const long count = std::atol(std::string(bytes_.substr(1, end - 1)).c_str());
    bytes_.remove_prefix(end + 2);
    if (type == '+' || type == '-' || type == ':' || type == '_') return true;
    if (type == '$' || type == '=') {
      if (count < 0) return true;
      if (bytes_.size() < static_cast<size_t>(count) + 2) return false;
      bytes_.remove_prefix(static_cast<size_t>(count) + 2);
      return true;
    }
    if (type != '*' && type != '~' && type != '%') return false;
    for (long i = 0; i < count * (type == '%' ? 2 : 1); ++i) {
      if (!Skip()) return false;
    }
    return true;
  }
  [[nodiscard]] bool done() const { return bytes_.empty(); }

 private:
  std::string_view bytes_;
};

TEST_F(LocalCommands, RepliesAreWhole) {
  for (const char* protocol : {"2", "3"}) {
    Send("HELLO " + std::string(protocol));
    for (const char* command :
         {"COMMAND", "COMMAND INFO", "COMMAND DOCS", "COMMAND LIST", "RAFT INFO", "RAFT NODES",
          "RAFT LOG", "CLUSTER SHARDS", "CLUSTER SLOTS", "CONFIG GET *", "INFO all", "CLIENT LIST",
          "CLIENT INFO", "CLUSTER HELP", "RAFT HELP", "OBJECT HELP", "ROLE", "HELLO"}) {
      const std::string reply = Send(command);
      EXPECT_NE(reply[0], '-') << command << ": " << reply;
      Walk walk(reply);
      EXPECT_TRUE(walk.Skip() && walk.done()) << command << " in RESP" << protocol;
    }
  }
}

TEST_F(LocalCommands, CommandCountsAllRows) {
  size_t rows = 0;
  for (const auto family : store::StoreFamilies()) rows += family.size();
  for (const auto family : LocalFamilies()) rows += family.size();
  EXPECT_EQ(Send("COMMAND COUNT"), ":" + std::to_string(rows) + "\r\n");
  EXPECT_TRUE(Send("COMMAND").starts_with("*" + std::to_string(rows) + "\r\n"));
}

// Clients and tools ask for these by name; a missing one ends some of them.
TEST_F(LocalCommands, WhatClientsNeedIsThere) {
  for (const char* name : {"ping",
                           "echo",
                           "hello",
                           "auth",
                           "quit",
                           "reset",
                           "select",
                           "client",
                           "client|id",
                           "client|getname",
                           "client|setname",
                           "client|setinfo",
                           "client|info",
                           "client|list",
                           "client|kill",
                           "client|reply",
                           "client|no-evict",
                           "client|no-touch",
                           "command",
                           "command|count",
                           "command|info",
                           "command|docs",
                           "command|list",
                           "command|getkeys",
                           "command|getkeysandflags",
                           "info",
                           "config",
                           "config|get",
                           "config|set",
                           "config|resetstat",
                           "config|rewrite",
                           "cluster",
                           "cluster|slots",
                           "cluster|shards",
                           "cluster|nodes",
                           "cluster|info",
                           "cluster|myid",
                           "cluster|myshardid",
                           "cluster|keyslot",
                           "cluster|countkeysinslot",
                           "cluster|getkeysinslot",
                           "readonly",
                           "readwrite",
                           "asking",
                           "role",
                           "time",
                           "wait",
                           "waitaof",
                           "shutdown",
                           "raft",
                           "raft|info",
                           "raft|nodes",
                           "raft|log",
                           "raft|snapshot",
                           "raft|add",
                           "raft|remove",
                           "raft|promote",
                           "raft|demote"}) {
    EXPECT_TRUE(Send("COMMAND INFO " + std::string(name)).starts_with("*1\r\n*10\r\n")) << name;
  }
  // Each container has HELP.
  for (const auto family : LocalFamilies()) {
    for (const store::CommandRow& row : family) {
      if (row.subcommand_count == 0) continue;
      EXPECT_NE(store::CommandIndex::FindSubcommand(row, "help"), nullptr) << row.name;
    }
  }
}

TEST_F(LocalCommands, ConfigSetTakesEffect) {
  EXPECT_EQ(Send("CONFIG SET proto-max-bulk-len 1mb"), "+OK\r\n");
  TestClient& next = node_.Connect();
  EXPECT_EQ(node_.Send(next, "*2\r\n$3\r\nGET\r\n$1048577\r\n"),
            "-ERR Protocol error: invalid bulk length\r\n(closed)");
  EXPECT_EQ(Send("SET k v"), "+OK\r\n");
  EXPECT_EQ(Send("CONFIG SET maxmemory 1"), "+OK\r\n");
  EXPECT_TRUE(Send("SET k v").starts_with("-OOM "));
  EXPECT_EQ(Send("CONFIG SET maxmemory 0 read-mode quorum"), "+OK\r\n");
  const uint64_t before = node_.node().node().member().stats().reads_by_quorum.Get();
  EXPECT_EQ(Send("GET k"), "$1\r\nv\r\n");
  EXPECT_EQ(node_.node().node().member().stats().reads_by_quorum.Get(), before + 1);
}

TEST_F(LocalCommands, ShutdownAsksTheHostOnce) {
  EXPECT_FALSE(node_.node().shutdown_requested());
  EXPECT_EQ(Send("SET k v\r\nSHUTDOWN\r\nSET k w"), "+OK\r\n(closed)");
  EXPECT_TRUE(node_.node().shutdown_requested());
}

TEST_F(LocalCommands, RaftSnapshotIsTaken) {
  Send("SET k v");
  EXPECT_EQ(Send("RAFT SNAPSHOT"), "+Background saving started\r\n");
  node_.group().Advance(10'000);
  EXPECT_EQ(node_.node().node().member().core().snapshot().index, Index(3));
  EXPECT_EQ(Info("persistence")["rdb_saves"], "1");
}

}  // namespace
}  // namespace kvorum::server
