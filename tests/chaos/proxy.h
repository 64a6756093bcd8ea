// SPDX-License-Identifier: Apache-2.0
//
// The network between the nodes, as far as a TCP proxy can be one: node i reaches node j only
// through the port that this class listens on for the link i -> j. A node speaks only on the links
// that it has dialled (server/peer_links.h), so what travels from i to j travels on that link, and
// one direction can be cut alone.
//
//   cut      bytes, ends and new connections are held, nothing is told: a silent partition. What
//            was held arrives when it is over, however old.
//   refuse   connections are reset and new ones refused: a firewall, or a dead process by its looks
//   delay, jitter, throttle
//   reset    once: at any place, or in the middle of what is sent next
//
// A process that is gone looks so through the proxy as well: while nobody listens at the target,
// the proxy does not listen either. Loss and reordering of packets are TCP's affair and are seen
// here as delay; the simulator has them at the level of messages.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <thread>
#include <utility>

namespace kvorum::chaos {

struct LinkRule {
  bool cut = false;
  bool refuse = false;
  std::chrono::microseconds delay{0};
  std::chrono::microseconds jitter{0};  // at most so much more, at random; order is kept
  uint64_t bytes_per_second = 0;        // 0: as fast as it goes
};

// Calls from one thread; sockets live on a thread of their own.
class Proxy {
 public:
  explicit Proxy(uint64_t seed);
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  void AddLink(int from, int to, int listen_port, int target_port);
  // Each returns when it holds.
  void Set(int from, int to, const LinkRule& rule);
  void SetAll(const LinkRule& rule);
  void Reset(int from, int to, bool mid_frame);

 private:
  class Link;
  class Stream;
  friend class Link;
  friend class Stream;

  template <class Function>
  void OnThread(Function function);

  boost::asio::io_context context_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::map<std::pair<int, int>, std::unique_ptr<Link>> links_;
  uint64_t seed_;
  std::thread thread_;
};

}  // namespace kvorum::chaos
