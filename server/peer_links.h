// SPDX-License-Identifier: Apache-2.0
//
// The links between nodes. Each node dials every other one twice, for control and for bulk, and
// speaks only on the links it has dialled; what it hears comes on links that were dialled to it. So
// bulk never delays a heartbeat, and a process that dies resets what others have dialled to it: a
// reset whose reconnection is refused is reported as evidence within a millisecond.
//
//   this node --- control ---> peer        peer --- control ---> this node
//             ---  bulk   --->                  ---  bulk   --->
//
// What is queued for a peer is bounded: Raft messages beyond it are dropped (the core sends them
// again), and carried commands are never dropped alone: their link is reset instead, which the node
// is told, so that a link delivers in order all or nothing.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/stats.h"
#include "server/node.h"
#include "server/peer_frame.h"

namespace kvorum::server {

// Reactor's thread only.
class PeerLinks final : public PeerWire {
 public:
  struct Events {
    std::function<void()> input;    // a turn begins
    std::function<void()> arrived;  // bytes of a peer were read: the time is told anew
    std::function<void(NodeId, PeerMessage)> message;
    std::function<void(NodeId)> reset;
    std::function<void(NodeId)> unreachable;
    std::function<void(NodeId)> up;                  // this node can speak to it
    std::function<void(NodeId, Address)> announced;  // what the peer says of itself
    std::function<void(Host::Level, std::string_view)> log;
  };
  struct Stats {
    Counter bytes_sent;
    Counter bytes_received;
    Counter dropped;   // messages that found no link or no room
    Counter rejected;  // inbound links and frames that were refused
  };

  PeerLinks(boost::asio::io_context& context, const Config& config, uint64_t cluster_id,
            Events events);
  ~PeerLinks() override;

  // Listens and dials. `self`: what this node announces to the others.
  Status Start(const std::string& host, uint16_t port, const Address& self);
  void Stop();

  void SendToPeer(NodeId to, PeerMessage message) override;
  [[nodiscard]] bool IsConnected(NodeId to) const override;
  [[nodiscard]] size_t QueuedBytes(NodeId to) const override;
  // Once a turn: writes what was sent in it.
  void Flush();
  [[nodiscard]] const Stats& stats() const { return stats_; }

 private:
  class Dialled;
  class Heard;
  friend class Dialled;
  friend class Heard;

  void Accept();
  void OnReset(NodeId peer);

  boost::asio::io_context& context_;
  const Config& config_;
  uint64_t cluster_id_;
  Events events_;
  Address self_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::map<NodeId, std::vector<std::shared_ptr<Dialled>>> dialled_;  // control, bulk
  std::vector<std::weak_ptr<Heard>> heard_;
  Stats stats_;
  bool stopped_ = false;
};

}  // namespace kvorum::server
