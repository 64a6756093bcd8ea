// SPDX-License-Identifier: Apache-2.0
#include "tests/chaos/client.h"

#include <array>
#include <chrono>
#include <string_view>
#include <thread>
#include <utility>

namespace kvorum::chaos {
namespace {

constexpr std::array kReads = {"GET", "MGET", "EXISTS", "STRLEN", "GETRANGE", "TYPE"};
// Words that say: certainly not executed.
constexpr std::array kRefusals = {"MOVED ", "CLUSTERDOWN ", "READONLY ", "MISCONF ", "OOM "};

template <class List>
bool StartsWithOne(std::string_view text, const List& list) {
  for (const std::string_view word : list) {
    if (text.starts_with(word)) return true;
  }
  return false;
}

timeval Patience(int ms) { return {ms / 1000, (ms % 1000) * 1000}; }

void Append(redisContext* context, const Argv& argv) {
  std::vector<const char*> pointers;
  std::vector<size_t> sizes;
  for (const std::string& argument : argv) {
    pointers.push_back(argument.data());
    sizes.push_back(argument.size());
  }
  redisAppendCommandArgv(context, static_cast<int>(argv.size()), pointers.data(), sizes.data());
}

std::string_view TextOf(const redisReply& reply) { return {reply.str, reply.len}; }

}  // namespace

bool IsWrite(const Argv& argv) {
  for (const std::string_view read : kReads) {
    if (argv[0] == read) return false;
  }
  return true;
}

std::string Resp2(const redisReply& reply) {
  switch (reply.type) {
    case REDIS_REPLY_STATUS:
      return "+" + std::string(TextOf(reply)) + "\r\n";
    case REDIS_REPLY_ERROR:
      return "-" + std::string(TextOf(reply)) + "\r\n";
    case REDIS_REPLY_INTEGER:
      return ":" + std::to_string(reply.integer) + "\r\n";
    case REDIS_REPLY_STRING:
      return "$" + std::to_string(reply.len) + "\r\n" + std::string(TextOf(reply)) + "\r\n";
    case REDIS_REPLY_ARRAY: {
      std::string text = "*" + std::to_string(reply.elements) + "\r\n";
      for (size_t i = 0; i < reply.elements; ++i) text += Resp2(*reply.element[i]);
      return text;
    }
    default:
      return "$-1\r\n";
  }
}

Client::Client(const e2e::TestCluster& cluster, Recorder& recorder, int number, Door door,
               uint64_t seed)
    : cluster_(cluster), recorder_(recorder), number_(number), door_(door), random_(seed) {}

void Client::Choose(int node) {
  if (node == node_) return;
  Disconnect();
  next_ = node;
}

bool Client::Connected() {
  if (context_ != nullptr) return true;
  const auto nodes = static_cast<uint64_t>(cluster_.size());
  node_ = next_ != 0 ? std::exchange(next_, 0) : 1 + static_cast<int>(random_.Below(nodes));
  const int port = door_ == Door::kProxy ? cluster_.ProxyPort(node_) : cluster_.Port(node_);
  context_ = e2e::Connect(port, 500);
  return context_ != nullptr;
}

void Client::Disconnect() { context_.reset(); }

std::vector<std::string> Client::Do(const std::vector<Argv>& pipeline, int patience_ms) {
  std::vector<std::string> replies;
  if (!Connected()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2 + random_.Below(20)));
    return replies;
  }
  redisSetTimeout(context_.get(), Patience(patience_ms));
  const Micros invoked = NowMicros();
  for (const Argv& argv : pipeline) Append(context_.get(), argv);
  bool broken = false;
  for (const Argv& argv : pipeline) {
    check::Op op;
    op.argv = argv;
    op.client = number_;
    op.invoked = invoked;
    void* raw = nullptr;
    broken = broken || redisGetReply(context_.get(), &raw) != REDIS_OK || raw == nullptr;
    if (broken) {
      // A read that nobody saw the end of says nothing.
      if (IsWrite(argv)) recorder_.Add(std::move(op));
      continue;
    }
    op.returned = NowMicros();
    const e2e::ReplyPtr reply(static_cast<redisReply*>(raw));
    TakeReply(std::move(op), *reply, &replies);
  }
  if (broken || next_ != 0) Disconnect();
  return replies;
}

void Client::TakeReply(check::Op op, const redisReply& reply, std::vector<std::string>* replies) {
  const std::string text =
      reply.type == REDIS_REPLY_ERROR ? std::string(TextOf(reply)) : std::string();
  if (StartsWithOne(text, kRefusals)) {
    recorder_.NotExecuted();
    if (text.starts_with("MOVED ")) Redirected(text);
    replies->emplace_back();
    return;
  }
  if (text.starts_with("INDOUBT ")) {
    recorder_.InDoubt();
    op.returned = check::Op::kNever;
    replies->emplace_back();
    recorder_.Add(std::move(op));
    return;
  }
  if (!text.empty() && !text.starts_with("ERR ")) recorder_.Wrong("unexpected reply: " + text);
  if (IsWrite(op.argv)) recorder_.Acknowledged();
  op.reply = Resp2(reply);
  replies->push_back(op.reply);
  recorder_.Add(std::move(op));
}

// To a member, and never to the node that says it.
void Client::Redirected(const std::string& error) {
  if (door_ == Door::kProxy) recorder_.Wrong("a proxy port has redirected: " + error);
  const int port = std::stoi(error.substr(error.rfind(':') + 1));
  for (int node = 1; node <= cluster_.size(); ++node) {
    if (cluster_.Port(node) != port) continue;
    if (node == node_) recorder_.Wrong("a node has redirected to itself: " + error);
    next_ = node;
    return;
  }
  recorder_.Wrong("redirected to nobody: " + error);
}

bool Client::Insist(const Argv& argv, int deadline_ms, std::string* reply) {
  const Micros end = NowMicros() + Micros{deadline_ms} * 1000;
  while (NowMicros() < end) {
    const std::vector<std::string> replies = Do({argv}, 2000);
    if (replies.empty() || replies[0].empty()) continue;
    if (reply != nullptr) *reply = replies[0];
    return true;
  }
  return false;
}

}  // namespace kvorum::chaos
