// SPDX-License-Identifier: Apache-2.0
//
// One connection of one client to one node: bytes out, bytes in, and the commands in between, which
// are answered in the order in which they were sent.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "benchmark/load/options.h"

namespace kvorum::load {

struct Operation {
  int64_t due_ns = 0;  // what its latency counts from
  uint64_t key = 0;
  bool write = false;
};

// A command that was sent. Its replies: its own, and the one of the command behind it.
struct Flight {
  Operation operation;
  uint8_t replies = 1;
  bool failed = false;
};

class Link {
 public:
  Link(size_t client, size_t node) : client_(client), node_(node) {}
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  // Starts to connect and asks `epoll` to report this link. False: it failed at once.
  bool Open(int epoll, const Address& address);
  // Sends what it can. False: the connection is lost.
  bool Flush();
  // Reads what is there, to `in()`. False: the connection is lost.
  bool Fill();
  void DropIn(size_t bytes) { in_.erase(0, bytes); }

  [[nodiscard]] size_t client() const { return client_; }
  [[nodiscard]] size_t node() const { return node_; }
  [[nodiscard]] std::string_view in() const { return in_; }
  [[nodiscard]] bool connected() const { return connected_; }
  std::string& out() { return out_; }
  std::deque<Flight>& flights() { return flights_; }
  bool dirty = false;  // on the worker's list of links that have something to send
  bool lost = false;   // on the worker's list of links to be removed

 private:
  void Want(bool writable);

  size_t client_;
  size_t node_;
  int fd_ = -1;
  int epoll_ = -1;
  bool connected_ = false;
  bool wants_writable_ = false;
  std::string out_;
  size_t sent_ = 0;
  std::string in_;
  std::deque<Flight> flights_;
};

}  // namespace kvorum::load
