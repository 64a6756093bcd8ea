// SPDX-License-Identifier: Apache-2.0
//
// One thread with an event loop: sockets, peer links and the node. A turn is: run what is ready,
// then let the node work off what came, then write what it produced. Nothing blocks here; slow
// files have threads of their own that post their results in, and clients' sockets may have some
// that read and write with this one (io-threads).
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <functional>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "server/client_poll.h"
#include "server/connection.h"
#include "server/io_threads.h"
#include "server/node.h"
#include "server/peer_links.h"

namespace kvorum::server {

class Reactor final : public Host {
 public:
  Reactor(Config& config, uint64_t cluster_id);
  ~Reactor() override;

  // Calls a function on the reactor's thread, inside a turn. Any thread.
  void Post(std::function<void()> function);

  // A save is durable. Reactor's thread.
  void Persisted(BatchNumber number) { node_->Persisted(number); }

  // The node is built by the caller from wire() and this host, and given back before Listen.
  [[nodiscard]] PeerLinks& links() { return links_; }
  void SetNode(Node* node, disk::Acquaintances* acquaintances) {
    node_ = node;
    acquaintances_ = acquaintances;
  }
  Status Listen();
  // Serves until a signal or SHUTDOWN has drained the node. Returns the process's exit code.
  int Run();

  void Halt(const Status& why) override;
  void RequestShutdown() override;
  void Log(Level level, std::string_view line) override;
  void Record(std::string_view line) override { record_(line); }

  // Called a few times a second, on the reactor's thread.
  void OnCron(std::function<void()> cron) { cron_ = std::move(cron); }
  // Takes the lines for the file of events, on the reactor's thread.
  void OnRecord(std::function<void(std::string_view)> record) { record_ = std::move(record); }
  [[nodiscard]] uint64_t turns() const { return turns_; }

 private:
  static constexpr std::array<std::string_view, 4> kStrangersLines = {
      "Possible SECURITY ATTACK", "peer link refused",
      "Closing client that reached max query buffer", "Closing client that does not read"};

  struct Listener {
    boost::asio::ip::tcp::acceptor acceptor;
    PortKind kind;
  };

  void EnsureTurn();
  void RunReady();
  size_t ServeClients();
  void FinishTurn();
  void WriteReplies();
  void Cron();
  void CloseOverdue();
  Status ListenOn(uint16_t port, PortKind kind);
  void Accept(Listener& listener);
  void Accepted(boost::asio::ip::tcp::socket socket, PortKind kind);
  bool Admit(boost::asio::ip::tcp::socket& socket, const std::string& address, bool loopback);
  void WatchSignals();
  [[nodiscard]] bool DrainFinished() const;

  Config& config_;
  boost::asio::io_context context_{1};
  boost::asio::signal_set signals_;
  IoThreads io_threads_;
  std::vector<ReadBuffer> read_buffers_;  // of each of them
  PeerLinks links_;
  Node* node_ = nullptr;
  disk::Acquaintances* acquaintances_ = nullptr;
  std::vector<std::unique_ptr<Listener>> listeners_;
  ClientPoll poll_{context_};
  std::unordered_set<std::shared_ptr<Connection>> connections_;
  struct ReadyClient {
    std::shared_ptr<Connection> connection;
    Readiness readiness;
  };
  // Reused by each turn: who has sent something, and who is owed something.
  std::vector<ReadyClient> ready_;
  std::vector<std::shared_ptr<Connection>> owed_;
  std::function<void()> cron_;
  std::function<void(std::string_view)> record_ = [](std::string_view) {};
  bool in_turn_ = false;
  Now arrived_;  // when bytes of a peer were last read
  bool halted_ = false;
  Micros drain_until_ = 0;  // 0: not draining
  Micros next_cron_ = 0;
  uint64_t turns_ = 0;
  std::array<Micros, kStrangersLines.size()> strangers_logged_at_{};
};

}  // namespace kvorum::server
