// SPDX-License-Identifier: Apache-2.0
#include "benchmark/load/worker.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace kvorum::load {
namespace {

constexpr int64_t kRestNs = 10'000'000;         // before a lost connection is opened again
constexpr int64_t kPatienceNs = 5'000'000'000;  // for what is in flight at the end

void AppendBulk(std::string& out, std::string_view text) {
  out += '$';
  out += std::to_string(text.size());
  out += "\r\n";
  out += text;
  out += "\r\n";
}

void AppendCommand(std::string& out, const Options& options, const Operation& operation) {
  out += operation.write ? "*3\r\n$3\r\nSET\r\n$16\r\n" : "*2\r\n$3\r\nGET\r\n$16\r\n";
  AppendKey(out, operation.key);
  out += "\r\n";
  if (!operation.write) return;
  out += '$';
  out += std::to_string(options.value_bytes);
  out += "\r\n";
  AppendValue(out, operation.key, options.value_bytes);
  out += "\r\n";
  if (options.after.empty()) return;
  out += '*';
  out += std::to_string(options.after.size());
  out += "\r\n";
  for (const std::string& word : options.after) AppendBulk(out, word);
}

}  // namespace

int64_t NowNs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

Worker::Worker(const Options& options, const KeyChooser& keys, uint64_t part, int64_t start_ns)
    : options_(options),
      keys_(keys),
      schedule_(options, part, options.threads, start_ns),
      rng_(options.seed * 1000003 + part),
      fill_next_(Begin(options.keys, part, options.threads)),
      nodes_(options.nodes),
      slots_(options.cluster ? kSlots : 0, -1) {
  const uint64_t first = Begin(options.clients, part, options.threads);
  const uint64_t end = Begin(options.clients, part + 1, options.threads);
  clients_.resize(end - first);
  for (size_t i = 0; i < clients_.size(); ++i) {
    clients_[i].node = (first + i) % nodes_.size();
    free_.push_back(i);
  }
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  timer_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  KV_CHECK(epoll_ >= 0 && timer_ >= 0);
  epoll_event event{};
  event.events = EPOLLIN;
  KV_CHECK(epoll_ctl(epoll_, EPOLL_CTL_ADD, timer_, &event) == 0);
}

Worker::~Worker() {
  clients_.clear();
  close(timer_);
  close(epoll_);
}

void Worker::Run() {
  int64_t now = NowNs();
  int64_t gives_up = INT64_MAX;
  while (true) {
    const bool ended = schedule_.Ended(now);
    if (gives_up == INT64_MAX && (ended || schedule_.TimeIsUp(now))) gives_up = now + kPatienceNs;
    if ((ended && in_flight_ == 0 && again_.empty()) || now >= gives_up) break;
    Feed(now);
    Flush();
    Bury();
    Wait(gives_up != INT64_MAX ? gives_up : schedule_.NextNs(!free_.empty()));
    Bury();
    now = NowNs();
  }
  tally_.late = schedule_.Late(now);
  tally_.unanswered = in_flight_ + again_.size();
}

void Worker::Feed(int64_t now_ns) {
  while (!resting_.empty() && clients_[resting_.front()].rests_until_ns <= now_ns) {
    const size_t client = resting_.front();
    resting_.pop_front();
    clients_[client].rests_until_ns = 0;
    Release(client);
  }
  Operation operation;
  while (!free_.empty() && NextOperation(now_ns, operation)) {
    const size_t client = free_.front();
    free_.pop_front();
    clients_[client].free = false;
    Send(client, operation);
    // The front again, so that a closed loop fills one client's pipeline at a time.
    if (clients_[client].in_flight < options_.pipeline && clients_[client].rests_until_ns == 0) {
      clients_[client].free = true;
      options_.rate_per_s > 0 ? free_.push_back(client) : free_.push_front(client);
    }
  }
}

bool Worker::NextOperation(int64_t now_ns, Operation& operation) {
  if (!again_.empty()) {
    operation = again_.front();
    again_.pop_front();
    return true;
  }
  if (!schedule_.Due(now_ns, operation.due_ns)) return false;
  schedule_.Take();
  if (options_.fill) {
    operation.key = fill_next_++;
    operation.write = true;
  } else {
    operation.key = keys_.Next(rng_);
    operation.write = !rng_.OneIn(static_cast<uint64_t>(options_.reads * 1e6), 1'000'000);
  }
  if (schedule_.Counts(operation.due_ns)) {
    tally_.first_ns = std::min(tally_.first_ns, operation.due_ns);
  }
  return true;
}

size_t Worker::NodeOf(const Address& address) {
  const auto found = std::find(nodes_.begin(), nodes_.end(), address);
  if (found == nodes_.end()) {
    nodes_.push_back(address);
    return nodes_.size() - 1;
  }
  return static_cast<size_t>(found - nodes_.begin());
}

size_t Worker::NodeFor(size_t client, uint64_t key) {
  if (!options_.cluster) return clients_[client].node;
  std::string name;
  AppendKey(name, key);
  const int32_t known = slots_[SlotOf(name)];
  return known < 0 ? guess_ : static_cast<size_t>(known);
}

Link* Worker::LinkTo(size_t client, size_t node) {
  std::unique_ptr<Link>& link = clients_[client].links[node];
  if (link == nullptr) {
    link = std::make_unique<Link>(client, node);
    if (!link->Open(epoll_, nodes_[node])) Lose(*link);
  }
  return link.get();
}

