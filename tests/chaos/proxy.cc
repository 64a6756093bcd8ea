// SPDX-License-Identifier: Apache-2.0
#include "tests/chaos/proxy.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <deque>
#include <future>
#include <string>
#include <vector>

#include "base/rng.h"

namespace kvorum::chaos {

using boost::asio::ip::address_v4;
using boost::asio::ip::tcp;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

namespace {

constexpr size_t kPieceBytes = size_t{64} << 10;
constexpr size_t kUnderWayBytes = size_t{512} << 10;  // of a stream; then its sender is not read
constexpr std::chrono::milliseconds kProbeEvery{10};

tcp::endpoint Loopback(int port) { return {address_v4::loopback(), static_cast<uint16_t>(port)}; }

void Abort(tcp::socket& socket) {
  error_code ignored;
  socket.set_option(boost::asio::socket_base::linger(true, 0), ignored);
  socket.close(ignored);
}

}  // namespace

// ---- one connection that a node has dialled -----------------------------------------------------

class Proxy::Stream : public std::enable_shared_from_this<Stream> {
 public:
  Stream(Link& link, tcp::socket from);

  void Start() { Pump(); }
  // The rules have changed.
  void Pump();
  void ResetNow();
  void ResetMidFrame() { cut_next_ = true; }
  [[nodiscard]] bool ended() const { return ended_; }

 private:
  struct Piece {
    std::string bytes;
    Clock::time_point due;
  };

  void Connect();
  void Read();
  void OnRead(const error_code& error, size_t n);
  void Deliver();
  void WatchTarget();
  void TargetEnded();

  Link& link_;
  tcp::socket from_;
  tcp::socket to_;
  boost::asio::steady_timer timer_;
  std::string buffer_;
  std::deque<Piece> pieces_;
  size_t under_way_ = 0;
  Clock::time_point last_due_;
  char answer_[256] = {};
  bool connecting_ = false;
  bool connected_ = false;
  bool reading_ = false;
  bool writing_ = false;
  bool from_ended_ = false;
  bool target_ended_ = false;  // held back while the way from there is cut
  bool cut_next_ = false;
  bool ended_ = false;
};

// ---- the way from one node to another -----------------------------------------------------------

class Proxy::Link {
 public:
  Link(Proxy& proxy, std::pair<int, int> ends, int listen_port, int target_port, uint64_t seed)
      : proxy_(proxy),
        ends_(ends),
        listen_port_(listen_port),
        target_port_(target_port),
        random_(seed),
        acceptor_(proxy.context_),
        probe_timer_(proxy.context_),
        probe_(proxy.context_) {
    Listen();
  }

  [[nodiscard]] const LinkRule& rule() const { return rule_; }
  [[nodiscard]] bool CutForth() const { return rule_.cut; }
  [[nodiscard]] bool CutBack() const {
    const auto back = proxy_.links_.find({ends_.second, ends_.first});
    return back != proxy_.links_.end() && back->second->rule_.cut;
  }
  [[nodiscard]] tcp::endpoint target() const { return Loopback(target_port_); }
  boost::asio::io_context& context() { return proxy_.context_; }
  Rng& random() { return random_; }

  void SetRule(const LinkRule& rule) {
    rule_ = rule;
    if (rule.refuse) {
      for (const auto& stream : Streams()) stream->ResetNow();
    }
    Listen();
  }
  void Pump() {
    Listen();
    for (const auto& stream : Streams()) stream->Pump();
  }
  void Reset(bool mid_frame) {
    for (const auto& stream : Streams()) {
      if (mid_frame) {
        stream->ResetMidFrame();
      } else {
        stream->ResetNow();
      }
    }
  }

  // Nobody listens there any more: from now on nobody does here, until somebody does there again.
  void TargetGone() {
    if (!target_there_) return;
    target_there_ = false;
    Listen();
    Probe();
  }

 private:
  std::vector<std::shared_ptr<Stream>> Streams() {
    std::erase_if(streams_, [](const auto& stream) { return stream->ended(); });
    return streams_;
  }

