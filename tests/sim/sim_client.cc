// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_client.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "tests/sim/sim_node.h"
#include "tests/sim/world.h"

namespace kvorum::sim {
namespace {

constexpr Micros kPatienceUs = 3'000'000;
constexpr size_t kMostAtOnce = 6;
constexpr Micros kMostBetweenUs = 2000;

std::string Encode(const std::vector<std::string>& argv) {
  std::string text = "*" + std::to_string(argv.size()) + "\r\n";
  for (const std::string& arg : argv) {
    text += "$" + std::to_string(arg.size()) + "\r\n" + arg + "\r\n";
  }
  return text;
}

// The length of the first whole RESP2 reply, or 0.
size_t ReplyLength(std::string_view bytes) {
  const size_t end = bytes.find("\r\n");
  if (end == std::string_view::npos) return 0;
  int64_t number = 0;
  std::from_chars(bytes.data() + 1, bytes.data() + end, number);
  size_t length = end + 2;
  if (bytes[0] == '$' && number >= 0) {
    length += static_cast<size_t>(number) + 2;
  } else if (bytes[0] == '*') {
    for (int64_t i = 0; i < number; ++i) {
      const size_t one = length < bytes.size() ? ReplyLength(bytes.substr(length)) : 0;
      if (one == 0) return 0;
      length += one;
    }
  }
  return length <= bytes.size() ? length : 0;
}

std::string FirstLine(const std::string& reply) { return reply.substr(0, reply.find('\r')); }

}  // namespace

SimClient::SimClient(World& world, int number, uint64_t seed, Mix mix)
    : world_(world), number_(number), rng_(seed), mix_(mix) {}

// ---- the workload -----------------------------------------------------------------------------

void SimClient::Start() {
  running_ = true;
  Next();
}

void SimClient::Next() {
  if (!running_ || stopped_ || std::exchange(thinking_, true)) return;
  world_.events().After(rng_.Between(100, world_.plan().think_most_us), [this] {
    thinking_ = false;
    if (stopped_) return;
    const Plan& plan = world_.plan();
    const bool several = rng_.OneIn(static_cast<uint64_t>(plan.pipeline_percent), 100);
    std::vector<std::vector<std::string>> commands(several ? 2 + rng_.Below(kMostAtOnce - 1) : 1);
    for (auto& command : commands) {
      const std::string unique =
          "c" + std::to_string(number_) + "." + std::to_string(++values_) + ";";
      command = DrawOperation(rng_, mix_, plan.keys, unique);
      // Somebody must be reading at the old leader, and not wait for a write there.
      if (plan.duel && number_ % 2 == 1) command = {"GET", "key0"};
    }
    AskAll(commands);
  });
}

SimClient::Pending SimClient::Begin(std::vector<std::string> argv) const {
  Pending pending;
  pending.op.argv = std::move(argv);
  pending.op.client = number_;
  pending.op.invoked = world_.events().now();
  pending.committed = world_.watcher().committed();
  return pending;
}

void SimClient::Ask(std::vector<std::string> argv, std::function<void(const check::Op&)> done) {
  std::deque<Pending> one;
  one.push_back(Begin(std::move(argv)));
  one.back().done = std::move(done);
  Send(std::move(one));
}

void SimClient::AskAll(const std::vector<std::vector<std::string>>& commands) {
  std::deque<Pending> batch;
  ++chains_;
  for (const std::vector<std::string>& argv : commands) {
    batch.push_back(Begin(argv));
    if (commands.size() > 1) batch.back().op.chain = chains_;
  }
  Send(std::move(batch));
}

// ---- sending ----------------------------------------------------------------------------------

void SimClient::Use(NodeId node, server::PortKind kind) {
  Disconnect();
  node_ = node;
  kind_ = kind;
  chosen_ = true;
}

bool SimClient::Connect() {
  if (connection_ != 0) return true;
  if (!chosen_) {
    // Mostly a member: of those who never became one, there may be many.
    const std::vector<NodeId> known = rng_.OneIn(1, 4) ? world_.Ids() : world_.Members().Members();
    node_ = known[rng_.Below(known.size())];
    kind_ = rng_.OneIn(1, 2) ? server::PortKind::kProxy : server::PortKind::kCluster;
  }
  chosen_ = false;
  replies_.clear();
  // Bytes that an earlier connection still delivers are nobody's.
  const uint64_t generation = ++generation_;
  connection_ = world_.node(node_).Connect(
      kind_,
      [this, generation](const std::string& bytes, server::Position position) {
        if (generation == generation_ && connection_ != 0) OnReply(bytes, position);
      },
      [this, generation] {
        if (generation == generation_) OnClosed();
      });
  return connection_ != 0;
}

void SimClient::Disconnect() {
  if (connection_ != 0) world_.node(node_).Disconnect(connection_);
  connection_ = 0;
  ++generation_;
}

void SimClient::Send(std::deque<Pending> batch) {
  KV_CHECK(sent_.empty());
  if (!Connect()) {
    std::move(batch.begin(), batch.end(), std::front_inserter(again_));
    return SendAgain(20'000);
  }
  // What is pipelined need not arrive at once.
  const bool piecemeal = batch.size() > 1 && rng_.OneIn(1, 2);
  Micros delay = 0;
  std::string bytes;
  for (Pending& pending : batch) {
    world_.Trace("client " + std::to_string(number_) + " -> " + world_.node(node_).Name() +
                 (kind_ == server::PortKind::kProxy ? " (proxy) " : " ") +
                 check::Describe(pending.op));
    ++pending.attempts;
    bytes += Encode(pending.op.argv);
    if (!piecemeal) continue;
    pending.op.invoked = world_.events().now() + delay;
    world_.events().After(delay,
                          [this, generation = generation_, piece = std::exchange(bytes, {})] {
                            if (generation != generation_ || connection_ == 0) return;
                            world_.node(node_).SendBytes(connection_, piece);
                          });
    delay += rng_.Below(kMostBetweenUs);
  }
  sent_ = std::move(batch);
  if (!piecemeal) world_.node(node_).SendBytes(connection_, std::move(bytes));
  world_.events().After(kPatienceUs, [this, attempt = ++attempt_] { OnTimeout(attempt); });
}

void SimClient::SendAgain(Micros delay) {
  world_.events().After(delay, [this, attempt = ++attempt_] {
    if (attempt != attempt_ || again_.empty() || !sent_.empty()) return;
    std::deque<Pending> one;
    one.push_back(std::move(again_.front()));
    again_.pop_front();
    Send(std::move(one));
  });
}

void SimClient::Drop() {
  Disconnect();
  OnClosed();
}

// ---- what comes back --------------------------------------------------------------------------

void SimClient::OnTimeout(uint64_t attempt) {
  if (attempt != attempt_ || sent_.empty()) return;
  Disconnect();
  OnClosed();
}

void SimClient::OnClosed() {
  connection_ = 0;
  replies_.clear();
  if (sent_.size() > 1) world_.watcher().Hit(Mark::kPipelineSplit);
  for (Pending& pending : std::exchange(sent_, {})) Finish(std::move(pending), false);
  Proceed();
}

void SimClient::OnReply(const std::string& bytes, server::Position position) {
  replies_ += bytes;
  // The position is of the newest reply: it is only known whose that is when there is one.
  size_t length = ReplyLength(replies_);
  if (sent_.size() > 1 || length < replies_.size()) position = {};
  for (; length != 0 && !sent_.empty(); length = ReplyLength(replies_)) {
    const std::string reply = replies_.substr(0, length);
    replies_.erase(0, length);
    OneReply(reply, position);
  }
  if (!replies_.empty() && sent_.empty()) world_.Fail("a reply to nothing: " + replies_);
  if (sent_.empty()) Proceed();
}

void SimClient::OneReply(const std::string& reply, server::Position position) {
  Pending pending = std::move(sent_.front());
  sent_.pop_front();
  world_.Trace("client " + std::to_string(number_) + " <- " + FirstLine(reply));
  if (reply.starts_with("-INDOUBT")) return Finish(std::move(pending), false);
  if (Refused(reply)) {
    if (sent_.size() + again_.size() > 0) world_.watcher().Hit(Mark::kPipelineSplit);
    pending.op.chain = 0;  // what followed it may have been executed
    again_.push_back(std::move(pending));
    return;
  }
  pending.op.reply = reply;
  pending.op.position = position.index;
  pending.op.rank = position.rank;
  // Stricter than what clients can tell apart: whoever answers knows all that was committed.
  if (position.index != Index() && position.index < pending.committed) {
    world_.Fail(check::Describe(pending.op) + " is answered from index " +
                std::to_string(position.index.value()) + ", but " +
                std::to_string(pending.committed.value()) + " was committed when it was asked");
  }
  Finish(std::move(pending), true);
}

// Replies that promise that nothing has happened.
bool SimClient::Refused(const std::string& reply) {
  if (reply.starts_with("-MOVED ")) {
    ++world_.figures().redirects;
    uint64_t target = 0;
    const size_t at = reply.find("node") + 4;
    std::from_chars(reply.data() + at, reply.data() + reply.size(), target);
    if (kind_ == server::PortKind::kProxy) world_.Fail("MOVED on a proxy port: " + reply);
    if (NodeId(target) == node_) world_.Fail("MOVED to the node that answers");
    if (target == 0 || target > world_.Ids().size()) world_.Fail("MOVED to nobody: " + reply);
    again_delay_ = 100;
    if (sent_.empty()) Use(NodeId(target), server::PortKind::kCluster);
    return true;
  }
  if (reply.starts_with("-CLUSTERDOWN")) {
    again_delay_ = 10'000;
    // Perhaps this node alone is out of it.
    if (sent_.empty() && ++downs_ % 4 == 0) Disconnect();
    return true;
  }
  if (reply.starts_with("-MISCONF")) {
    world_.watcher().Hit(Mark::kDiskFullRefused);
    again_delay_ = 50'000;
    return true;
  }
  if (reply.starts_with("-ERR") || !reply.starts_with("-")) return false;
  world_.Fail("unexpected reply: " + reply);
  return false;
}

void SimClient::Finish(Pending pending, bool known) {
  check::Op& op = pending.op;
  if (known) {
    op.returned = world_.events().now();
    ++world_.figures().operations;
  } else {
    ++world_.figures().unknown;
  }
  world_.Record(op);
  if (pending.done) pending.done(op);
}

void SimClient::Proceed() {
  if (!sent_.empty()) return;
  ++attempt_;
  if (again_.empty()) return Next();
  SendAgain(std::max<Micros>(again_delay_, 100));
}

}  // namespace kvorum::sim
