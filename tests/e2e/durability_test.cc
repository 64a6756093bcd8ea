// SPDX-License-Identifier: Apache-2.0
//
// The promise, on real processes: what was acknowledged is there, whoever was killed.
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <iostream>
#include <thread>

#include "tests/e2e/load.h"
#include "tests/e2e/test_cluster.h"

namespace kvorum::e2e {
namespace {

constexpr int kClients = 6;

// Lets the load go on until `more` further writes were acknowledged.
void Progress(const Load& load, uint64_t more) {
  const uint64_t target = load.acknowledged() + more;
  ASSERT_TRUE(WaitFor([&] { return load.acknowledged() >= target; }, std::chrono::seconds(60)))
      << "writes have stopped";
}

std::string Field(const TestCluster& cluster, int node, const std::string& name) {
  const ContextPtr context = Connect(cluster.Port(node));
  if (context == nullptr) return {};
  const ReplyPtr reply = Command(context.get(), {"RAFT", "INFO"});
  if (reply == nullptr || reply->type != REDIS_REPLY_ARRAY) return {};
  for (size_t i = 0; i + 1 < reply->elements; i += 2) {
    if (name != reply->element[i]->str) continue;
    const redisReply* value = reply->element[i + 1];
    return value->type == REDIS_REPLY_INTEGER ? std::to_string(value->integer)
                                              : std::string(value->str);
  }
  return {};
}

TEST(Durability, OneNodeKilledUnderLoadAndRestarted) {
  TestCluster cluster(1);
  ASSERT_NO_FATAL_FAILURE(cluster.StartAll());
  Load load(cluster, kClients, Through::kClusterPorts);
  for (int round = 0; round < 5; ++round) {
    Progress(load, 500);
    cluster.Kill(1);
    cluster.Start(1);
  }
  Progress(load, 500);
  load.Stop();
  load.Verify();
}

// Ten leaders die one after another; the clients use the redirects.
TEST(Durability, LeaderKilledTenTimesWithRedirects) {
  TestCluster cluster(3);
  ASSERT_NO_FATAL_FAILURE(cluster.StartAll());
  cluster.WaitForLeader();
  Load load(cluster, kClients, Through::kClusterPorts);
  for (int round = 0; round < 10; ++round) {
    Progress(load, 300);
    const int leader = cluster.WaitForLeader();
    cluster.Kill(leader);
    Progress(load, 300);
    cluster.Start(leader);
  }
  load.Stop();
  load.Verify();
  std::cout << "longest time a client waited: " << load.longest_gap().count() << " ms\n";
}

// The same through proxy ports, where clients see no redirect.
TEST(Durability, LeaderKilledTenTimesThroughProxyPorts) {
  TestCluster cluster(3);
  ASSERT_NO_FATAL_FAILURE(cluster.StartAll());
  cluster.WaitForLeader();
  Load load(cluster, kClients, Through::kProxyPorts);
  for (int round = 0; round < 10; ++round) {
    Progress(load, 300);
    const int leader = cluster.WaitForLeader();
    cluster.Kill(leader);
    Progress(load, 300);
    cluster.Start(leader);
  }
  load.Stop();
  load.Verify();
  std::cout << "longest time a client waited: " << load.longest_gap().count() << " ms\n";
}

TEST(Durability, EveryNodeKilledAtOnceAndRestarted) {
  TestCluster cluster(3);
  ASSERT_NO_FATAL_FAILURE(cluster.StartAll());
  cluster.WaitForLeader();
  Load load(cluster, kClients, Through::kClusterPorts);
  for (int round = 0; round < 3; ++round) {
    Progress(load, 500);
    for (int node = 1; node <= 3; ++node) cluster.Signal(node, SIGKILL);
    for (int node = 1; node <= 3; ++node) cluster.Kill(node);
    cluster.StartAll();
  }
  Progress(load, 500);
  load.Stop();
  load.Verify();
}

// A leader that is paused and comes back must not answer from the past.
TEST(Durability, LeaderStoppedAndContinued) {
  TestCluster cluster(3);
  ASSERT_NO_FATAL_FAILURE(cluster.StartAll());
  cluster.WaitForLeader();
  Load load(cluster, kClients, Through::kClusterPorts);
  for (int round = 0; round < 3; ++round) {
    Progress(load, 300);
    const int leader = cluster.WaitForLeader();
    cluster.Signal(leader, SIGSTOP);
    ASSERT_TRUE(WaitFor([&] {
      for (int node = 1; node <= 3; ++node) {
        if (node != leader && Field(cluster, node, "role") == "leader") return true;
      }
      return false;
    }));
    cluster.Signal(leader, SIGCONT);
    Progress(load, 300);
  }
  load.Stop();
  load.Verify();
}

TEST(Durability, FollowerThatIsFarBehindGetsASnapshot) {
  TestCluster cluster(3, {"--snapshot-log-size", "1mb", "--keep-log-size", "256kb"});
  ASSERT_NO_FATAL_FAILURE(cluster.StartAll());
  const int follower = cluster.WaitForFollower();
  cluster.Kill(follower);
  Load load(cluster, kClients, Through::kClusterPorts);
  const ContextPtr bulk = Connect(cluster.Port(cluster.WaitForLeader()));
  ASSERT_NE(bulk, nullptr);
  for (int i = 0; i < 600; ++i) {
    ASSERT_EQ(Text(Command(bulk.get(), {"SET", "big:" + std::to_string(i % 50),
                                        std::string(8192, static_cast<char>('a' + i % 26))})),
              "OK");
  }
  ASSERT_TRUE(WaitFor(
      [&] { return std::stoull(Field(cluster, cluster.WaitForLeader(), "snapshot_index")) > 0; }));
  cluster.Start(follower);
  Progress(load, 500);
  load.Stop();
  const std::string end = Field(cluster, cluster.WaitForLeader(), "commit_index");
  ASSERT_TRUE(WaitFor([&] {
    return std::stoull(Field(cluster, follower, "applied_index")) >= std::stoull(end);
  })) << "the follower does not catch up";
  EXPECT_GT(std::stoull(Field(cluster, follower, "snapshot_index")), 0U);
  const ContextPtr reader = Connect(cluster.Port(follower));
  ASSERT_NE(reader, nullptr);
  EXPECT_EQ(Text(Command(reader.get(), {"READONLY"})), "OK");
  EXPECT_EQ(Text(Command(reader.get(), {"STRLEN", "big:7"})), "8192");
  load.Verify();
}

TEST(Durability, DataDirectoryStaysBoundedUnderOverwrites) {
  TestCluster cluster(
      1, {"--snapshot-log-size", "1mb", "--keep-log-size", "256kb", "--wal-segment-size", "1mb"});
  ASSERT_NO_FATAL_FAILURE(cluster.StartAll());
  cluster.WaitForLeader();
  const ContextPtr context = Connect(cluster.Port(1));
  ASSERT_NE(context, nullptr);
  const std::string value(16384, 'v');
  for (int i = 0; i < 2000; ++i) {  // 32 MB of log for 160 KB of data
    ASSERT_EQ(Text(Command(context.get(), {"SET", "key:" + std::to_string(i % 10), value})), "OK");
  }
  uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(cluster.DataOf(1))) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  EXPECT_LT(bytes, 16U << 20);
}

TEST(Operations, TerminatedLeaderHandsOverAndExitsCleanly) {
  TestCluster cluster(3);
  ASSERT_NO_FATAL_FAILURE(cluster.StartAll());
  const int leader = cluster.WaitForLeader();
  Load load(cluster, kClients, Through::kClusterPorts);
  Progress(load, 300);
  EXPECT_EQ(cluster.Terminate(leader), 0);
  Progress(load, 300);
  cluster.Start(leader);
  load.Stop();
  load.Verify();
  std::cout << "longest time a client waited: " << load.longest_gap().count() << " ms\n";
}

TEST(Operations, SecondStartOnTheSameDirectoryIsRefused) {
  TestCluster cluster(1);
  ASSERT_NO_FATAL_FAILURE(cluster.StartAll());
  EXPECT_EQ(cluster.ExitCodeOfSecondStart(1), 1);
  EXPECT_EQ(cluster.Ask(cluster.Port(1), {"PING"}), "PONG");
}

TEST(Operations, RestartFindsEverything) {
  TestCluster cluster(1);
  ASSERT_NO_FATAL_FAILURE(cluster.StartAll());
  cluster.WaitForLeader();
  EXPECT_EQ(cluster.Ask(cluster.Port(1), {"SET", "k", "v", "PX", "3600000"}), "OK");
  EXPECT_EQ(cluster.Ask(cluster.Port(1), {"SETRANGE", "other", "5", "x"}), "6");
  EXPECT_EQ(cluster.Terminate(1), 0);
  cluster.Start(1);
  EXPECT_EQ(cluster.Ask(cluster.Port(1), {"GET", "k"}), "v");
  EXPECT_EQ(cluster.Ask(cluster.Port(1), {"GET", "other"}), std::string(5, '\0') + "x");
  EXPECT_GT(std::stoll(cluster.Ask(cluster.Port(1), {"PTTL", "k"})), 3'000'000);
}

}  // namespace
}  // namespace kvorum::e2e