  // Listens if a node that dials now would find somebody, or would not be told that it does not.
  void Listen() {
    const bool silent = CutForth() || CutBack();
    const bool wanted = !rule_.refuse && (target_there_ || silent);
    error_code ignored;
    if (!wanted) {
      acceptor_.close(ignored);
      return;
    }
    if (acceptor_.is_open()) return;
    acceptor_.open(tcp::v4(), ignored);
    acceptor_.set_option(tcp::acceptor::reuse_address(true), ignored);
    error_code error;
    acceptor_.bind(Loopback(listen_port_), error);
    if (!error) acceptor_.listen(128, error);
    if (error) {
      acceptor_.close(ignored);
      return;
    }
    Accept();
  }

  void Accept() {
    acceptor_.async_accept([this](const error_code& error, tcp::socket socket) {
      if (!acceptor_.is_open()) return;
      if (!error) {
        Streams();
        streams_.push_back(std::make_shared<Stream>(*this, std::move(socket)));
        streams_.back()->Start();
      }
      if (error != boost::asio::error::operation_aborted) Accept();
    });
  }

  void Probe() {
    probe_timer_.expires_after(kProbeEvery);
    probe_timer_.async_wait([this](const error_code& stopped) {
      if (stopped) return;
      probe_ = tcp::socket(proxy_.context_);
      probe_.async_connect(target(), [this](const error_code& error) {
        error_code ignored;
        probe_.close(ignored);
        if (error) {
          Probe();
          return;
        }
        target_there_ = true;
        Listen();
      });
    });
  }

