// SPDX-License-Identifier: Apache-2.0
#include "server/connection.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "server/limits.h"

namespace kvorum::server {

Connection::Connection(int socket, ClientPoll& poll, Node& node, Session* session, Events events)
    : socket_(socket), poll_(poll), node_(node), session_(session), events_(std::move(events)) {}

Connection::~Connection() {
  if (!closed_) ::close(socket_);
}

Readiness Connection::Wanted() const {
  return {.read = session_->WantsInput(kStalledInputBytes), .write = writing_};
}

void Connection::Start() {
  told_ = Wanted();
  if (!poll_.Add(socket_, this, told_)) Close();
}

void Connection::TellPoll() {
  if (closed_) return;
  const Readiness wanted = Wanted();
  if (drained_ && wanted == told_) return;
  drained_ = true;
  told_ = wanted;
  poll_.Change(socket_, this, told_);
}

void Connection::Receive(ReadBuffer& buffer) {
  const size_t most = std::min(session_->parser.WantedBytes(), ReadBuffer::kBytes);
  received_ = buffer.Append(socket_, most, session_->input);
  drained_ = received_ < static_cast<ssize_t>(most) && received_ != -EINTR;
}

void Connection::Received() {
  if (closed_) return;
  events_.input();
  if (received_ == 0 || ReadBuffer::Failed(received_)) {
    Close();
    return;
  }
  const size_t got = received_ > 0 ? static_cast<size_t>(received_) : 0;
  session_->bytes_in += got;
  node_.CountInput(got);
  const size_t waiting = session_->input.size() - session_->parsed;
  const size_t most =
      session_->authenticated ? node_.config().client_query_buffer_limit : kStrangerInputBytes;
  if (waiting > most) {
    node_.host().Log(Host::Level::kWarning, "Closing client that reached max query buffer length");
    Close();
    return;
  }
  node_.Touch(session_);
  TellPoll();
}

bool Connection::OverLimit() const {
  const size_t unread = session_->output.size() - written_;
  if (!session_->authenticated && unread > kStrangerOutputBytes) return true;
  return unread > node_.config().output_hard_limit;
}

void Connection::Transmit() {
  sent_ = 0;
  const std::string& output = session_->output;
  if (session_->kill_now || writing_ || written_ == output.size()) return;
  sent_ = ::send(socket_, output.data() + written_, output.size() - written_,
                 MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent_ < 0) sent_ = -errno;
}

void Connection::Writable() {
  if (closed_) return;
  events_.input();
  writing_ = false;
  Transmit();
  Transmitted();
}

void Connection::Transmitted() {
  if (closed_) return;
  const std::shared_ptr<Connection> self = shared_from_this();  // Close may drop the last other one
  if (session_->kill_now || ReadBuffer::Failed(sent_)) {
    Close();
    return;
  }
  const size_t sent = sent_ > 0 ? static_cast<size_t>(sent_) : 0;
  written_ += sent;
  session_->bytes_out += sent;
  node_.CountOutput(sent);
  std::string& output = session_->output;
  writing_ = written_ < output.size();
  if (writing_) {
    TransmittedPart();
  } else {
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
  }
  TellPoll();
}

void Connection::TransmittedPart() {
  std::string& output = session_->output;
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

void Connection::Close() {
  if (closed_) return;
  const std::shared_ptr<Connection> self = shared_from_this();
  events_.input();
  closed_ = true;
  ::close(socket_);  // and leaves the set
  session_->owner = nullptr;
  node_.Closed(session_);
  session_ = nullptr;
  events_.closed(self);
}

}  // namespace kvorum::server
