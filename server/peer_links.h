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
// Whom a node speaks to follows the membership of the group, at run time.
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
#include "server/read_buffer.h"

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
    std::function<bool(NodeId)> admits;              // may it speak to this node?
    std::function<bool(NodeId)> was_removed;         // why it may not
    std::function<void(NodeId)> removed;             // it says that this one was removed
    // Fills in which disks these are, and judges what the other end says of them: "" or why not.
    std::function<void(Hello&)> introduce;
    std::function<std::string(const Hello&)> meets;
    std::function<void(Host::Level, std::string_view)> log;
  };
  struct Stats {
    Counter bytes_sent;
    Counter bytes_received;
    Counter dropped;   // messages that found no link or no room
    Counter rejected;  // inbound links and frames that were refused
  };

  PeerLinks(boost::asio::io_context& context, ReadBuffer& read_buffer, const Config& config,
            uint64_t cluster_id, Events events);
  ~PeerLinks() override;

  // Listens, unless the port is 0. `self`: what this node announces to the others.
  Status Start(const std::string& host, uint16_t port, const Address& self);
  // Dials whom it did not speak to so far, hangs up on the rest, and on those who are not admitted
  // any more. Between turns.
  void SetPeers(std::vector<NodeAddress> peers);
  void Stop();

  void SendToPeer(NodeId to, PeerMessage message) override;
  [[nodiscard]] bool IsConnected(NodeId to) const override;
  [[nodiscard]] size_t QueuedBytes(NodeId to) const override;
  void SendNow() override;
  // Once a turn: writes what was sent in it, and hangs up where that failed.
  void EndTurn();
  [[nodiscard]] const Stats& stats() const { return stats_; }

 private:
  class Dialled;
  class Heard;
  friend class Dialled;
  friend class Heard;

  void Accept();
  void OnReset(NodeId peer);
  void Visited(NodeId peer, const std::shared_ptr<Heard>& heard);
  void Reconcile();

  boost::asio::io_context& context_;
  ReadBuffer& read_buffer_;
  const Config& config_;
  uint64_t cluster_id_;
  Events events_;
  Address self_;
  uint16_t peer_port_ = 0;
  boost::asio::ip::tcp::acceptor acceptor_;
  struct Speaking {
    NodeAddress to;
    std::vector<std::shared_ptr<Dialled>> links;  // control, bulk
  };
  // A member of a configuration that is not here yet is answered where it says that it listens, as
  // long as it speaks.
  struct Visitor {
    NodeAddress from;
    std::weak_ptr<Heard> heard;
  };
  std::vector<NodeAddress> peers_;
  std::map<NodeId, Visitor> visitors_;
  bool reconcile_ = false;
  std::map<NodeId, Speaking> dialled_;
  std::vector<std::weak_ptr<Heard>> heard_;
  Stats stats_;
  bool stopped_ = false;
};

}  // namespace kvorum::server