  Proxy& proxy_;
  std::pair<int, int> ends_;
  int listen_port_;
  int target_port_;
  Rng random_;
  LinkRule rule_;
  tcp::acceptor acceptor_;
  boost::asio::steady_timer probe_timer_;
  tcp::socket probe_;
  bool target_there_ = true;
  std::vector<std::shared_ptr<Stream>> streams_;
};

Proxy::Stream::Stream(Link& link, tcp::socket from)
    : link_(link), from_(std::move(from)), to_(link.context()), timer_(link.context()) {
  buffer_.resize(kPieceBytes);
  error_code ignored;
  from_.set_option(tcp::no_delay(true), ignored);
}

void Proxy::Stream::Pump() {
  if (ended_) return;
  // What is under way does not outlast the slowness that it was caught in.
  const LinkRule& rule = link_.rule();
  if (rule.bytes_per_second == 0) {
    const Clock::time_point latest = Clock::now() + rule.delay + rule.jitter;
    for (Piece& piece : pieces_) piece.due = std::min(piece.due, latest);
    last_due_ = std::min(last_due_, latest);
    timer_.cancel();
  }
  if (target_ended_ && !link_.CutBack()) {
    TargetEnded();
    return;
  }
  if (!connected_ && !connecting_ && !link_.CutForth() && !link_.CutBack()) Connect();
  if (!connected_) return;
  Read();
  Deliver();
}

void Proxy::Stream::Connect() {
  connecting_ = true;
  to_.async_connect(link_.target(), [self = shared_from_this()](const error_code& error) {
    self->connecting_ = false;
    if (self->ended_) return;
    if (error) {
      if (error == boost::asio::error::connection_refused) self->link_.TargetGone();
      self->ResetNow();
      return;
    }
    error_code ignored;
    self->to_.set_option(tcp::no_delay(true), ignored);
    self->connected_ = true;
    self->WatchTarget();
    self->Pump();
  });
}

void Proxy::Stream::Read() {
  if (reading_ || from_ended_ || link_.CutForth() || under_way_ > kUnderWayBytes) return;
  reading_ = true;
  from_.async_read_some(boost::asio::buffer(buffer_),
                        [self = shared_from_this()](const error_code& error, size_t n) {
                          self->reading_ = false;
                          if (!self->ended_) self->OnRead(error, n);
                        });
}

void Proxy::Stream::OnRead(const error_code& error, size_t n) {
  if (error) {
    from_ended_ = true;
    if (error != boost::asio::error::eof && pieces_.empty()) {
      ResetNow();
      return;
    }
    Deliver();
    return;
  }
  const LinkRule& rule = link_.rule();
  const auto jitter = std::chrono::microseconds(
      link_.random().Below(static_cast<uint64_t>(rule.jitter.count()) + 1));
  Clock::time_point due = Clock::now() + rule.delay + jitter;
  due = std::max(due, last_due_);
  if (rule.bytes_per_second > 0) {
    due += std::chrono::microseconds(n * 1'000'000 / rule.bytes_per_second);
  }
  last_due_ = due;
  if (cut_next_ && n > 1) {
    n = 1 + link_.random().Below(n - 1);
    from_ended_ = true;
  }
  pieces_.push_back({buffer_.substr(0, n), due});
  under_way_ += n;
  Read();
  Deliver();
}

void Proxy::Stream::Deliver() {
  if (writing_ || ended_ || !connected_ || link_.CutForth()) return;
  if (pieces_.empty()) {
    if (from_ended_) ResetNow();
    return;
  }
  writing_ = true;
  if (pieces_.front().due > Clock::now()) {
    timer_.expires_at(pieces_.front().due);
    timer_.async_wait([self = shared_from_this()](const error_code&) {
      self->writing_ = false;
      self->Deliver();
    });
    return;
  }
  boost::asio::async_write(to_, boost::asio::buffer(pieces_.front().bytes),
                           [self = shared_from_this()](const error_code& error, size_t) {
                             self->writing_ = false;
                             if (self->ended_) return;
                             if (error) {
                               self->TargetEnded();
                               return;
                             }
                             self->under_way_ -= self->pieces_.front().bytes.size();
                             self->pieces_.pop_front();
                             self->Read();
                             self->Deliver();
                           });
}

// Nothing is ever said on a link by the node that was dialled, but its end.
void Proxy::Stream::WatchTarget() {
  to_.async_read_some(boost::asio::buffer(answer_),
                      [self = shared_from_this()](const error_code& error, size_t) {
                        if (self->ended_) return;
                        if (error) {
                          self->TargetEnded();
                        } else {
                          self->WatchTarget();
                        }
                      });
}

// Whoever dialled is told after it is known whether dialling again would be refused.
void Proxy::Stream::TargetEnded() {
  target_ended_ = true;
  if (ended_ || link_.CutBack()) return;
  auto probe = std::make_shared<tcp::socket>(link_.context());
  probe->async_connect(link_.target(), [self = shared_from_this(), probe](const error_code& error) {
    if (error == boost::asio::error::connection_refused) self->link_.TargetGone();
    self->ResetNow();
  });
}

void Proxy::Stream::ResetNow() {
  if (ended_) return;
  ended_ = true;
  timer_.cancel();
  Abort(from_);
  Abort(to_);
}

// ---- all of them --------------------------------------------------------------------------------

Proxy::Proxy(uint64_t seed) : work_(context_.get_executor()), seed_(seed) {
  thread_ = std::thread([this] { context_.run(); });
}

Proxy::~Proxy() {
  context_.stop();
  thread_.join();
}

template <class Function>
void Proxy::OnThread(Function function) {
  std::promise<void> done;
  boost::asio::post(context_, [&] {
    function();
    done.set_value();
  });
  done.get_future().wait();
}

void Proxy::AddLink(int from, int to, int listen_port, int target_port) {
  OnThread([&] {
    links_[{from, to}] = std::make_unique<Link>(*this, std::pair(from, to), listen_port,
                                                target_port, Rng(seed_ + links_.size()).Next());
  });
}

void Proxy::Set(int from, int to, const LinkRule& rule) {
  OnThread([&] {
    links_.at({from, to})->SetRule(rule);
    links_.at({from, to})->Pump();
    links_.at({to, from})->Pump();
  });
}

void Proxy::SetAll(const LinkRule& rule) {
  OnThread([&] {
    for (const auto& [ends, link] : links_) link->SetRule(rule);
    for (const auto& [ends, link] : links_) link->Pump();
  });
}

void Proxy::Reset(int from, int to, bool mid_frame) {
  OnThread([&] { links_.at({from, to})->Reset(mid_frame); });
}

}  // namespace kvorum::chaos
