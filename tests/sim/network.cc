// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/network.h"

#include <algorithm>
#include <variant>

#include "server/limits.h"
#include "tests/sim/sim_node.h"
#include "tests/sim/world.h"

namespace kvorum::sim {
namespace {

constexpr Micros kShortestDelayUs = 20;
constexpr size_t kLargeMessageBytes = server::kRemoteReplyBytes / 2;
constexpr Micros kStuckUs = 400'000;   // before something in order gives its connection up
constexpr Micros kNoticeMostUs = 500;  // until an end hears that its connection is gone
constexpr Micros kHalfOpenMostUs = 1'500'000;

}  // namespace

Network::Network(World& world) : world_(world), rng_(world.plan().seed ^ 0x6e6574) {
  for (const NodeId from : world.Ids()) {
    for (const NodeId to : world.Ids()) {
      if (from == to) continue;
      links_[{from, to}].rng = Rng(rng_.Next());
      pairs_[Sorted(from, to)];
    }
  }
}

void Network::Added(NodeId node) {
  for (const NodeId other : world_.Ids()) {
    if (other == node) continue;
    for (const Key& key : {Key(node, other), Key(other, node)}) links_[key].rng = Rng(rng_.Next());
    pairs_[Sorted(node, other)];
  }
}

Micros Network::Delay(Link& link) {
  return link.rng.Between(kShortestDelayUs, world_.plan().delay_most_us) + link.extra;
}

Micros Network::ClientDelay() {
  return rng_.Between(kShortestDelayUs, std::min<Micros>(world_.plan().delay_most_us, 5'000));
}

// ---- messages ---------------------------------------------------------------------------------

void Network::Send(NodeId from, NodeId to, server::PeerMessage message) {
  if (!links_.contains({from, to})) return;
  ++world_.figures().messages;
  world_.watcher().Sent(from, to, message);
  if (tap_ && !tap_(from, to, message)) return;
  if (!Between(from, to).up) return;
  if (std::holds_alternative<raft::Message>(message)) {
    return SendLossy(from, to, message);
  }
  Link& link = links_[{from, to}];
  Micros due = world_.events().now() + Delay(link);
  if (!link.in_order.empty()) due = std::max(due, link.in_order.back().due);
  link.in_order.push_back({due, std::move(message)});
  if (!std::exchange(link.pumping, true)) {
    world_.events().At(due, [this, key = Key(from, to)] { Pump(key); });
  }
}

void Network::Inject(NodeId from, NodeId to, server::PeerMessage message, Micros delay) {
  world_.events().After(delay, [this, from, to, message = std::move(message)]() mutable {
    Deliver(from, to, std::move(message));
  });
}

void Network::SendLossy(NodeId from, NodeId to, const server::PeerMessage& message) {
  Link& link = links_[{from, to}];
  const Plan& plan = world_.plan();
  const int loss = link.loss_percent >= 0 ? link.loss_percent : plan.loss_percent;
  const int copies = link.rng.OneIn(static_cast<uint64_t>(plan.duplicate_percent), 100) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    if (link.rng.OneIn(static_cast<uint64_t>(loss), 100)) continue;
    world_.events().After(Delay(link), [this, from, to, message] { Deliver(from, to, message); });
  }
}

void Network::Deliver(NodeId from, NodeId to, server::PeerMessage message) {
  Link& link = links_[{from, to}];
  if (link.cuts > 0) return;
  if (link.clogs > 0) {
    link.clogged.push_back(std::move(message));
    return;
  }
  world_.node(to).Deliver(from, std::move(message));
}

void Network::Open(NodeId from, NodeId to) {
  Link& link = links_[{from, to}];
  if (--link.clogs > 0) return;
  for (server::PeerMessage& message : std::exchange(link.clogged, {})) {
    world_.events().After(Delay(link), [this, from, to, message = std::move(message)]() mutable {
      Deliver(from, to, std::move(message));
    });
  }
}

// Delivers what is due, in order; what cannot pass for too long breaks the connection.
void Network::Pump(Key key) {
  Link& link = links_[key];
  const Micros now = world_.events().now();
  while (!link.in_order.empty() && link.in_order.front().due <= now && link.cuts == 0 &&
         link.clogs == 0) {
    server::PeerMessage message = std::move(link.in_order.front().message);
    link.in_order.pop_front();
    world_.node(key.second).Deliver(key.first, std::move(message));
  }
  // Whoever waits for room is looked at, as after a write to a socket.
  SimNode& sender = world_.node(key.first);
  if (world_.plan().narrow_links && sender.alive()) sender.Input([] {});
  if (link.in_order.empty()) {
    link.pumping = false;
    return;
  }
  const Micros due = link.in_order.front().due;
  if (now - due > kStuckUs) {
    link.pumping = false;
    return Break(key.first, key.second, false);
  }
  world_.events().At(std::max(due, now + 10'000), [this, key] { Pump(key); });
}

// ---- connections ------------------------------------------------------------------------------

bool Network::IsConnected(NodeId from, NodeId to) const {
  const auto it = pairs_.find(Sorted(from, to));
  if (it == pairs_.end()) return false;
  return it->second.up || !it->second.told[from < to ? 0 : 1];
}

size_t Network::QueuedBytes(NodeId from, NodeId to) const {
  const auto it = links_.find({from, to});
  if (it == links_.end() || !world_.plan().narrow_links) return 0;
  return it->second.in_order.size() * kLargeMessageBytes;
}

bool Network::IsCut(NodeId from, NodeId to) const {
  const auto it = links_.find({from, to});
  return it != links_.end() && it->second.cuts > 0;
}

void Network::Tell(NodeId node, NodeId peer) {
  bool& told = Between(node, peer).told[node < peer ? 0 : 1];
  if (std::exchange(told, true)) return;
  world_.node(node).LinkReset(peer);
}

void Network::Break(NodeId a, NodeId b, bool silent) {
  Pair& pair = Between(a, b);
  ++pair.life;
  const bool was_up = std::exchange(pair.up, false);
  for (const Key& key : {Key(a, b), Key(b, a)}) links_[key].in_order.clear();
  for (const Key& key : {Key(a, b), Key(b, a)}) {
    const NodeId node = key.first;
    const NodeId peer = key.second;
    if (was_up) pair.told[node < peer ? 0 : 1] = false;
    const Micros notice =
        silent ? rng_.Between(10'000, kHalfOpenMostUs) : rng_.Between(0, kNoticeMostUs);
    world_.events().After(notice, [this, node, peer] {
      if (!Between(node, peer).up) Tell(node, peer);
    });
  }
  world_.events().After(kNoticeMostUs + rng_.Between(100, 1'500),
                        [this, key = Sorted(a, b), life = pair.life] { Connect(key, life); });
}

// Does a try to connect to `node` come back at once with a refusal?
bool Network::Refuses(NodeId node, const Pair& pair) const {
  if (world_.events().now() < pair.refused_until) return true;
  const auto silent = silent_.find(node);
  return !world_.node(node).alive() && (silent == silent_.end() || !silent->second);
}

bool Network::Introduce(SimNode& a, SimNode& b) {
  const disk::Acquaintances& of_a = *a.process().booted.acquaintances;
  const disk::Acquaintances& of_b = *b.process().booted.acquaintances;
  const uint64_t a_as = of_b.KnownAs(a.id());
  const uint64_t b_as = of_a.KnownAs(b.id());
  const bool heard = a.Meet(b.id(), of_b.self(), a_as);
  return b.Meet(a.id(), of_a.self(), b_as) && heard;
}

void Network::Connect(Key key, uint64_t life) {
  Pair& pair = pairs_[key];
  if (pair.life != life || pair.up) return;
  const auto [a, b] = key;
  SimNode& first = world_.node(a);
  SimNode& second = world_.node(b);
  if (!first.alive() && !second.alive()) return;  // whoever starts tries again
  const bool passable = !IsCut(a, b) && !IsCut(b, a);
  if (passable && first.alive() && second.alive() && world_.events().now() >= pair.refused_until &&
      Introduce(first, second)) {
    Tell(a, b);
    Tell(b, a);
    pair.up = true;
    first.LinkUp();
    second.LinkUp();
    return;
  }
  if (passable) {
    if (Refuses(b, pair)) first.PeerUnreachable(b);
    if (Refuses(a, pair)) second.PeerUnreachable(a);
  }
  world_.events().After(rng_.Between(5'000, 40'000), [this, key, life] { Connect(key, life); });
}

void Network::Started(NodeId node) {
  silent_[node] = false;
  for (const NodeId peer : world_.Ids()) {
    if (peer == node) continue;
    Pair& pair = Between(node, peer);
    pair.told[node < peer ? 0 : 1] = true;  // it knows nothing of the past
    world_.events().After(rng_.Between(100, 3'000), [this, key = Sorted(node, peer),
                                                     life = ++pair.life] { Connect(key, life); });
  }
}

void Network::Died(NodeId node, bool silent) {
  silent_[node] = silent;
  for (const NodeId peer : world_.Ids()) {
    if (peer != node) Break(node, peer, silent);
  }
}

void Network::Reset(NodeId a, NodeId b, Micros refused_for) {
  if (a == b) return;
  Between(a, b).refused_until = world_.events().now() + refused_for;
  Break(a, b, false);
}

void Network::Heal() {
  ++epoch_;
  for (auto& [key, link] : links_) {
    link.cuts = 0;
    link.extra = 0;
    link.loss_percent = -1;
    if (link.clogs > 0) {
      link.clogs = 1;
      Open(key.first, key.second);
    }
  }
  for (auto& [key, pair] : pairs_) pair.refused_until = 0;
}

}  // namespace kvorum::sim
