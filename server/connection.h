// SPDX-License-Identifier: Apache-2.0
//
// A client's socket and its session. Readiness is waited for, then read or written without
// blocking: bytes go straight from the socket into the session's buffer and back, and a turn's
// replies leave in one write.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>

#include "server/node.h"
#include "server/read_buffer.h"

namespace kvorum::server {

// Lives as long as an operation of it is pending or the reactor lists it. Reactor's thread only.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  struct Events {
    std::function<void()> input;  // before bytes are handed in: a turn begins
    std::function<void(const std::shared_ptr<Connection>&)> closed;  // once
  };
  Connection(boost::asio::ip::tcp::socket socket, ReadBuffer& buffer, Node& node, Session* session,
             Events events);

  void Start();
  // Writes what the session has, closes when the session says so.
  void Flush();
  // Reads again if the session wants input now.
  void Resume();
  void Close();
  [[nodiscard]] Session* session() { return session_; }
  [[nodiscard]] bool closed() const { return closed_; }
  // Since when the soft limit is exceeded by what the client has not read; 0 = it is not.
  [[nodiscard]] Micros slow_since() const { return slow_since_; }
  // Since when one and the same request has been incomplete, as far as it was asked; 0 = none is.
  // To be called now and then.
  Micros PartialSince(Micros now);

 private:
  void WaitRead();
  void OnReadable();
  void WaitWrite();
  [[nodiscard]] bool OverLimit() const;

  boost::asio::ip::tcp::socket socket_;
  ReadBuffer& buffer_;
  Node& node_;
  Session* session_;  // null once closed
  Events events_;
  size_t written_ = 0;  // of session_->output
  Micros slow_since_ = 0;
  Micros partial_since_ = 0;
  uint64_t partial_behind_ = 0;  // the request before the incomplete one
  bool reading_ = false;
  bool writing_ = false;
  bool closed_ = false;
};

}  // namespace kvorum::server
