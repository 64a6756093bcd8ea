// SPDX-License-Identifier: Apache-2.0
#include "tests/server/node_fixture.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/check.h"

namespace kvorum::server {
namespace {

constexpr int kMostTurns = 10'000;
constexpr Micros kStepUs = 1'000;

}  // namespace

TestNode::TestNode(TestGroup& group, Config config) : group_(group), config_(std::move(config)) {
  Result<Booted> booted = Boot(files_, config_, config_.node_id.value());
  KV_CHECK(booted.ok());
  booted_ = std::move(booted).value();
  node_ = std::make_unique<Node>(config_, std::move(booted_.restart), *booted_.machine,
                                 *booted_.snapshots, NodeSeams{*this, *this, *this, *this, *this},
                                 /*start=*/config_.node_id.value(),
                                 /*seed=*/7 + config_.node_id.value(), group.now());
}

// ---- clients ----------------------------------------------------------------------------------

TestClient& TestNode::Connect(PortKind kind) {
  Session* session = node_->Open(kind);
  session->peer_address = "127.0.0.1:" + std::to_string(++last_port_);
  session->local_address = "127.0.0.1:" + std::to_string(config_.port);
  session->socket = 9;
  auto& client = clients_[session];
  client = std::make_unique<TestClient>(TestClient{.session = session});
  session->owner = client.get();
  return *client;
}

void TestNode::Push(TestClient& client, std::string_view bytes) {
  if (client.closed) return;
  client.session->input.append(bytes);
  client.session->bytes_in += bytes.size();
  node_->Touch(client.session);
}

void TestNode::Disconnect(TestClient& client) {
  if (client.closed) return;
  Session* session = std::exchange(client.session, nullptr);
  client.closed = true;
  session->owner = nullptr;
  gone_.push_back(std::move(clients_.at(session)));
  clients_.erase(session);
  node_->Closed(session);
}

void TestNode::Flush(Session& session) {
  if (session.owner == nullptr) return;
  TestClient& client = *static_cast<TestClient*>(session.owner);
  if (!client.reads && !session.kill_now) return;
  if (!session.kill_now) client.received += std::exchange(session.output, {});
  if (session.kill_now || (session.closing && !session.Owed() && session.backlog.empty())) {
    Disconnect(client);
    return;
  }
  node_->Touch(&session);
}

// ---- turns and seams --------------------------------------------------------------------------

void TestNode::Turn() {
  if (!halted_.empty()) return;
  node_->BeginTurn(group_.now());
  std::deque<std::function<void()>> inputs;
  inputs.swap(inputs_);
  for (const auto& input : inputs) input();
  node_->EndTurn(group_.now());
  node_->Flush([this](Session& session) { Flush(session); });
  std::deque<std::pair<std::function<void()>, std::function<void()>>> jobs;
  jobs.swap(jobs_);
  for (auto& [work, done] : jobs) {
    work();
    Input(std::move(done));
  }
}

void TestNode::Save(raft::Save save) {
  const BatchNumber number = save.number;
  KV_CHECK(booted_.wal->Append({&save, 1}).ok());
  KV_CHECK(booted_.wal->Sync().ok());
  Input([this, number] { node_->Persisted(number); });
}

void TestNode::Compact(raft::SnapshotMeta base) { KV_CHECK(booted_.wal->Compact(base).ok()); }
void TestNode::Owes(Index index) { KV_CHECK(booted_.wal->Owes(index).ok()); }
void TestNode::CaughtUp() { KV_CHECK(booted_.wal->CaughtUp().ok()); }

void TestNode::Run(std::function<void()> work, std::function<void()> done) {
  jobs_.emplace_back(std::move(work), std::move(done));
}

Micros TestNode::Read() { return group_.now().boot_us; }

void TestNode::SendToPeer(NodeId to, PeerMessage message) {
  if (const auto* reply = std::get_if<ForwardReply>(&message)) {
    size_t bytes = 0;
    for (const ForwardedReply& one : reply->replies) bytes += one.bytes.size();
    largest_reply_message_ = std::max(largest_reply_message_, bytes);
  }
  TestNode* peer = group_.Find(to);
  if (peer == nullptr || group_.IsCut(config_.node_id, to)) return;
  peer->Input([peer, from = config_.node_id, message = std::move(message)]() mutable {
    peer->node_->OnPeer(from, std::move(message), peer->group_.now());
  });
}

bool TestNode::IsConnected(NodeId to) const {
  return group_.Find(to) != nullptr && !group_.IsCut(config_.node_id, to);
}

void TestNode::Halt(const Status& why) {
  if (!may_halt_) ADD_FAILURE() << "halted: " << why.message();
  halted_ = why.message();
}

void TestNode::Log(Level /*level*/, std::string_view line) { logged_.emplace_back(line); }

// ---- a group ----------------------------------------------------------------------------------

TestGroup::TestGroup(int nodes, const std::function<void(Config&)>& change) {
  Config config;
  config.dir = "memory";
  config.wal_segment_bytes = 64 << 10;
  for (int i = 1; i <= nodes; ++i) {
    config.cluster_nodes.push_back({NodeId(static_cast<uint64_t>(i)), "10.0.0." + std::to_string(i),
                                    static_cast<uint16_t>(7000 + i),
                                    static_cast<uint16_t>(17000 + i)});
  }
  for (const NodeAddress& address : config.cluster_nodes) {
    config.node_id = address.id;
    config.port = address.port;
    Config own = config;
    change(own);
    nodes_[address.id] = std::make_unique<TestNode>(*this, std::move(own));
  }
}

TestNode* TestGroup::Find(NodeId id) {
  const auto found = nodes_.find(id);
  return found == nodes_.end() ? nullptr : found->second.get();
}

void TestGroup::Settle() {
  for (int turn = 0; turn < kMostTurns; ++turn) {
    bool busy = false;
    for (auto& [id, node] : nodes_) busy = busy || node->Busy();
    if (!busy && turn > 0) return;
    ++now_.boot_us;
    for (auto& [id, node] : nodes_) node->Turn();
  }
  ADD_FAILURE() << "the nodes do not come to rest";
}

void TestGroup::Advance(Micros us) {
  const Micros until = now_.boot_us + us;
  const UnixMs wall_until = now_.wall_ms + us / 1000;
  while (now_.boot_us < until) {
    const Micros step = std::min(kStepUs, until - now_.boot_us);
    now_.boot_us += step;
    now_.wall_ms = std::min(wall_until, now_.wall_ms + step / 1000);
    Settle();
  }
  now_.wall_ms = wall_until;
}

uint64_t TestGroup::ElectLeader() {
  for (int step = 0; step < 10'000; ++step) {
    Advance(kStepUs);
    for (auto& [id, node] : nodes_) {
      if (!node->LeadsAndServes()) continue;
      const NodeId leader = id;
      const bool known = std::all_of(nodes_.begin(), nodes_.end(), [&](const auto& pair) {
        return IsCut(pair.first, leader) || pair.second->node().member().core().leader() == leader;
      });
      if (known) return leader.value();
    }
  }
  ADD_FAILURE() << "no leader";
  return 1;
}

// ---- conversation -----------------------------------------------------------------------------

std::string Multibulk(const std::vector<std::string>& words) {
  std::string bytes = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) {
    bytes += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  }
  return bytes;
}

std::string Exchange(TestGroup& group, TestNode& node, TestClient& client, std::string_view bytes) {
  node.Push(client, bytes);
  group.Settle();
  std::string received = std::exchange(client.received, {});
  if (client.closed) received += "(closed)";
  return received;
}

std::string OneNode::Send(TestClient& client, std::string_view bytes) {
  return Exchange(group_, node(), client, bytes);
}

}  // namespace kvorum::server
