// SPDX-License-Identifier: Apache-2.0
#include "server/consistency_watch.h"

#include <algorithm>
#include <string>
#include <vector>

#include "raft/quorum.h"
#include "server/limits.h"
#include "server/node.h"
#include "store/slot.h"

namespace kvorum::server {
namespace {

template <class Map>
void KeepNewest(Map& map) {
  while (map.size() > kDigestsKept) map.erase(map.begin());
}

// A function of replicated state alone.
ConsistencyWatch::Part PartAt(const store::Machine& machine, Index index) {
  size_t keys = 1;
  for (int database = 0; database < machine.options().databases; ++database) {
    keys += machine.KeyCount(database);
  }
  const size_t slots = std::clamp<size_t>(kDigestKeys * store::kSlots / keys, 1, kDigestSlots);
  const uint64_t turn = index.value() / kDigestEvery;
  return {.index = index,
          .first_slot = static_cast<uint32_t>(turn * slots % store::kSlots),
          .slots = static_cast<uint32_t>(slots)};
}

std::string Name(NodeId id) { return "node " + std::to_string(id.value()); }

}  // namespace

ConsistencyWatch::ConsistencyWatch(Node& node, PeerWire& wire, NodeId self)
    : node_(node), wire_(wire), self_(self) {}

void ConsistencyWatch::EntryApplied(Index index) {
  if (index.value() % kDigestEvery != 0) return;
  newest_ = PartAt(node_.machine(), index);
  newest_.digest = node_.machine().DigestOfSlots(newest_.first_slot, newest_.slots);
  own_[index] = newest_.digest;
  KeepNewest(own_);
  const raft::Core& core = node_.member().core();
  std::erase_if(equal_at_,
                [&](const auto& one) { return !core.configuration().Contains(one.first); });
  if (core.IsLeader()) {
    Judge(index);
  } else if (core.leader() != NodeId()) {
    wire_.SendToPeer(core.leader(), StateDigest{index, newest_.digest, false});
  }
}

void ConsistencyWatch::OnDigest(NodeId from, const StateDigest& message) {
  if (message.odd) {
    const auto own = own_.find(message.index);
    if (own == own_.end() || own->second == message.digest) return;
    node_.Halt(
        {StatusCode::kCorrupt, "the state of this node differs from that of a majority at index " +
                                   std::to_string(message.index.value()) +
                                   ": its memory or its newest snapshot is damaged"});
    return;
  }
  const raft::Core& core = node_.member().core();
  if (!core.IsLeader() || !core.configuration().Contains(from)) return;
  reported_[message.index][from] = message.digest;
  KeepNewest(reported_);
  Judge(message.index);
}

void ConsistencyWatch::Forget() {
  own_.clear();
  reported_.clear();
  equal_at_.clear();
}

void ConsistencyWatch::Judge(Index index) {
  const auto own = own_.find(index);
  const auto reported = reported_.find(index);
  if (own == own_.end() || reported == reported_.end()) return;
  bool differs = false;
  for (const auto& [node, digest] : reported->second) {
    if (digest != own->second) {
      differs = true;
    } else if (Index& at = equal_at_[node]; at < index) {
      at = index;
      stats_.compared.Add();
    }
  }
  if (differs) NameOdd(index, reported->second);
}

void ConsistencyWatch::NameOdd(Index index, const Digests& digests) {
  Digests all = digests;
  all[self_] = own_.at(index);
  std::map<uint64_t, std::vector<NodeId>> holders;
  for (const auto& [node, digest] : all) holders[digest].push_back(node);
  // Learners are judged and do not judge; those who have left, neither.
  const raft::Configuration& configuration = node_.member().core().configuration();
  const auto agreed = std::find_if(holders.begin(), holders.end(), [&](const auto& one) {
    return raft::IsQuorum(configuration, one.second);
  });
  if (agreed == holders.end()) {
    stats_.divergences.Add();
    node_.host().Log(Host::Level::kWarning, "the states of the nodes differ at index " +
                                                std::to_string(index.value()) +
                                                ", and no majority agrees yet");
    return;
  }
  const uint64_t right = agreed->first;
  for (const auto& [node, digest] : all) {
    if (digest == right) continue;
    stats_.divergences.Add();
    node_.host().Log(Host::Level::kWarning,
                     "the state of " + Name(node) + " differs from a majority's at index " +
                         std::to_string(index.value()) + ": it is told to stop");
    if (node != self_) wire_.SendToPeer(node, StateDigest{index, right, true});
  }
  reported_.erase(index);
  if (all.at(self_) != right) OnDigest(self_, {index, right, true});
}

}  // namespace kvorum::server
