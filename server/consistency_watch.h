// SPDX-License-Identifier: Apache-2.0
//
// Replicas that have applied the same entries must hold the same state. This watches whether they
// do, continuously and for little: every kDigestEvery entries each node hashes one part of its
// keyspace, the same on all nodes because the index and the number of keys choose it, and followers
// report the hash to the leader. One part after the other, all of the keyspace is covered, whether
// it was written to or not: what it finds is memory or snapshots that have changed by themselves,
// and commands that did not do the same everywhere.
//
// A member, learners included, that differs from a majority of the voters at one index is the odd
// one: it is told so and stops, because what it would serve is wrong. Started again it builds its
// state anew from snapshot and log; if that is damaged too, it stops again. Where no majority
// agrees nothing but the alarm is raised.
#pragma once

#include <cstdint>
#include <map>

#include "base/ids.h"
#include "base/stats.h"
#include "server/peer_message.h"

namespace kvorum::server {

class Node;
class PeerWire;

// Node's thread.
class ConsistencyWatch {
 public:
  struct Stats {
    Counter compared;     // digests of others, by the leader
    Counter divergences;  // that differed
  };
  // The newest part this node has hashed.
  struct Part {
    Index index;
    uint32_t first_slot = 0;
    uint32_t slots = 0;
    uint64_t digest = 0;
  };

  ConsistencyWatch(Node& node, PeerWire& wire, NodeId self);

  void EntryApplied(Index index);
  void OnDigest(NodeId from, const StateDigest& message);
  // What was collected belongs to another leader's time, or to a state that was replaced.
  void Forget();

  [[nodiscard]] const Part& newest() const { return newest_; }
  // By node: the newest index at which it was found equal, in this leadership.
  [[nodiscard]] const std::map<NodeId, Index>& equal_at() const { return equal_at_; }
  [[nodiscard]] const Stats& stats() const { return stats_; }

 private:
  using Digests = std::map<NodeId, uint64_t>;

  void Judge(Index index);
  void NameOdd(Index index, const Digests& digests);

  Node& node_;
  PeerWire& wire_;
  NodeId self_;
  Stats stats_;
  Part newest_;
  std::map<Index, uint64_t> own_;      // the newest kDigestsKept
  std::map<Index, Digests> reported_;  // the same, and not compared yet or not all equal
  std::map<NodeId, Index> equal_at_;
};

}  // namespace kvorum::server
