// SPDX-License-Identifier: Apache-2.0
#include "benchmark/roofline/leader.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "base/check.h"
#include "benchmark/roofline/sockets.h"

namespace kvorum::roofline {

Leader::Leader(int listening, std::array<int, 2> followers, LogFile& file)
    : listening_(listening),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      event_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      followers_(followers),
      disk_(file, event_) {
  Watch(listening_, &listening_);
  Watch(event_, &event_);
  for (int& follower : followers_) Watch(follower, &follower);
}

void Leader::Watch(int fd, void* what) {
  epoll_event event{.events = EPOLLIN, .data = {.ptr = what}};
  KV_CHECK(epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0);
}

void Leader::Run() {
  epoll_event events[256];
  eventfd_t woken = 0;
  while (true) {
    const int count = epoll_wait(epoll_, events, 256, -1);
    for (int i = 0; i < count; ++i) {
      void* what = events[i].data.ptr;
      if (what == &listening_) {
        Accept();
      } else if (what == &event_) {
        KV_CHECK(eventfd_read(event_, &woken) == 0);
      } else if (what == &followers_[0]) {
        HearFrom(0);
      } else if (what == &followers_[1]) {
        HearFrom(1);
      } else {
        Serve(*static_cast<Client*>(what));
      }
    }
    Replicate();
    Commit();
  }
}

void Leader::Accept() {
  const int fd = accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
  if (fd < 0) return;
  NoDelay(fd);
  clients_.push_back(std::make_unique<Client>());
  clients_.back()->fd = fd;
  Watch(fd, clients_.back().get());
}

void Leader::Serve(Client& client) {
  using Kind = resp::ParseResult::Kind;
  char buffer[64 << 10];
  const ssize_t n = recv(client.fd, buffer, sizeof(buffer), 0);
  Kind kind = n > 0 ? Kind::kCommand : Kind::kError;
  if (n > 0) client.in.append(buffer, static_cast<size_t>(n));
  size_t done = 0;
  while (kind == Kind::kCommand) {
    const auto parsed = client.parser.Next(std::string_view(client.in).substr(done));
    kind = parsed.kind;
    done += parsed.consumed;
    if (kind == Kind::kCommand) Execute(client, parsed.argv);
  }
  client.in.erase(0, done);
  if (kind == Kind::kNeedMore) return Answer(client);
  close(client.fd);
  std::erase_if(clients_, [&](const auto& c) { return c.get() == &client; });
}

void Leader::Execute(Client& client, std::span<const std::string_view> argv) {
  const uint64_t seen = client.waiting.empty() ? 0 : client.waiting.back().end;
  if (argv[0] == "SET" && argv.size() == 3) {
    const uint64_t header[2] = {argv[1].size(), argv[2].size()};
    batch_.append(reinterpret_cast<const char*>(header), sizeof(header));
    batch_ += argv[1];
    batch_ += argv[2];
    end_ += sizeof(header) + argv[1].size() + argv[2].size();
    uncommitted_.push_back({end_, std::string(argv[1]), std::string(argv[2])});
    client.waiting.push_back({end_, false, "+OK\r\n"});
  } else if (argv[0] == "GET" && argv.size() == 2) {
    client.waiting.push_back({seen, true, std::string(argv[1])});
  } else {
    const bool ping = argv[0] == "PING";
    client.waiting.push_back({seen, false, ping ? "+PONG\r\n" : "-ERR SET, GET and PING only\r\n"});
  }
}

// The followers first: their way is the longer one.
void Leader::Replicate() {
  if (batch_.empty()) return;
  for (const int follower : followers_) SendAll(follower, batch_);
  disk_.Append(batch_);
  batch_.clear();
}

void Leader::HearFrom(size_t follower) {
  uint64_t offsets[64];
  const ssize_t n = recv(followers_[follower], offsets, sizeof(offsets), 0);
  KV_CHECK(n > 0 && n % 8 == 0);  // it is sent in eights, and a part of eight is never sent
  durable_[follower] = offsets[n / 8 - 1];
}

void Leader::Commit() {
  std::array<uint64_t, 3> durable = {disk_.Durable(), durable_[0], durable_[1]};
  std::sort(durable.begin(), durable.end());
  if (durable[1] == commit_) return;
  commit_ = durable[1];
  for (; !uncommitted_.empty() && uncommitted_.front().end <= commit_; uncommitted_.pop_front()) {
    map_[std::move(uncommitted_.front().key)] = std::move(uncommitted_.front().value);
  }
  for (const auto& client : clients_) Answer(*client);
}

void Leader::Answer(Client& client) {
  std::deque<Waiting>& waiting = client.waiting;
  for (; !waiting.empty() && waiting.front().end <= commit_; waiting.pop_front()) {
    const Waiting& next = waiting.front();
    const auto found = next.read ? map_.find(next.text) : map_.end();
    if (!next.read) {
      client.out += next.text;
    } else if (found == map_.end()) {
      client.out += "$-1\r\n";
    } else {
      client.out += "$" + std::to_string(found->second.size()) + "\r\n" + found->second + "\r\n";
    }
  }
  SendAll(client.fd, client.out);
  client.out.clear();
}

}  // namespace kvorum::roofline
