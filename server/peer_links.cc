// SPDX-License-Identifier: Apache-2.0
#include "server/peer_links.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <chrono>
#include <utility>

#include "server/clocks.h"
#include "server/limits.h"

namespace kvorum::server {

using boost::asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr std::chrono::milliseconds kRedialFirst{5};
constexpr std::chrono::milliseconds kRedialMost{200};
// A link that has held so long was wanted by the other side: its end is news.
constexpr Micros kSettledUs = 500'000;
constexpr std::chrono::seconds kHelloPatience{5};

bool WouldBlock(const error_code& error) {
  return error == boost::asio::error::would_block || error == boost::asio::error::try_again;
}

}  // namespace

// ---- a link that this node dials and speaks on --------------------------------------------------

class PeerLinks::Dialled : public std::enable_shared_from_this<Dialled> {
 public:
  Dialled(PeerLinks& links, const NodeAddress& peer, LinkKind kind)
      : links_(links),
        peer_(peer),
        kind_(kind),
        socket_(links.context_),
        resolver_(links.context_),
        timer_(links.context_) {}

  void Dial() {
    resolver_.async_resolve(peer_.host, std::to_string(peer_.peer_port),
                            [self = shared_from_this()](const error_code& error,
                                                        const tcp::resolver::results_type& found) {
                              if (self->stopped_) return;
                              if (error) {
                                self->Redial();
                              } else {
                                self->Connect(found);
                              }
                            });
  }

  void Send(const PeerMessage& message) {
    if (!connected_) {
      links_.stats_.dropped.Add();
      return;
    }
    if (queued() > kPeerQueueBytes) {
      links_.stats_.dropped.Add();
      if (!std::holds_alternative<raft::Message>(message)) Reset();
      return;
    }
    EncodeFrame(message, queue_);
  }

  void Flush() {
    if (!Write()) Reset();
  }

  // As much as the socket takes now, the rest when it takes more. False: the link has broken.
  [[nodiscard]] bool Write() {
    if (!connected_ || writing_ || written_ == queue_.size()) return true;
    error_code error;
    const size_t sent = socket_.write_some(
        boost::asio::buffer(queue_.data() + written_, queue_.size() - written_), error);
    if (error && !WouldBlock(error)) return false;
    written_ += sent;
    links_.stats_.bytes_sent.Add(sent);
    if (written_ == queue_.size()) {
      queue_.clear();
      written_ = 0;
      if (queue_.capacity() > (size_t{4} << 20)) queue_.shrink_to_fit();
      return true;
    }
    if (written_ > queue_.size() / 2) {
      queue_.erase(0, written_);
      written_ = 0;
    }
    writing_ = true;
    socket_.async_wait(tcp::socket::wait_write,
                       [self = shared_from_this(), life = life_](const error_code& failed) {
                         if (life != self->life_) return;
                         self->writing_ = false;
                         if (!failed) self->Flush();
                       });
    return true;
  }

  // For good: nothing that was begun goes on.
  void Stop() {
    ++life_;
    stopped_ = true;
    connected_ = false;
    error_code ignored;
    socket_.close(ignored);
    resolver_.cancel();
    timer_.cancel();
  }

  [[nodiscard]] bool connected() const { return connected_; }
  [[nodiscard]] size_t queued() const { return queue_.size() - written_; }

 private:
  void Connect(const tcp::resolver::results_type& found) {
    socket_ = tcp::socket(links_.context_);
    boost::asio::async_connect(
        socket_, found,
        [self = shared_from_this(), life = life_](const error_code& error, const tcp::endpoint&) {
          if (life != self->life_ || self->stopped_) return;
          self->links_.events_.input();
          if (error) {
            // Nobody listens where somebody did: strong evidence of a dead process.
            if (error == boost::asio::error::connection_refused) {
              self->links_.events_.unreachable(self->peer_.id);
            }
            self->Redial();
          } else {
            self->Connected();
          }
        });
  }

