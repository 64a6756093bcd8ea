// SPDX-License-Identifier: Apache-2.0
//
// Linearizable reads: rounds that prove leadership, and the lease that remembers the proof.
#include <algorithm>

#include "raft/core.h"
#include "raft/quorum.h"

namespace kvorum::raft {

std::optional<Index> Core::LeaseRead() {
  auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr || commit_ < leader->term_start || leader->lease_released) {
    return std::nullopt;
  }
  if (configuration().IsSoleVoter(options_.id)) return commit_;
  const bool holds =
      leader->lease_from.has_value() && now_ < *leader->lease_from + options_.lease_us;
  if (!holds) return std::nullopt;
  // Renewed before it lapses, as long as somebody reads.
  const Micros newest =
      leader->open_rounds.empty() ? *leader->lease_from : leader->open_rounds.back().sent_at;
  if (now_ - newest >= options_.lease_us / 2) leader->round_wanted = true;
  return commit_;
}

std::optional<ReadId> Core::RequestRead() {
  auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) return std::nullopt;
  const Index point = IsReadyLeader() ? commit_ : Index();
  if (!leader->reads.empty() && leader->reads.back().round == Round()) {
    leader->reads.back().index = point;
    return leader->reads.back().id;
  }
  ++last_read_;
  leader->reads.push_back({last_read_, point, Round()});
  return last_read_;
}

void Core::DropLease() {
  auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) return;
  leader->lease_floor = leader->round;
  leader->lease_from.reset();
}

void Core::AdvanceRounds(Leader& leader) {
  const Round agreed =
      Agreed(leader, leader.round, [](const Progress& progress) { return progress.acked_round(); });
  leader.quorum_round = std::max(leader.quorum_round, agreed);
  while (!leader.open_rounds.empty() && leader.open_rounds.front().round <= leader.quorum_round) {
    const OpenRound& open = leader.open_rounds.front();
    if (open.round > leader.lease_floor) leader.lease_from = open.sent_at;
    leader.open_rounds.pop_front();
  }
}

void Core::ResolveReads(Leader& leader, Output& out) {
  while (!leader.reads.empty()) {
    const PendingRead& read = leader.reads.front();
    if (read.index == Index() || read.round == Round() || read.round > leader.quorum_round) return;
    out.reads.push_back({read.id, read.index});
    leader.reads.pop_front();
  }
}

}  // namespace kvorum::raft
