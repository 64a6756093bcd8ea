// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_client.h"

#include <charconv>
#include <utility>

#include "tests/sim/sim_node.h"

namespace kvorum::sim {
namespace {

constexpr Micros kPatienceUs = 3'000'000;

std::string Bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}

}  // namespace

SimClient::SimClient(World& world, int number, uint64_t seed)
    : world_(world), number_(number), rng_(seed) {}

void SimClient::Start() { Next(); }

void SimClient::Next() {
  busy_ = false;
  if (stopped_) return;
  world_.events().After(rng_.Between(100, 60'000), [this] {
    if (stopped_) return;
    Choose();
    Send();
  });
}

void SimClient::Choose() {
  busy_ = true;
  sent_ = false;
  op_ = Op{};
  op_.client = number_;
  op_.invoked = world_.events().now();
  const uint64_t key = rng_.Below(static_cast<uint64_t>(world_.plan().keys));
  const uint64_t dice = rng_.Below(100);
  if (key == 0) {  // a counter
    key_ = "counter";
    op_.kind = dice < 70 ? OpKind::kIncr : OpKind::kGet;
    return;
  }
  key_ = "key" + std::to_string(key);
  op_.kind = dice < 40   ? OpKind::kGet
             : dice < 80 ? OpKind::kSet
             : dice < 92 ? OpKind::kAppend
                         : OpKind::kDel;
  if (op_.kind == OpKind::kSet || op_.kind == OpKind::kAppend) {
    op_.argument = "c" + std::to_string(number_) + "." + std::to_string(++values_) + ";";
  }
}

std::string SimClient::Encode() const {
  switch (op_.kind) {
    case OpKind::kGet:
      return "*2\r\n$3\r\nGET\r\n" + Bulk(key_);
    case OpKind::kSet:
      return "*3\r\n$3\r\nSET\r\n" + Bulk(key_) + Bulk(op_.argument);
    case OpKind::kIncr:
      return "*2\r\n$4\r\nINCR\r\n" + Bulk(key_);
    case OpKind::kAppend:
      return "*3\r\n$6\r\nAPPEND\r\n" + Bulk(key_) + Bulk(op_.argument);
    case OpKind::kDel:
      return "*2\r\n$3\r\nDEL\r\n" + Bulk(key_);
  }
  return {};
}

void SimClient::Reconnect(NodeId to, server::PortKind kind) {
  if (connection_ != 0) world_.node(node_).Disconnect(connection_);
  node_ = to;
  kind_ = kind;
  replies_.clear();
  // Bytes that an earlier connection still delivers are nobody's.
  const uint64_t generation = ++generation_;
  connection_ = world_.node(node_).Connect(
      kind,
      [this, generation](const std::string& bytes) {
        if (generation == generation_ && connection_ != 0) OnReply(bytes);
      },
      [this, generation] {
        if (generation == generation_) OnClosed();
      });
}

void SimClient::Send() {
  ++attempt_;
  if (connection_ == 0) {
    Reconnect(NodeId(1 + rng_.Below(static_cast<uint64_t>(world_.plan().nodes))),
              rng_.OneIn(1, 2) ? server::PortKind::kProxy : server::PortKind::kCluster);
  }
  if (connection_ == 0) return Again(20'000);
  sent_ = true;
  world_.Trace("client " + std::to_string(number_) + " -> node " + std::to_string(node_.value()) +
               (kind_ == server::PortKind::kProxy ? " (proxy)" : "") + " op " +
               std::to_string(static_cast<int>(op_.kind)) + " " + key_ + " " + op_.argument);
  world_.node(node_).SendBytes(connection_, Encode());
  world_.events().After(kPatienceUs, [this, attempt = attempt_] { OnTimeout(attempt); });
}

void SimClient::Again(Micros delay) {
  world_.events().After(delay, [this, attempt = attempt_] {
    if (attempt == attempt_) Send();
  });
}

void SimClient::OnTimeout(uint64_t attempt) {
  if (attempt != attempt_ || !busy_) return;
  world_.node(node_).Disconnect(connection_);
  connection_ = 0;
  Finish(false);
}

void SimClient::OnClosed() {
  connection_ = 0;
  replies_.clear();
  if (busy_ && sent_) Finish(false);
}

void SimClient::Finish(bool known) {
  ++attempt_;
  if (known) {
    op_.returned = world_.events().now();
    ++world_.report().operations;
  } else {
    ++world_.report().unknown;
  }
  world_.Record(key_, op_);
  Next();
}

void SimClient::OnReply(const std::string& bytes) {
  if (!busy_) return;
  replies_ += bytes;
  const size_t end = replies_.find("\r\n");
  if (end == std::string::npos) return;
  const std::string line = replies_.substr(1, end - 1);
  const char type = replies_[0];
  world_.Trace("client " + std::to_string(number_) + " <- " + replies_.substr(0, end));
  if (type == '$' && line != "-1") {
    const size_t size = std::stoul(line);
    if (replies_.size() < end + 2 + size + 2) return;
    op_.result = replies_.substr(end + 2, size);
    replies_.erase(0, end + 2 + size + 2);
    return Finish(true);
  }
  replies_.erase(0, end + 2);
  if (type != '-') {
    op_.missing = type == '$';
    if (type == ':') op_.result = line;
    return Finish(true);
  }
  if (line.starts_with("MOVED ")) {
    ++world_.report().redirects;
    // "MOVED slot nodeN:port"
    uint64_t target = 0;
    const size_t at = line.find("node") + 4;
    std::from_chars(line.data() + at, line.data() + line.size(), target);
    if (kind_ == server::PortKind::kProxy) world_.Fail("MOVED on a proxy port: " + line);
    if (NodeId(target) == node_) world_.Fail("MOVED to the node that answers");
    Reconnect(NodeId(target), server::PortKind::kCluster);
    return Again(100);
  }
  if (line.starts_with("CLUSTERDOWN")) return Again(10'000);
  if (line.starts_with("INDOUBT")) {
    ++world_.report().indoubt;
    return Finish(false);
  }
  world_.Fail("unexpected reply: -" + line);
}

}  // namespace kvorum::sim