  void Connected() {
    error_code ignored;
    socket_.set_option(tcp::no_delay(true), ignored);
    socket_.non_blocking(true, ignored);
    connected_ = true;
    connected_at_ = BootMicros();
    queue_.clear();
    written_ = 0;
    Hello hello{kind_,
                links_.cluster_id_,
                links_.config_.node_id,
                peer_.id,
                links_.self_.host,
                links_.self_.port,
                links_.peer_port_};
    links_.events_.introduce(hello);
    EncodeHello(hello, queue_);
    Flush();
    WatchForReset();
    if (kind_ == LinkKind::kBulk) links_.events_.up(peer_.id);
  }

  // Nothing is ever heard on a dialled link but its end, and why: see kYouWereRemoved.
  void WatchForReset() {
    socket_.async_wait(tcp::socket::wait_read,
                       [self = shared_from_this(), life = life_](const error_code&) {
                         if (life != self->life_) return;
                         char byte = 0;
                         error_code failed;
                         self->socket_.read_some(boost::asio::buffer(&byte, 1), failed);
                         if (WouldBlock(failed)) {
                           self->WatchForReset();
                           return;
                         }
                         if (!failed && byte == kYouWereRemoved) {
                           self->links_.events_.removed(self->peer_.id);
                         }
                         self->Reset();
                       });
  }

  void Reset() {
    links_.events_.input();
    ++life_;
    const bool was_connected = std::exchange(connected_, false);
    writing_ = false;
    queue_.clear();
    written_ = 0;
    error_code ignored;
    socket_.close(ignored);
    if (was_connected) links_.OnReset(peer_.id);
    if (BootMicros() - connected_at_ < kSettledUs) {
      Redial();  // a listener that hangs up on us is not asked thousands of times a second
      return;
    }
    redial_ = kRedialFirst;
    Dial();  // at once: whether it is refused tells what has happened
  }

  void Redial() {
    timer_.expires_after(redial_);
    redial_ = std::min(2 * redial_, kRedialMost);
    timer_.async_wait([self = shared_from_this(), life = life_](const error_code& error) {
      if (!error && life == self->life_ && !self->stopped_) self->Dial();
    });
  }

  PeerLinks& links_;
  NodeAddress peer_;
  LinkKind kind_;
  tcp::socket socket_;
  tcp::resolver resolver_;
  boost::asio::steady_timer timer_;
  std::chrono::milliseconds redial_ = kRedialFirst;
  std::string queue_;
  size_t written_ = 0;
  uint64_t life_ = 0;  // operations of an earlier socket are ignored
  Micros connected_at_ = 0;
  bool connected_ = false;
  bool writing_ = false;
  bool stopped_ = false;
};

// ---- a link that was dialled to this node -------------------------------------------------------

class PeerLinks::Heard : public std::enable_shared_from_this<Heard> {
 public:
  Heard(PeerLinks& links, tcp::socket socket)
      : links_(links), socket_(std::move(socket)), timer_(links.context_) {}

  void Start() {
    error_code ignored;
    socket_.non_blocking(true, ignored);
    timer_.expires_after(kHelloPatience);
    timer_.async_wait([self = shared_from_this()](const error_code& error) {
      if (!error && !self->greeted_) self->Reject("no hello in time");
    });
    WaitRead();
  }

  void Close() {
    if (closed_) return;
    closed_ = true;
    timer_.cancel();
    error_code ignored;
    socket_.close(ignored);
    if (greeted_ && !links_.stopped_) {
      links_.reconcile_ = true;
      links_.events_.input();
      links_.OnReset(hello_.from);
    }
  }

  [[nodiscard]] bool greeted() const { return greeted_; }
  [[nodiscard]] bool closed() const { return closed_; }
  [[nodiscard]] NodeId from() const { return hello_.from; }
  [[nodiscard]] const Hello& hello() const { return hello_; }

 private:
  void WaitRead() {
    socket_.async_wait(tcp::socket::wait_read,
                       [self = shared_from_this()](const error_code& error) {
                         if (self->closed_) return;
                         if (error) {
                           self->Close();
                         } else {
                           self->OnReadable();
                         }
                       });
  }

