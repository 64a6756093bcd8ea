// SPDX-License-Identifier: Apache-2.0
#include "server/reactor.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <csignal>
#include <utility>

#include "server/clocks.h"
#include "server/limits.h"

namespace kvorum::server {

using boost::asio::ip::tcp;
using boost::system::error_code;

namespace {

// Handlers run in one turn at most, and for so long, so that a flood of events cannot delay replies
// and heartbeats.
constexpr int kHandlersPerTurn = 512;
constexpr Micros kHandlersUs = 5'000;
constexpr Micros kCronUs = 250'000;
constexpr Micros kDrainPatienceUs = 5'000'000;
constexpr Micros kRepeatedLogUs = 60'000'000;

constexpr std::string_view kProtectedMode =
    "-DENIED Kvorum is running in protected mode because protected mode is enabled and no password "
    "is set for the default user. In this mode connections are only accepted from the loopback "
    "interface. If you want to connect from external computers to Kvorum you may adopt one of the "
    "following solutions: 1) Start the server with '--requirepass' and authenticate. 2) If no "
    "client outside your trusted network can reach it, start it with '--protected-mode no'.\r\n";
constexpr std::string_view kTooManyClients = "-ERR max number of clients reached\r\n";

std::string AddressText(const tcp::endpoint& endpoint) {
  return endpoint.address().to_string() + ":" + std::to_string(endpoint.port());
}

}  // namespace

Reactor::Reactor(Config& config, uint64_t cluster_id)
    : config_(config),
      signals_(context_),
      io_threads_(config.io_threads),
      read_buffers_(io_threads_.size()),
      links_(context_, read_buffers_.front(), config, cluster_id,
             {.input = [this] { EnsureTurn(); },
              .arrived =
                  [this] {
                    EnsureTurn();
                    arrived_ = ReadClocks();
                  },
              .message =
                  [this](NodeId from, PeerMessage message) {
                    node_->OnPeer(from, std::move(message), arrived_);
                  },
              .reset = [this](NodeId peer) { node_->OnLinkReset(peer); },
              .unreachable = [this](NodeId peer) { node_->OnPeerUnreachable(peer); },
              .up = [this](NodeId /*peer*/) { EnsureTurn(); },
              .announced = [this](NodeId peer,
                                  Address address) { node_->Announced(peer, std::move(address)); },
              .admits = [this](NodeId peer) { return node_->Admits(peer); },
              .was_removed = [this](NodeId peer) { return node_->WasRemoved(peer); },
              .removed =
                  [this](NodeId by) {
                    EnsureTurn();
                    node_->ToldRemoved(by);
                  },
              .introduce =
                  [this](Hello& hello) {
                    hello.incarnation = acquaintances_->self();
                    hello.knows_addressee_as = acquaintances_->KnownAs(hello.to);
                  },
              .meets =
                  [this](const Hello& hello) {
                    Result<std::string> why = node_->Meet(
                        *acquaintances_, hello.from, hello.incarnation, hello.knows_addressee_as);
                    if (why.ok()) return std::move(why).value();
                    if (why.status().code() != StatusCode::kNoSpace) Halt(why.status());
                    return why.status().message();
                  },
              .log = [this](Level level, std::string_view line) { Log(level, line); }}) {}

Reactor::~Reactor() = default;

void Reactor::Post(std::function<void()> function) {
  boost::asio::post(context_, [this, function = std::move(function)] {
    EnsureTurn();
    function();
  });
}

// ---- the loop ---------------------------------------------------------------------------------

void Reactor::EnsureTurn() {
  if (in_turn_) return;
  in_turn_ = true;
  node_->BeginTurn(ReadClocks());
}

void Reactor::RunReady() {
  int handlers = 0;
  poll_.Arm();
  if (!node_->WantsTurn()) {
    const Micros until = std::min(node_->NextWakeup(), next_cron_);
    const Micros away = std::clamp<Micros>(until - BootMicros(), 0, kCronUs);
    // Rounded up to what the kernel's timer can tell: waking too early is a turn for nothing.
    handlers += static_cast<int>(context_.run_one_for(std::chrono::microseconds(away)));
  }
  const Micros until = BootMicros() + kHandlersUs;
  while (handlers < kHandlersPerTurn && context_.poll_one() > 0 && BootMicros() < until) ++handlers;
  if (poll_.armed()) return;
  // More come while these are read: they share the turn, and what it writes to the log.
  while (ServeClients() > 0 && BootMicros() < until) {
  }
}

size_t Reactor::ServeClients() {
  poll_.Take([this](void* owner, Readiness readiness) {
    ready_.push_back({static_cast<Connection*>(owner)->shared_from_this(), readiness});
  });
  io_threads_.ForEach(ready_.size(), [this](size_t item, size_t thread) {
    const ReadyClient& client = ready_[item];
    if (client.readiness.read) client.connection->Receive(read_buffers_[thread]);
  });
  for (const auto& [connection, readiness] : ready_) {
    if (readiness.read) {
      connection->Received();
    } else if (readiness.broken) {
      connection->Close();
    }
    if (readiness.write) connection->Writable();
  }
  const size_t served = ready_.size();
  ready_.clear();
  return served;
}

void Reactor::FinishTurn() {
  EnsureTurn();
  node_->EndTurn(ReadClocks());
  links_.EndTurn();
  if (node_->PeersChanged()) links_.SetPeers(node_->Peers());
  WriteReplies();
  in_turn_ = false;
  ++turns_;
}

void Reactor::WriteReplies() {
  node_->Flush([this](Session& session) {
    if (session.owner == nullptr) return;
    owed_.push_back(static_cast<Connection*>(session.owner)->shared_from_this());
  });
  io_threads_.ForEach(owed_.size(),
                      [this](size_t item, size_t /*thread*/) { owed_[item]->Transmit(); });
  for (const std::shared_ptr<Connection>& connection : owed_) connection->Transmitted();
  owed_.clear();
}

int Reactor::Run() {
  WatchSignals();
  next_cron_ = BootMicros();
  while (!halted_ && !DrainFinished()) {
    RunReady();
    FinishTurn();
    if (node_->now().boot_us >= next_cron_) Cron();
  }
  links_.Stop();
  return halted_ ? 1 : 0;
}

void Reactor::Cron() {
  next_cron_ = BootMicros() + kCronUs;
  CloseOverdue();
  if (cron_) cron_();
}

void Reactor::CloseOverdue() {
  const Micros now = node_->now().boot_us;
  std::vector<std::shared_ptr<Connection>> overdue;
  for (const std::shared_ptr<Connection>& connection : connections_) {
    const Session& session = *connection->session();
    const auto since = [now](Micros from, uint32_t seconds) {
      return from != 0 && seconds != 0 && now - from > Micros{seconds} * 1'000'000;
    };
    const bool idle = !session.Owed() && session.stall == Stall::kNone &&
                      since(session.last_active, config_.timeout_s);
    const bool stranger =
        !session.authenticated && since(session.opened_at, config_.auth_timeout_s);
    const bool slow = since(connection->slow_since(), config_.output_soft_seconds);
    const bool partial = since(connection->PartialSince(now), config_.request_timeout_s);
    if (idle || stranger || slow || partial) overdue.push_back(connection);
  }
  for (const std::shared_ptr<Connection>& connection : overdue) connection->Close();
}

// ---- sockets ----------------------------------------------------------------------------------

Status Reactor::Listen() {
  if (Status status = ListenOn(config_.port, PortKind::kCluster); !status.ok()) return status;
  if (config_.proxy_port != 0) {
    if (Status status = ListenOn(config_.proxy_port, PortKind::kProxy); !status.ok()) return status;
  }
  const NodeAddress* self = config_.Find(config_.node_id);
  const uint16_t peer_port = config_.raft_port != 0 ? config_.raft_port : self->peer_port;
  const bool everywhere =
      std::find(config_.bind.begin(), config_.bind.end(), "*") != config_.bind.end() ||
      std::find(config_.bind.begin(), config_.bind.end(), "0.0.0.0") != config_.bind.end();
  return links_.Start(everywhere ? "0.0.0.0" : self->host, peer_port,
                      node_->AddressOf(config_.node_id));
}

Status Reactor::ListenOn(uint16_t port, PortKind kind) {
  bool listening = false;
  std::string why = "no address to bind";
  for (std::string host : config_.bind) {
    const bool optional = host.starts_with('-');
    if (optional) host.erase(0, 1);
    if (host == "*") host = "0.0.0.0";
    error_code error;
    const auto address = boost::asio::ip::make_address(host, error);
    auto listener = std::make_unique<Listener>(Listener{tcp::acceptor(context_), kind});
    tcp::acceptor& acceptor = listener->acceptor;
    const tcp::endpoint endpoint(address, port);
    if (!error) acceptor.open(endpoint.protocol(), error);
    if (!error && address.is_v6()) acceptor.set_option(boost::asio::ip::v6_only(true), error);
    if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(static_cast<int>(config_.tcp_backlog), error);
    if (error) {
      why = host + ":" + std::to_string(port) + ": " + error.message();
      // An address that the machine does not have may be missing; a taken port may not.
      if (optional && error != boost::asio::error::address_in_use) continue;
      return {StatusCode::kBusy, "cannot listen on " + why};
    }
    listening = true;
    Accept(*listener);
    listeners_.push_back(std::move(listener));
  }
  return listening ? Status::Ok() : Status(StatusCode::kBusy, "cannot listen on " + why);
}

void Reactor::Accept(Listener& listener) {
  listener.acceptor.async_accept([this, &listener](const error_code& error, tcp::socket socket) {
    if (error == boost::asio::error::operation_aborted) return;
    EnsureTurn();
    if (!error) Accepted(std::move(socket), listener.kind);
    Accept(listener);
  });
}

bool Reactor::Admit(tcp::socket& socket, const std::string& address, bool loopback) {
  std::string_view refusal;
  if (connections_.size() >= config_.maxclients) refusal = kTooManyClients;
  if (config_.protected_mode && config_.requirepass.empty() && !loopback) refusal = kProtectedMode;
  if (refusal.empty()) return true;
  node_->CountRejectedConnection();
  error_code ignored;
  socket.write_some(boost::asio::buffer(refusal), ignored);
  socket.shutdown(tcp::socket::shutdown_both, ignored);
  Log(Level::kVerbose, "refused a connection from " + address);
  return false;
}

void Reactor::Accepted(tcp::socket socket, PortKind kind) {
  error_code error;
  const tcp::endpoint remote = socket.remote_endpoint(error);
  const tcp::endpoint local = socket.local_endpoint(error);
  if (error || drain_until_ != 0) return;
  socket.non_blocking(true, error);
  socket.set_option(tcp::no_delay(true), error);
  if (config_.tcp_keepalive_s != 0) socket.set_option(tcp::socket::keep_alive(true), error);
  const bool loopback = remote.address().is_loopback();
  if (!Admit(socket, AddressText(remote), loopback)) return;
  const int descriptor = socket.release(error);  // from here on it is not Asio's
  if (error) return;
  Session* session = node_->Open(kind);
  session->peer_address = AddressText(remote);
  session->local_address = AddressText(local);
  session->from_loopback = loopback;
  session->socket = descriptor;
  auto connection = std::make_shared<Connection>(
      descriptor, poll_, *node_, session,
      Connection::Events{
          .input = [this] { EnsureTurn(); },
          .closed = [this](const std::shared_ptr<Connection>& gone) { connections_.erase(gone); }});
  session->owner = connection.get();
  connections_.insert(connection);
  connection->Start();
}

// ---- the process ------------------------------------------------------------------------------

void Reactor::WatchSignals() {
  error_code ignored;
  signals_.add(SIGTERM, ignored);
  signals_.add(SIGINT, ignored);
  signals_.async_wait([this](const error_code& error, int number) {
    if (error) return;
    EnsureTurn();
    Log(Level::kNotice,
        number == SIGTERM ? "received SIGTERM, draining" : "received SIGINT, draining");
    RequestShutdown();
  });
}

void Reactor::RequestShutdown() {
  if (drain_until_ != 0) return;
  drain_until_ = BootMicros() + kDrainPatienceUs;
  for (const std::unique_ptr<Listener>& listener : listeners_) {
    error_code ignored;
    listener->acceptor.close(ignored);
  }
  node_->BeginDrain();
}

bool Reactor::DrainFinished() const {
  if (drain_until_ == 0) return false;
  if (BootMicros() >= drain_until_) return true;
  if (!node_->Drained()) return false;
  // Replies that are on their way out belong to what was acknowledged.
  return std::all_of(connections_.begin(), connections_.end(),
                     [](const std::shared_ptr<Connection>& connection) {
                       return connection->session()->output.empty();
                     });
}

void Reactor::Halt(const Status& why) {
  Log(Level::kWarning, "this node stops: " + why.message());
  halted_ = true;
}

void Reactor::Log(Level level, std::string_view line) {
  // Kinds of messages that strangers can cause at will are kept rare.
  for (size_t kind = 0; kind < kStrangersLines.size(); ++kind) {
    if (!line.starts_with(kStrangersLines[kind])) continue;
    const Micros now = BootMicros();
    Micros& last = strangers_logged_at_[kind];
    if (last != 0 && now - last < kRepeatedLogUs) return;
    last = now;
  }
  switch (level) {
    case Level::kDebug:
      spdlog::debug("{}", line);
      break;
    case Level::kVerbose:
      spdlog::debug("{}", line);
      break;
    case Level::kNotice:
      spdlog::info("{}", line);
      break;
    case Level::kWarning:
      spdlog::warn("{}", line);
      break;
  }
}

}  // namespace kvorum::server
