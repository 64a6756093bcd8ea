// SPDX-License-Identifier: Apache-2.0
//
// A client's socket and its session. Bytes go straight from the socket into the session's buffer
// and back, without blocking, and a turn's replies leave in one write. What is one call to the
// kernel (Receive, Transmit) may be made by any thread while the reactor waits for it; what follows
// from it (Received, Transmitted) is the reactor's.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "server/client_poll.h"
#include "server/node.h"
#include "server/read_buffer.h"

namespace kvorum::server {

// Lives as long as the reactor lists it. Reactor's thread only, but for what is said above.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  struct Events {
    std::function<void()> input;  // before bytes are handed in: a turn begins
    std::function<void(const std::shared_ptr<Connection>&)> closed;  // once
  };
  // Owns the socket, which does not block.
  Connection(int socket, ClientPoll& poll, Node& node, Session* session, Events events);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void Start();
  // Reads once.
  void Receive(ReadBuffer& buffer);
  void Received();
  // Writes what the session has, as far as the socket takes it.
  void Transmit();
  // Waits for the socket if it did not take all, closes when the session says so, and reads again
  // if the session wants input now.
  void Transmitted();
  // The socket takes more again.
  void Writable();
  void Close();
  [[nodiscard]] Session* session() { return session_; }
  [[nodiscard]] bool closed() const { return closed_; }
  // Since when the soft limit is exceeded by what the client has not read; 0 = it is not.
  [[nodiscard]] Micros slow_since() const { return slow_since_; }
  // Since when one and the same request has been incomplete, as far as it was asked; 0 = none is.
  // To be called now and then.
  Micros PartialSince(Micros now);

 private:
  [[nodiscard]] Readiness Wanted() const;
  void TellPoll();  // if there is anything new to it
  [[nodiscard]] bool OverLimit() const;
  void TransmittedPart();

  const int socket_;
  ClientPoll& poll_;
  Readiness told_;  // what the set was told to wait for
  Node& node_;
  Session* session_;  // null once closed
  Events events_;
  ssize_t received_ = 0;  // by the last call: bytes, 0 at the end, or -errno
  ssize_t sent_ = 0;
  size_t written_ = 0;  // of session_->output
  Micros slow_since_ = 0;
  Micros partial_since_ = 0;
  uint64_t partial_behind_ = 0;  // the request before the incomplete one
  bool drained_ = true;          // the last call has read all there was
  bool writing_ = false;         // the socket is full
  bool closed_ = false;
};

}  // namespace kvorum::server