  void OnReadable() {
    links_.events_.input();
    const size_t most = greeted_ ? ReadBuffer::kBytes : 512;
    std::string_view bytes;
    const ssize_t got = links_.read_buffer_.Read(socket_.native_handle(), most, bytes);
    if (got == 0 || ReadBuffer::Failed(got)) {
      Close();
      return;
    }
    if (got > 0) links_.stats_.bytes_received.Add(static_cast<uint64_t>(got));
    links_.events_.arrived();
    if (buffer_.empty()) {
      buffer_.assign(bytes.substr(Consume(bytes)));
    } else {
      buffer_.append(bytes);
      buffer_.erase(0, Consume(buffer_));
    }
    if (buffer_.empty() && buffer_.capacity() > 4 * ReadBuffer::kBytes) buffer_.shrink_to_fit();
    if (!closed_) WaitRead();
  }

  // How many of these bytes were whole frames.
  size_t Consume(std::string_view bytes) {
    size_t used = 0;
    std::string why;
    while (!closed_) {
      size_t size = 0;
      const std::string_view rest = bytes.substr(used);
      if (!greeted_) {
        const FrameState state = DecodeHello(rest, &hello_, &size, &why);
        if (state == FrameState::kNeedMore) break;
        if (state == FrameState::kBroken || !Welcome(&why)) {
          Reject(why);
          break;
        }
        greeted_ = true;
        timer_.cancel();
        links_.events_.announced(hello_.from, {hello_.host, hello_.port});
        links_.Visited(hello_.from, shared_from_this());
      } else {
        PeerMessage message;
        const FrameState state = DecodeFrame(rest, &message, &size, &why);
        if (state == FrameState::kNeedMore) break;
        if (state == FrameState::kBroken) {
          Reject(why);
          break;
        }
        links_.events_.message(hello_.from, std::move(message));
      }
      used += size;
    }
    return used;
  }

  // Is this hello meant for this node, from a member of this cluster?
  bool Welcome(std::string* why) {
    if (hello_.cluster_id != links_.cluster_id_) {
      *why = "another cluster's node";
    } else if (hello_.to != links_.config_.node_id) {
      *why = "a node that looks for node " + std::to_string(hello_.to.value());
    } else if (!links_.events_.admits(hello_.from)) {
      *why = "node " + std::to_string(hello_.from.value()) + ", which is no member";
      if (links_.events_.was_removed(hello_.from)) {
        error_code ignored;
        socket_.write_some(boost::asio::buffer(&kYouWereRemoved, 1), ignored);
      }
    } else {
      *why = links_.events_.meets(hello_);
    }
    return why->empty();
  }

  void Reject(std::string_view why) {
    links_.stats_.rejected.Add();
    links_.events_.log(Host::Level::kWarning, "peer link refused: " + std::string(why));
    Close();
  }

  PeerLinks& links_;
  tcp::socket socket_;
  boost::asio::steady_timer timer_;
  std::string buffer_;  // the beginning of what has not arrived as a whole
  Hello hello_;
  bool greeted_ = false;
  bool closed_ = false;
};

// ---- all of them --------------------------------------------------------------------------------

PeerLinks::PeerLinks(boost::asio::io_context& context, ReadBuffer& read_buffer,
                     const Config& config, uint64_t cluster_id, Events events)
    : context_(context),
      read_buffer_(read_buffer),
      config_(config),
      cluster_id_(cluster_id),
      events_(std::move(events)),
      acceptor_(context) {}

PeerLinks::~PeerLinks() = default;

Status PeerLinks::Start(const std::string& host, uint16_t port, const Address& self) {
  self_ = self;
  const NodeAddress* named = config_.Find(config_.node_id);
  peer_port_ = named != nullptr && named->peer_port != 0 ? named->peer_port : port;
  if (port == 0) return Status::Ok();
  error_code error;
  tcp::resolver resolver(context_);
  const auto found =
      resolver.resolve(host, std::to_string(port),
                       tcp::resolver::passive | tcp::resolver::address_configured, error);
  const tcp::endpoint endpoint =
      !error && !found.empty() ? found.begin()->endpoint() : tcp::endpoint(tcp::v4(), port);
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(128, error);
  if (error) {
    return {StatusCode::kBusy, "cannot listen for peers on " + host + ":" + std::to_string(port) +
                                   ": " + error.message()};
  }
  Accept();
  return Status::Ok();
}

