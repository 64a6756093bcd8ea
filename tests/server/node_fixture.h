// SPDX-License-Identifier: Apache-2.0
//
// Nodes without sockets, threads and real time: the test sends bytes and reads what comes back.
// Everything of the product is real but the seams: files are in memory, saves are durable in the
// next turn, background jobs run between turns, messages between nodes arrive in the next turn, and
// the clock stands still except for a microsecond a turn and what Advance adds.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/boot.h"
#include "server/node.h"
#include "tests/disk/memory_files.h"

namespace kvorum::server {

class TestGroup;

// A connection as its client sees it.
struct TestClient {
  Session* session = nullptr;
  std::string received;
  bool closed = false;
  bool reads = true;  // false: takes nothing from its socket
};

class TestNode final : replica::LogDisk, replica::Background, replica::Stopwatch, PeerWire, Host {
 public:
  TestNode(TestGroup& group, Config config);

  [[nodiscard]] Node& node() { return *node_; }
  [[nodiscard]] Config& config() { return config_; }
  [[nodiscard]] bool LeadsAndServes() const { return node_->member().Serves(); }
  [[nodiscard]] const std::vector<std::string>& logged() const { return logged_; }
  // Lines of the file of events.
  [[nodiscard]] const std::vector<std::string>& recorded() const { return recorded_; }
  [[nodiscard]] bool shutdown_requested() const { return shutdown_requested_; }

  TestClient& Connect(PortKind kind = PortKind::kCluster);
  // Hands bytes in and returns without a turn.
  void Push(TestClient& client, std::string_view bytes);
  void Disconnect(TestClient& client);

  void Input(std::function<void()> input) { inputs_.push_back(std::move(input)); }
  void Turn();
  // What the links to the others are said to hold.
  void SetQueuedBytes(size_t bytes) { queued_bytes_ = bytes; }
  // Of replies to carried commands.
  [[nodiscard]] size_t largest_reply_message() const { return largest_reply_message_; }
  // The node may stop; what it said is kept, and it takes no turn any more.
  void ExpectHalt() { may_halt_ = true; }
  [[nodiscard]] const std::string& halted() const { return halted_; }
  // The client reads again.
  void Resume(TestClient& client) { Flush(*client.session); }
  [[nodiscard]] bool Busy() const {
    return halted_.empty() && (!inputs_.empty() || !jobs_.empty() || node_->WantsTurn());
  }

 private:
  // ---- seams
  void Save(raft::Save save) override;
  void Compact(raft::SnapshotMeta base) override;
  void Owes(Index index) override;
  void CaughtUp() override;
  void Run(std::function<void()> work, std::function<void()> done) override;
  Micros Read() override;
  void SendToPeer(NodeId to, PeerMessage message) override;
  void SendNow() override {}
  [[nodiscard]] bool IsConnected(NodeId to) const override;
  [[nodiscard]] size_t QueuedBytes(NodeId /*to*/) const override { return queued_bytes_; }
  void Halt(const Status& why) override;
  void RequestShutdown() override { shutdown_requested_ = true; }
  void Log(Level level, std::string_view line) override;
  void Record(std::string_view line) override { recorded_.emplace_back(line); }

  void Flush(Session& session);

  TestGroup& group_;
  Config config_;
  disk::MemoryFiles files_;
  Booted booted_;
  std::unique_ptr<Node> node_;
  std::deque<std::function<void()>> inputs_;
  std::deque<std::pair<std::function<void()>, std::function<void()>>> jobs_;
  std::map<const Session*, std::unique_ptr<TestClient>> clients_;
  std::vector<std::unique_ptr<TestClient>> gone_;
  std::vector<std::string> logged_;
  std::vector<std::string> recorded_;
  bool may_halt_ = false;
  std::string halted_;
  size_t queued_bytes_ = 0;
  size_t largest_reply_message_ = 0;
  uint64_t last_port_ = 50'000;
  bool shutdown_requested_ = false;
};

// A group of nodes 1 to n at 10.0.0.<id>, client ports 7000 + id.
class TestGroup {
 public:
  // `change` may edit each node's configuration before it starts.
  explicit TestGroup(int nodes = 1, const std::function<void(Config&)>& change = [](Config&) {});

  [[nodiscard]] TestNode& at(uint64_t id) { return *nodes_.at(NodeId(id)); }
  [[nodiscard]] TestNode* Find(NodeId id);
  [[nodiscard]] Now now() const { return now_; }

  // Lets nothing pass between these nodes and the others until Heal.
  void Cut(std::set<NodeId> side) { cut_ = std::move(side); }
  void Heal() { cut_.clear(); }
  [[nodiscard]] bool IsCut(NodeId a, NodeId b) const {
    return cut_.contains(a) != cut_.contains(b);
  }

  // Turns until nothing is left to do at this time.
  void Settle();
  // Time passes, in steps that let timers do their work.
  void Advance(Micros us);
  // Until a leader serves, and the others know it; its number.
  uint64_t ElectLeader();

 private:
  std::map<NodeId, std::unique_ptr<TestNode>> nodes_;
  std::set<NodeId> cut_;
  Now now_{.boot_us = 1'000'000, .wall_ms = 1'700'000'000'000};
};

// One node that leads, and the usual things to do with it.
class OneNode {
 public:
  explicit OneNode(const std::function<void(Config&)>& change = [](Config&) {})
      : group_(1, change) {
    group_.ElectLeader();
  }

  [[nodiscard]] TestGroup& group() { return group_; }
  [[nodiscard]] TestNode& node() { return group_.at(1); }
  TestClient& Connect(PortKind kind = PortKind::kCluster) { return node().Connect(kind); }
  // What comes back at once, "(closed)" behind it when the connection was closed.
  std::string Send(TestClient& client, std::string_view bytes);

 private:
  TestGroup group_;
};

// The bytes of a request.
std::string Multibulk(const std::vector<std::string>& words);

// Sends and settles; see OneNode::Send.
std::string Exchange(TestGroup& group, TestNode& node, TestClient& client, std::string_view bytes);

}  // namespace kvorum::server
