// SPDX-License-Identifier: Apache-2.0
//
// Three nodes: what each of them tells its clients about the others, before, during and after an
// election.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/server/node_fixture.h"

namespace kvorum::server {
namespace {

class Group : public ::testing::Test {
 protected:
  Group() : leader_(group_.ElectLeader()), follower_(leader_ == 1 ? 2 : 1) {}

  [[nodiscard]] uint64_t third() const { return 6 - leader_ - follower_; }
  std::string Ask(uint64_t node, const std::string& line, PortKind kind = PortKind::kCluster) {
    TestClient& client = group_.at(node).Connect(kind);
    return Exchange(group_, group_.at(node), client, line + "\r\n");
  }
  static std::string AddressOf(uint64_t node) {
    return "10.0.0." + std::to_string(node) + ":" + std::to_string(7000 + node);
  }
  static std::string Field(const std::string& text, const std::string& name) {
    const size_t at = text.find("\n" + name + ":");
    if (at == std::string::npos) return "(missing)";
    const size_t from = at + name.size() + 2;
    return text.substr(from, text.find('\r', from) - from);
  }

  TestGroup group_{3};
  uint64_t leader_;
  uint64_t follower_;
};

TEST_F(Group, AFollowerSendsKeysElsewhereAndKeepsTheRest) {
  EXPECT_EQ(Ask(follower_, "SET foo 1"), "-MOVED 12182 " + AddressOf(leader_) + "\r\n");
  EXPECT_EQ(Ask(follower_, "GET {foo}x"), "-MOVED 12182 " + AddressOf(leader_) + "\r\n");
  EXPECT_EQ(Ask(follower_, "PING"), "+PONG\r\n");
  EXPECT_EQ(Ask(follower_, "DBSIZE"), ":0\r\n");
  EXPECT_EQ(Ask(follower_, "FLUSHALL"), "+OK\r\n");
}

TEST_F(Group, ReadonlyReadsFromTheFollower) {
  EXPECT_EQ(Ask(leader_, "SET k v"), "+OK\r\n");
  group_.Advance(100'000);
  EXPECT_EQ(Ask(follower_, "READONLY\r\nGET k\r\nREADWRITE\r\nGET k"),
            "+OK\r\n$1\r\nv\r\n+OK\r\n-MOVED 7629 " + AddressOf(leader_) + "\r\n");
  EXPECT_EQ(Ask(leader_, "READONLY\r\nGET k"), "+OK\r\n$1\r\nv\r\n");
}

TEST_F(Group, TheProxyPortServesEverywhere) {
  EXPECT_EQ(Ask(follower_, "SET k v\r\nGET k\r\nPING\r\nINCR n", PortKind::kProxy),
            "+OK\r\n$1\r\nv\r\n+PONG\r\n:1\r\n");
}

TEST_F(Group, SlotsAreTheSameOnAllNodesLeaderFirst) {
  const std::string slots = Ask(leader_, "CLUSTER SLOTS");
  EXPECT_EQ(Ask(follower_, "CLUSTER SLOTS"), slots);
  EXPECT_EQ(Ask(third(), "CLUSTER SLOTS"), slots);
  EXPECT_TRUE(slots.starts_with("*1\r\n*5\r\n:0\r\n:16383\r\n*4\r\n$8\r\n10.0.0." +
                                std::to_string(leader_) + "\r\n"))
      << slots;
}

TEST_F(Group, NodesNameOneMyselfAndOneMaster) {
  for (const uint64_t node : {1, 2, 3}) {
    const std::string id = Ask(node, "CLUSTER MYID").substr(5, 40);
    const std::string leader_id = Ask(leader_, "CLUSTER MYID").substr(5, 40);
    const std::string text = Ask(node, "CLUSTER NODES");
    EXPECT_NE(text.find(id + " " + AddressOf(node) + "@" + std::to_string(17000 + node) +
                        " myself," + (node == leader_ ? "master - " : "slave " + leader_id + " ")),
              std::string::npos)
        << text;
    EXPECT_EQ(text.find("myself", text.find("myself") + 1), std::string::npos);
    EXPECT_EQ(text.find(" 0-16383\n", text.find(" 0-16383\n") + 1), std::string::npos);
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3 + 2);
  }
}

TEST_F(Group, RoleAndInfoAgree) {
  const std::string role = Ask(leader_, "ROLE");
  EXPECT_TRUE(role.starts_with("*3\r\n$6\r\nmaster\r\n:")) << role;
  EXPECT_NE(role.find("\r\n*2\r\n*3\r\n"), std::string::npos) << role;
  const std::string info = Ask(leader_, "INFO replication");
  EXPECT_EQ(Field(info, "role"), "master");
  EXPECT_EQ(Field(info, "connected_slaves"), "2");
  const std::string offset = Field(info, "master_repl_offset");
  const uint64_t first = std::min(follower_, third());
  EXPECT_EQ(Field(info, "slave0"), "ip=10.0.0." + std::to_string(first) +
                                       ",port=" + std::to_string(7000 + first) +
                                       ",state=online,offset=" + offset + ",lag=0");

  EXPECT_EQ(Ask(follower_, "ROLE"), "*5\r\n$5\r\nslave\r\n$8\r\n10.0.0." + std::to_string(leader_) +
                                        "\r\n:" + std::to_string(7000 + leader_) +
                                        "\r\n$9\r\nconnected\r\n:" + offset + "\r\n");
  const std::string slave = Ask(follower_, "INFO replication");
  EXPECT_EQ(Field(slave, "role"), "slave");
  EXPECT_EQ(Field(slave, "master_host"), "10.0.0." + std::to_string(leader_));
  EXPECT_EQ(Field(slave, "master_port"), std::to_string(7000 + leader_));
  EXPECT_EQ(Field(slave, "master_link_status"), "up");
  EXPECT_EQ(Field(slave, "master_replid"), Field(info, "master_replid"));
  const std::string hello = Ask(follower_, "HELLO 3");
  EXPECT_NE(hello.find("$4\r\nrole\r\n$7\r\nreplica\r\n"), std::string::npos) << hello;
}

TEST_F(Group, WaitCountsFollowersOfTheOwnWrites) {
  EXPECT_EQ(Ask(leader_, "SET k 1\r\nWAIT 1 1000"), "+OK\r\n:2\r\n");
  EXPECT_EQ(Ask(leader_, "SET k 2\r\nWAITAOF 1 2 1000"), "+OK\r\n*2\r\n:1\r\n:2\r\n");
  // One is cut off: two of three have it, and no more.
  group_.Cut({NodeId(follower_)});
  TestClient& client = group_.at(leader_).Connect();
  EXPECT_EQ(Exchange(group_, group_.at(leader_), client, "SET k 3\r\nWAIT 1 0\r\n"),
            "+OK\r\n:1\r\n");
  EXPECT_EQ(Exchange(group_, group_.at(leader_), client, "WAIT 2 50\r\n"), "");
  group_.Advance(60'000);
  EXPECT_EQ(Exchange(group_, group_.at(leader_), client, ""), ":1\r\n");
  // It comes back in time.
  EXPECT_EQ(Exchange(group_, group_.at(leader_), client, "WAIT 2 0\r\n"), "");
  group_.Heal();
  group_.Advance(1'000'000);
  EXPECT_EQ(Exchange(group_, group_.at(leader_), client, "").substr(0, 2), ":2");
}

// What was acknowledged at the proxy port of a follower is on a majority: that much is certain.
TEST_F(Group, WaitOnAFollowerSaysWhatIsCertain) {
  EXPECT_EQ(Ask(follower_, "SET k 1\r\nWAIT 1 10", PortKind::kProxy), "+OK\r\n:1\r\n");
  EXPECT_EQ(Ask(follower_, "WAIT 2 10", PortKind::kProxy), ":1\r\n");
  EXPECT_EQ(Ask(follower_, "WAIT 0 10", PortKind::kProxy), ":0\r\n");
  EXPECT_EQ(Ask(follower_, "WAITAOF 1 5 10", PortKind::kProxy), "*2\r\n:1\r\n:1\r\n");
}

TEST_F(Group, RaftNodesKnowsWhatItsNodeKnows) {
  const std::string leader = Ask(leader_, "RAFT NODES");
  EXPECT_NE(leader.find("$5\r\nstate\r\n$9\r\nreplicate\r\n"), std::string::npos) << leader;
  EXPECT_EQ(leader.find("$-1"), std::string::npos) << leader;
  const std::string follower = Ask(follower_, "RAFT NODES");
  EXPECT_NE(follower.find("$4\r\nrole\r\n$6\r\nleader\r\n"), std::string::npos) << follower;
  EXPECT_NE(follower.find("$11\r\nmatch_index\r\n$-1\r\n"), std::string::npos) << follower;
}

TEST_F(Group, MembersAreChangedAtTheLeader) {
  const std::string add = "RAFT ADD 4 10.0.0.4:7004@17004 LEVEL 2";
  EXPECT_EQ(Ask(follower_, add), "-MOVED 0 " + AddressOf(leader_) + "\r\n");
  EXPECT_EQ(Ask(follower_, add, PortKind::kProxy),
            "-ERR only the leader changes the members, ask " + AddressOf(leader_) + "\r\n");
  EXPECT_EQ(Ask(leader_, add), "+OK\r\n");
  EXPECT_TRUE(Ask(leader_, add).starts_with("-ERR this id is a member already"));
  EXPECT_TRUE(
      Ask(leader_, "RAFT ADD 5 10.0.0.4:7004@17004 LEVEL 2").starts_with("-ERR another member"));
  EXPECT_TRUE(Ask(leader_, "RAFT PROMOTE 4").starts_with("-ERR this learner does not keep up"));
  EXPECT_EQ(Ask(leader_, "RAFT REMOVE 4"), "+OK\r\n");
  EXPECT_TRUE(Ask(leader_, add).starts_with("-ERR ids are never reused"));
}

TEST_F(Group, ARemovedNodeSaysSoAndSendsItsClientsAway) {
  const std::string id = std::to_string(follower_);
  EXPECT_EQ(Ask(leader_, "RAFT DEMOTE " + id), "+OK\r\n");
  const std::string nodes = Ask(leader_, "RAFT NODES");
  EXPECT_NE(nodes.find("$10\r\nmembership\r\n$7\r\nlearner\r\n"), std::string::npos) << nodes;
  EXPECT_EQ(Ask(leader_, "RAFT REMOVE " + id), "+OK\r\n");
  group_.Advance(3'000'000);
  EXPECT_TRUE(group_.at(follower_).node().Removed());
  const std::string info = Ask(follower_, "RAFT INFO");
  EXPECT_NE(info.find("$10\r\nmembership\r\n$7\r\nremoved\r\n"), std::string::npos) << info;
  EXPECT_EQ(Ask(follower_, "GET k"),
            "-CLUSTERDOWN This node was removed from the cluster\r\n"
            "(closed)");
  EXPECT_EQ(group_.at(follower_).node().Peers().size(), 0u);
  EXPECT_EQ(group_.at(leader_).node().Peers().size(), 1u);
  // Whoever calls itself so is told; who claims to be the node itself is refused, and no more.
  EXPECT_TRUE(group_.at(leader_).node().WasRemoved(NodeId(follower_)));
  EXPECT_FALSE(group_.at(leader_).node().Admits(NodeId(leader_)));
  EXPECT_FALSE(group_.at(leader_).node().WasRemoved(NodeId(leader_)));
}

// Its own log does not say so: it was down.
TEST_F(Group, ANodeThatIsToldThatItWasRemovedSaysSo) {
  EXPECT_FALSE(group_.at(follower_).node().Removed());
  group_.at(follower_).node().ToldRemoved(NodeId(leader_));
  group_.Advance(3'000'000);
  const std::string info = Ask(follower_, "RAFT INFO");
  EXPECT_NE(info.find("$10\r\nmembership\r\n$7\r\nremoved\r\n"), std::string::npos) << info;
  EXPECT_EQ(group_.at(follower_).node().Peers().size(), 0u);
}

TEST_F(Group, WithoutALeaderTheLastOneIsStillNamed) {
  const std::string slots = Ask(follower_, "CLUSTER SLOTS");
  group_.Cut({NodeId(follower_)});
  group_.Advance(1'000'000);
  ASSERT_EQ(group_.at(follower_).node().member().core().leader(), NodeId());
  EXPECT_EQ(Ask(follower_, "CLUSTER SLOTS"), slots);
  EXPECT_NE(Ask(follower_, "CLUSTER INFO").find("cluster_state:ok\r\n"), std::string::npos);
  const std::string role = Ask(follower_, "ROLE");
  EXPECT_TRUE(role.starts_with("*5\r\n$5\r\nslave\r\n")) << role;
  EXPECT_NE(role.find("$7\r\nconnect\r\n"), std::string::npos) << role;
  EXPECT_EQ(Field(Ask(follower_, "INFO replication"), "master_link_status"), "down");
}

// Commands that come while there is no leader wait for one; then they are told where it is.
TEST_F(Group, CommandsAreParkedUntilThereIsALeader) {
  group_.Cut({NodeId(follower_)});
  group_.Advance(1'000'000);
  ASSERT_EQ(group_.at(follower_).node().member().core().leader(), NodeId());
  TestClient& client = group_.at(follower_).Connect();
  TestClient& proxy = group_.at(follower_).Connect(PortKind::kProxy);
  EXPECT_EQ(Exchange(group_, group_.at(follower_), client, "SET k v\r\nPING\r\n"), "");
  EXPECT_EQ(Exchange(group_, group_.at(follower_), proxy, "SET k v\r\nGET k\r\n"), "");
  group_.Heal();
  const uint64_t leader = group_.ElectLeader();
  group_.Advance(100'000);
  const std::string expected = leader == follower_
                                   ? "+OK\r\n+PONG\r\n"
                                   : "-MOVED 7629 " + AddressOf(leader) + "\r\n+PONG\r\n";
  EXPECT_EQ(client.received, expected);
  EXPECT_EQ(proxy.received, "+OK\r\n$1\r\nv\r\n");
}

TEST_F(Group, ParkedCommandsAreGivenUpInTime) {
  group_.Cut({NodeId(follower_)});
  group_.Advance(1'000'000);
  TestClient& client = group_.at(follower_).Connect();
  EXPECT_EQ(Exchange(group_, group_.at(follower_), client, "SET k v\r\nPING\r\n"), "");
  group_.Advance(4'900'000);
  EXPECT_EQ(client.received, "");
  group_.Advance(200'000);
  EXPECT_EQ(client.received, "-CLUSTERDOWN The cluster is down\r\n+PONG\r\n");
}

// A leader that is cut off must not answer; its clients wait for what the majority decides.
TEST_F(Group, ACutOffLeaderAcknowledgesNothing) {
  group_.Cut({NodeId(leader_)});
  TestClient& client = group_.at(leader_).Connect();
  EXPECT_EQ(Exchange(group_, group_.at(leader_), client, "SET k lost\r\nGET k\r\n"), "");
  group_.Advance(1'000'000);
  EXPECT_EQ(client.received, "");
  group_.Heal();
  const uint64_t leader = group_.ElectLeader();
  group_.Advance(200'000);
  ASSERT_NE(leader, leader_);
  const std::string moved = "-MOVED 7629 " + AddressOf(leader) + "\r\n";
  EXPECT_EQ(client.received, moved + moved);
  EXPECT_EQ(Ask(leader, "GET k"), "$-1\r\n");
}

TEST_F(Group, TransferHandsLeadershipOnAndWaitsForIt) {
  EXPECT_EQ(Ask(leader_, "RAFT TRANSFER " + std::to_string(follower_)), "+OK\r\n");
  EXPECT_TRUE(group_.at(follower_).LeadsAndServes());
  // By way of a node that does not lead; who leads already is content.
  EXPECT_EQ(Ask(third(), "RAFT TRANSFER " + std::to_string(leader_)), "+OK\r\n");
  EXPECT_TRUE(group_.at(leader_).LeadsAndServes());
  EXPECT_EQ(Ask(leader_, "RAFT TRANSFER " + std::to_string(leader_)), "+OK\r\n");
  EXPECT_EQ(Ask(leader_, "RAFT TRANSFER"), "+OK\r\n");
  EXPECT_FALSE(group_.at(leader_).LeadsAndServes());
}

TEST_F(Group, TransferToANodeThatIsSilentFailsAndTheLeaderLeadsOn) {
  group_.Cut({NodeId(follower_)});
  TestClient& client = group_.at(leader_).Connect();
  EXPECT_EQ(Exchange(group_, group_.at(leader_), client,
                     "RAFT TRANSFER " + std::to_string(follower_) + "\r\n"),
            "");
  group_.Advance(2'000'000);
  EXPECT_EQ(client.received,
            "-ERR the other node did not take over in time: this node leads on\r\n");
  EXPECT_TRUE(group_.at(leader_).LeadsAndServes());
}

TEST_F(Group, TransferSaysWhatIsWrong) {
  EXPECT_EQ(Ask(leader_, "RAFT TRANSFER 9"), "-ERR node 9 is not a voter\r\n");
  EXPECT_EQ(Ask(leader_, "RAFT TRANSFER x"), "-ERR value is not an integer or out of range\r\n");
  EXPECT_EQ(Ask(follower_, "RAFT TRANSFER"),
            "-ERR this node does not lead: name the node that shall\r\n");
  EXPECT_EQ(Ask(leader_, "CLUSTER FAILOVER"),
            "-ERR You should send CLUSTER FAILOVER to a replica\r\n");
  EXPECT_EQ(Ask(follower_, "CLUSTER FAILOVER TAKEOVER"),
            "-ERR TAKEOVER is not possible: a majority elects, always\r\n");
}

TEST_F(Group, FailoverMakesTheReplicaLead) {
  EXPECT_EQ(Ask(follower_, "CLUSTER FAILOVER"), "+OK\r\n");
  EXPECT_TRUE(group_.at(follower_).LeadsAndServes());
  EXPECT_EQ(Ask(third(), "CLUSTER FAILOVER FORCE"), "+OK\r\n");
  EXPECT_TRUE(group_.at(third()).LeadsAndServes());
}

TEST_F(Group, IndoubtTimeoutCanBeSetAtRunTime) {
  EXPECT_EQ(Ask(leader_, "CONFIG SET indoubt-timeout 100 election-park-timeout 0"), "+OK\r\n");
  group_.Cut({NodeId(leader_)});
  TestClient& client = group_.at(leader_).Connect();
  EXPECT_EQ(Exchange(group_, group_.at(leader_), client, "SET k v\r\n"), "");
  group_.Advance(1'500'000);
  EXPECT_TRUE(client.received.starts_with("-INDOUBT ")) << client.received;
}

}  // namespace
}  // namespace kvorum::server