void PeerLinks::SetPeers(std::vector<NodeAddress> peers) {
  peers_ = std::move(peers);
  for (const std::weak_ptr<Heard>& weak : std::vector(heard_)) {
    const std::shared_ptr<Heard> heard = weak.lock();
    if (heard != nullptr && heard->greeted() && !events_.admits(heard->from())) heard->Close();
  }
  Reconcile();
}

void PeerLinks::Visited(NodeId peer, const std::shared_ptr<Heard>& heard) {
  const Hello& hello = heard->hello();
  visitors_[peer] = {{peer, hello.host, hello.port, hello.peer_port}, heard};
  reconcile_ = true;
}

void PeerLinks::Reconcile() {
  reconcile_ = false;
  std::erase_if(visitors_, [](const auto& visitor) {
    const std::shared_ptr<Heard> heard = visitor.second.heard.lock();
    return heard == nullptr || heard->closed();
  });
  std::map<NodeId, NodeAddress> wanted;
  for (const auto& [id, visitor] : visitors_) {
    if (visitor.from.peer_port != 0) wanted[id] = visitor.from;
  }
  for (const NodeAddress& peer : peers_) wanted[peer.id] = peer;
  for (auto it = dialled_.begin(); it != dialled_.end();) {
    const auto found = wanted.find(it->first);
    const NodeAddress& now = it->second.to;
    const bool stays = found != wanted.end() && found->second.host == now.host &&
                       found->second.peer_port == now.peer_port;
    if (stays) {
      ++it;
      continue;
    }
    for (const std::shared_ptr<Dialled>& link : it->second.links) link->Stop();
    const NodeId gone = it->first;
    it = dialled_.erase(it);
    OnReset(gone);
  }
  for (const auto& [id, peer] : wanted) {
    const auto [it, added] = dialled_.try_emplace(id, Speaking{peer, {}});
    if (!added) continue;
    for (const LinkKind kind : {LinkKind::kControl, LinkKind::kBulk}) {
      it->second.links.push_back(std::make_shared<Dialled>(*this, peer, kind));
      it->second.links.back()->Dial();
    }
  }
}

void PeerLinks::Stop() {
  stopped_ = true;
  error_code ignored;
  acceptor_.close(ignored);
  for (auto& [id, speaking] : dialled_) {
    for (const std::shared_ptr<Dialled>& link : speaking.links) link->Stop();
  }
  for (const std::weak_ptr<Heard>& weak : heard_) {
    if (const std::shared_ptr<Heard> heard = weak.lock()) heard->Close();
  }
}

void PeerLinks::Accept() {
  acceptor_.async_accept([this](const error_code& error, tcp::socket socket) {
    if (stopped_ || error == boost::asio::error::operation_aborted) return;
    if (!error) {
      auto heard = std::make_shared<Heard>(*this, std::move(socket));
      std::erase_if(heard_, [](const std::weak_ptr<Heard>& weak) { return weak.expired(); });
      heard_.push_back(heard);
      heard->Start();
    }
    Accept();
  });
}

void PeerLinks::OnReset(NodeId peer) {
  if (!stopped_) events_.reset(peer);
}

void PeerLinks::SendToPeer(NodeId to, PeerMessage message) {
  const auto it = dialled_.find(to);
  if (it == dialled_.end()) return;
  it->second.links[LinkFor(message) == LinkKind::kControl ? 0 : 1]->Send(message);
}

bool PeerLinks::IsConnected(NodeId to) const {
  const auto it = dialled_.find(to);
  return it != dialled_.end() && it->second.links[0]->connected() &&
         it->second.links[1]->connected();
}

size_t PeerLinks::QueuedBytes(NodeId to) const {
  const auto it = dialled_.find(to);
  return it == dialled_.end() ? 0 : it->second.links[1]->queued();
}

void PeerLinks::SendNow() {
  for (auto& [id, speaking] : dialled_) {
    for (const std::shared_ptr<Dialled>& link : speaking.links) {
      [[maybe_unused]] const bool whole = link->Write();  // EndTurn meets what has broken
    }
  }
}

void PeerLinks::EndTurn() {
  if (reconcile_ && !stopped_) Reconcile();
  for (auto& [id, speaking] : dialled_) {
    for (const std::shared_ptr<Dialled>& link : speaking.links) link->Flush();
  }
}

}  // namespace kvorum::server