void Worker::Send(size_t client, const Operation& operation) {
  Link* link = LinkTo(client, NodeFor(client, operation.key));
  Flight flight{.operation = operation};
  if (operation.write && !options_.after.empty()) flight.replies = 2;
  link->flights().push_back(flight);
  ++clients_[client].in_flight;
  ++in_flight_;
  AppendCommand(link->out(), options_, operation);
  if (!link->dirty) {
    link->dirty = true;
    dirty_.push_back(link);
  }
}

void Worker::Flush() {
  for (Link* link : dirty_) {
    link->dirty = false;
    if (!link->lost && !link->Flush()) Lose(*link);
  }
  dirty_.clear();
}

void Worker::Wait(int64_t until_ns) {
  int64_t next = until_ns;
  if (!resting_.empty()) next = std::min(next, clients_[resting_.front()].rests_until_ns);
  if (next != timer_ns_) {
    timer_ns_ = next;
    itimerspec when{};
    when.it_value.tv_sec = next / 1'000'000'000;
    when.it_value.tv_nsec = next % 1'000'000'000;
    timerfd_settime(timer_, TFD_TIMER_ABSTIME, &when, nullptr);
  }
  epoll_event events[256];
  const int count = epoll_wait(epoll_, events, 256, -1);
  for (int i = 0; i < count; ++i) {
    auto* link = static_cast<Link*>(events[i].data.ptr);
    if (link == nullptr) {
      uint64_t expirations;
      if (read(timer_, &expirations, sizeof(expirations)) > 0) timer_ns_ = 0;
      continue;
    }
    if (link->lost) continue;
    if ((events[i].events & EPOLLOUT) != 0 && !link->Flush()) {
      Lose(*link);
    } else if ((events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) {
      Read(*link);
    }
  }
}

void Worker::Read(Link& link) {
  const bool alive = link.Fill();
  const int64_t now_ns = NowNs();
  size_t done = 0;
  Reply reply;
  ReplyState state = ReplyState::kIncomplete;
  while (!link.flights().empty() &&
         (state = ScanReply(link.in().substr(done), reply)) == ReplyState::kComplete) {
    Answered(link, reply, now_ns);
    done += reply.bytes;
  }
  link.DropIn(done);
  if (!alive || state == ReplyState::kNoResp) Lose(link);
}

void Worker::Answered(Link& link, const Reply& reply, int64_t now_ns) {
  Flight& flight = link.flights().front();
  --flight.replies;
  if (reply.kind == '-' && !flight.failed) {
    flight.failed = true;
    const auto moved =
        options_.cluster ? ParseMoved(reply.line, nodes_[link.node()].host) : std::nullopt;
    if (moved) {
      Redirect(flight.operation, *moved);
    } else {
      Fail(flight.operation, std::string(ErrorWord(reply.line)));
    }
  }
  if (reply.null && !flight.operation.write && schedule_.Counts(flight.operation.due_ns)) {
    ++tally_.misses;
  }
  if (flight.replies > 0) return;
  Finish(flight, now_ns);
  link.flights().pop_front();
  --in_flight_;
  --clients_[link.client()].in_flight;
  Release(link.client());
}

void Worker::Finish(const Flight& flight, int64_t now_ns) {
  if (flight.failed || !schedule_.Counts(flight.operation.due_ns)) return;
  const auto ns = static_cast<uint64_t>(std::max<int64_t>(0, now_ns - flight.operation.due_ns));
  (flight.operation.write ? tally_.writes_ns : tally_.reads_ns).Record(ns);
  tally_.last_ns = std::max(tally_.last_ns, now_ns);
}

void Worker::Release(size_t client) {
  Client& c = clients_[client];
  if (c.free || c.in_flight >= options_.pipeline || c.rests_until_ns != 0) return;
  c.free = true;
  free_.push_back(client);
}

void Worker::Redirect(const Operation& operation, const Moved& moved) {
  ++tally_.moved;
  const size_t node = NodeOf(moved.to);
  if (slots_[moved.slot] < 0) guess_ = node;
  slots_[moved.slot] = static_cast<int32_t>(node);
  again_.push_back(operation);
}

void Worker::Fail(const Operation& operation, const std::string& word) {
  if (schedule_.Counts(operation.due_ns)) ++tally_.errors[word];
}

void Worker::Lose(Link& link) {
  if (link.lost) return;
  link.lost = true;
  lost_.push_back(&link);
}

// Links are removed here only, so that nobody holds one that is gone.
void Worker::Bury() {
  for (Link* link : std::exchange(lost_, {})) {
    const size_t client = link->client();
    Client& c = clients_[client];
    const std::string word = link->connected() ? "connection-lost" : "connection-refused";
    for (const Flight& flight : link->flights()) {
      if (!flight.failed) Fail(flight.operation, word);
    }
    in_flight_ -= link->flights().size();
    c.in_flight -= link->flights().size();
    if (options_.cluster) {
      const auto dead = static_cast<int32_t>(link->node());
      std::replace(slots_.begin(), slots_.end(), dead, -1);
      if (guess_ == link->node()) guess_ = (guess_ + 1) % nodes_.size();
    }
    std::erase(dirty_, link);
    c.links.erase(link->node());
    if (c.rests_until_ns != 0) continue;
    if (c.free) std::erase(free_, client);
    c.free = false;
    c.rests_until_ns = NowNs() + kRestNs;
    resting_.push_back(client);
  }
}

}  // namespace kvorum::load
