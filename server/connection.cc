// SPDX-License-Identifier: Apache-2.0
#include "server/connection.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <utility>

#include "server/limits.h"

namespace kvorum::server {

using boost::asio::ip::tcp;

Connection::Connection(tcp::socket socket, ReadBuffer& buffer, Node& node, Session* session,
                       Events events)
    : socket_(std::move(socket)),
      buffer_(buffer),
      node_(node),
      session_(session),
      events_(std::move(events)) {}

void Connection::Start() { WaitRead(); }

void Connection::WaitRead() {
  if (reading_ || closed_ || !session_->WantsInput(kStalledInputBytes)) return;
  reading_ = true;
  socket_.async_wait(tcp::socket::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       self->reading_ = false;
                       if (self->closed_) return;
                       if (error) {
                         self->Close();
                       } else {
                         self->OnReadable();
                       }
                     });
}

void Connection::OnReadable() {
  events_.input();
  std::string& input = session_->input;
  boost::system::error_code error;
  const size_t got = buffer_.Append(socket_, session_->parser.WantedBytes(), input, error);
  if (error && error != boost::asio::error::would_block && error != boost::asio::error::try_again) {
    Close();
    return;
  }
  session_->bytes_in += got;
  node_.CountInput(got);
  if (!session_->authenticated && input.size() - session_->parsed > kStrangerInputBytes) {
    node_.host().Log(Host::Level::kWarning, "Closing client that reached max query buffer length");
    Close();
    return;
  }
  if (input.size() - session_->parsed > node_.config().client_query_buffer_limit) {
    node_.host().Log(Host::Level::kWarning, "Closing client that reached max query buffer length");
    Close();
    return;
  }
  node_.Touch(session_);
  WaitRead();
}

bool Connection::OverLimit() const {
  const size_t unread = session_->output.size() - written_;
  if (!session_->authenticated && unread > kStrangerOutputBytes) return true;
  return unread > node_.config().output_hard_limit;
}

void Connection::Flush() {
  if (closed_) return;
  const std::shared_ptr<Connection> self = shared_from_this();  // Close may drop the last other one
  if (session_->kill_now) {
    Close();
    return;
  }
  std::string& output = session_->output;
  if (!writing_ && written_ < output.size()) {
    boost::system::error_code error;
    const size_t sent = socket_.write_some(
        boost::asio::buffer(output.data() + written_, output.size() - written_), error);
    if (error && error != boost::asio::error::would_block &&
        error != boost::asio::error::try_again) {
      Close();
      return;
    }
    written_ += sent;
    session_->bytes_out += sent;
    node_.CountOutput(sent);
  }
  if (written_ == output.size()) {
    output.clear();
    written_ = 0;
    slow_since_ = 0;
    // A buffer that has grown once is not kept for ever.
    if (output.capacity() > (size_t{1} << 20)) output.shrink_to_fit();
    if (session_->closing && !session_->Owed() && session_->backlog.empty()) {
      Close();
      return;
    }
    node_.Touch(session_);
  } else {
    if (written_ > output.size() / 2) {
      output.erase(0, written_);
      written_ = 0;
    }
    if (OverLimit()) {
      node_.host().Log(Host::Level::kWarning,
                       "Closing client that does not read its replies (output buffer limit)");
      Close();
      return;
    }
    // What is written and not dropped yet counts: it is memory, and it is what keeps the session
    // from being served.
    const bool slow = output.size() >= node_.config().output_soft_limit;
    if (!slow) {
      slow_since_ = 0;
      node_.Touch(session_);
    }
    if (slow && slow_since_ == 0) slow_since_ = node_.now().boot_us;
    WaitWrite();
  }
  Resume();
}

void Connection::Resume() {
  if (!closed_) WaitRead();
}

// Asked and not noted: a request that has begun and never goes on causes nothing to be noted at.
Micros Connection::PartialSince(Micros now) {
  const bool partial = session_->parser.InRequest() && session_->stall == Stall::kNone;
  if (!partial) {
    partial_since_ = 0;
  } else if (partial_since_ == 0 || partial_behind_ != session_->last_sequence) {
    partial_since_ = now;
    partial_behind_ = session_->last_sequence;
  }
  return partial_since_;
}

void Connection::WaitWrite() {
  if (writing_) return;
  writing_ = true;
  socket_.async_wait(tcp::socket::wait_write,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       self->writing_ = false;
                       if (self->closed_) return;
                       if (error) {
                         self->Close();
                         return;
                       }
                       self->events_.input();
                       self->Flush();
                     });
}

void Connection::Close() {
  if (closed_) return;
  const std::shared_ptr<Connection> self = shared_from_this();
  events_.input();
  closed_ = true;
  boost::system::error_code ignored;
  socket_.close(ignored);
  session_->owner = nullptr;
  node_.Closed(session_);
  session_ = nullptr;
  events_.closed(self);
}

}  // namespace kvorum::server
