// SPDX-License-Identifier: Apache-2.0
#include "server/client_poll.h"

#include <cerrno>
#include <system_error>

namespace kvorum::server {
namespace {

// In one call: more are told by the next.
constexpr size_t kEvents = 256;

epoll_event Event(void* owner, Readiness wanted) {
  epoll_event event = {};
  event.events = EPOLLET;
  if (wanted.read) event.events |= EPOLLIN;
  if (wanted.write) event.events |= EPOLLOUT;
  event.data.ptr = owner;
  return event;
}

int NewSet() {
  const int set = ::epoll_create1(EPOLL_CLOEXEC);
  if (set < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
  return set;
}

}  // namespace

ClientPoll::ClientPoll(boost::asio::io_context& context)
    : set_(context, NewSet()), events_(kEvents) {}

bool ClientPoll::Add(int socket, void* owner, Readiness wanted) {
  epoll_event event = Event(owner, wanted);
  return ::epoll_ctl(set_.native_handle(), EPOLL_CTL_ADD, socket, &event) == 0;
}

void ClientPoll::Change(int socket, void* owner, Readiness wanted) {
  epoll_event event = Event(owner, wanted);
  // Fails for a socket that is not in the set, and for no other reason.
  (void)::epoll_ctl(set_.native_handle(), EPOLL_CTL_MOD, socket, &event);
}

void ClientPoll::Arm() {
  if (armed_) return;
  armed_ = true;
  set_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                  [this](const boost::system::error_code&) { armed_ = false; });
}

std::span<const epoll_event> ClientPoll::Events() {
  const int count = ::epoll_wait(set_.native_handle(), events_.data(), kEvents, 0);
  return std::span(events_).first(count > 0 ? static_cast<size_t>(count) : 0);
}

Readiness ClientPoll::ReadinessOf(const epoll_event& event) {
  return {.read = (event.events & EPOLLIN) != 0,
          .write = (event.events & EPOLLOUT) != 0,
          .broken = (event.events & (EPOLLERR | EPOLLHUP)) != 0};
}

}  // namespace kvorum::server
