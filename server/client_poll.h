// SPDX-License-Identifier: Apache-2.0
//
// Which clients' sockets have become ready. Asio asks the kernel anew for each wait, one epoll_ctl
// a read; here a socket is in an edge-triggered epoll set until something else is wanted of it, and
// Asio waits for the set (docs/decisions/0009-clients-sockets.md).
#pragma once

#include <sys/epoll.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <span>
#include <vector>

namespace kvorum::server {

// What is wanted of a socket, or what it is.
struct Readiness {
  bool read = false;
  bool write = false;
  bool broken = false;  // said of every socket, wanted or not: both directions are at their end
  bool operator==(const Readiness&) const = default;
};

// Reactor's thread only.
class ClientPoll {
 public:
  // Throws std::system_error when the kernel has no epoll set to give.
  explicit ClientPoll(boost::asio::io_context& context);

  // `owner` comes back from Take. A socket leaves the set when it is closed. False: no memory.
  [[nodiscard]] bool Add(int socket, void* owner, Readiness wanted);
  // Also tells anew what the socket is already: who has not read or written all there was asks so.
  void Change(int socket, void* owner, Readiness wanted);

  // Has the io_context wake up, once, when some socket is ready.
  void Arm();
  // Whether that has not happened yet.
  [[nodiscard]] bool armed() const { return armed_; }
  // Calls visit(owner, readiness) for some that have become ready, without waiting.
  template <class Visit>
  void Take(Visit visit) {
    for (const epoll_event& event : Events()) visit(event.data.ptr, ReadinessOf(event));
  }

 private:
  std::span<const epoll_event> Events();
  static Readiness ReadinessOf(const epoll_event& event);

  boost::asio::posix::stream_descriptor set_;
  std::vector<epoll_event> events_;
  bool armed_ = false;
};

}  // namespace kvorum::server
