// SPDX-License-Identifier: Apache-2.0
//
// The network of the simulated cluster. Between two nodes there is a connection that is up or down;
// over it go Raft messages, which may be lost, doubled and reordered, and everything else, in
// order, until the connection breaks, which both ends hear of (server/node.h, PeerWire).
//
// A connection breaks when it is reset, when a process ends, and when something in order could not
// be delivered for too long. It is tried again until it succeeds. That a try is refused, because no
// process listens, is the evidence that elections start on; a machine that lost its power refuses
// nothing, and its end of the connection stays half open for a while.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/rng.h"
#include "base/time.h"
#include "server/peer_message.h"

namespace kvorum::sim {

class SimNode;
class World;

class Network {
 public:
  explicit Network(World& world);

  // ---- for nodes --------------------------------------------------------------------------------
  void Send(NodeId from, NodeId to, server::PeerMessage message);
  // As far as `from` can tell.
  [[nodiscard]] bool IsConnected(NodeId from, NodeId to) const;
  void Added(NodeId node);
  void Started(NodeId node);
  // `silent`: the machine is gone, nothing is refused.
  void Died(NodeId node, bool silent);
  // What is on its way in order. On narrow links (Plan) every message counts as a large one.
  [[nodiscard]] size_t QueuedBytes(NodeId from, NodeId to) const;
  // A delay of one message between a client and a node.
  Micros ClientDelay();

  // ---- for scripts ------------------------------------------------------------------------------
  // Sees every message when it is sent, and may change it; false drops it.
  using Tap = std::function<bool(NodeId from, NodeId to, server::PeerMessage& message)>;
  void SetTap(Tap tap) { tap_ = std::move(tap); }
  // Delivers a message as if it had been on the way until then.
  void Inject(NodeId from, NodeId to, server::PeerMessage message, Micros delay);

  // ---- faults -----------------------------------------------------------------------------------
  // Cuts and clogs add up, and each must be taken back, unless Heal did: the epoch tells.
  [[nodiscard]] uint64_t epoch() const { return epoch_; }
  void Cut(NodeId from, NodeId to) { ++links_[{from, to}].cuts; }
  void Uncut(NodeId from, NodeId to) { --links_[{from, to}].cuts; }
  // Holds messages back, and delivers them when it is opened.
  void Clog(NodeId from, NodeId to) { ++links_[{from, to}].clogs; }
  void Open(NodeId from, NodeId to);
  void Slow(NodeId from, NodeId to, Micros extra) { links_[{from, to}].extra = extra; }
  // Breaks the connection; new ones are refused for so long.
  void Reset(NodeId a, NodeId b, Micros refused_for);
  // All cuts, clogs and delays are over.
  void Heal();
  [[nodiscard]] bool IsCut(NodeId from, NodeId to) const;
  // Loss for one link instead of the plan's, in percent.
  void Lose(NodeId from, NodeId to, int percent) { links_[{from, to}].loss_percent = percent; }

 private:
  struct InOrder {
    Micros due;
    server::PeerMessage message;
  };
  struct Link {  // one direction
    Rng rng{0};
    int cuts = 0;
    int clogs = 0;
    int loss_percent = -1;  // -1: the plan's
    Micros extra = 0;
    std::vector<server::PeerMessage> clogged;
    std::deque<InOrder> in_order;
    bool pumping = false;
  };
  struct Pair {  // lower id first
    uint64_t life = 0;
    bool up = false;
    bool told[2] = {true, true};  // that it is down
    Micros refused_until = 0;
  };
  using Key = std::pair<NodeId, NodeId>;

  [[nodiscard]] static Key Sorted(NodeId a, NodeId b) { return {std::min(a, b), std::max(a, b)}; }
  Pair& Between(NodeId a, NodeId b) { return pairs_[Sorted(a, b)]; }
  Micros Delay(Link& link);
  void SendLossy(NodeId from, NodeId to, const server::PeerMessage& message);
  void Deliver(NodeId from, NodeId to, server::PeerMessage message);
  void Pump(Key key);
  void Break(NodeId a, NodeId b, bool silent);
  void Tell(NodeId node, NodeId peer);
  static bool Introduce(SimNode& a, SimNode& b);
  void Connect(Key key, uint64_t life);
  [[nodiscard]] bool Refuses(NodeId node, const Pair& pair) const;

  World& world_;
  Rng rng_;
  std::map<Key, Link> links_;
  std::map<Key, Pair> pairs_;
  uint64_t epoch_ = 0;
  Tap tap_;
  std::map<NodeId, bool> silent_;  // machines without power
};

}  // namespace kvorum::sim
