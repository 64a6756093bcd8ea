// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/plan.h"

#include <algorithm>

#include "base/rng.h"

namespace kvorum::sim {
namespace {

struct KindInfo {
  const char* name;
  Micros mean;  // between two of a kind, where it happens at all
  Micros shortest;
  Micros longest;
  int one_in;  // runs that have it
};

// In the order of FaultKind.
constexpr KindInfo kKinds[] = {
    {"kill", 1'500'000, 1'000, 1'500'000, 2},
    {"kill-all", 4'000'000, 1'000, 800'000, 5},
    {"power", 2'500'000, 5'000, 1'500'000, 2},
    {"power-all", 4'000'000, 5'000, 800'000, 4},
    {"kill-leader", 2'000'000, 1'000, 1'500'000, 2},
    {"pause", 1'500'000, 1'000, 1'200'000, 2},
    {"pause-all", 2'500'000, 1'000, 100'000, 4},
    {"pause-leader", 2'000'000, 1'000, 900'000, 3},
    {"machine-pause", 2'000'000, 5'000, 900'000, 4},
    {"wall-clock", 2'000'000, 0, 0, 3},
    {"isolate", 2'000'000, 20'000, 1'200'000, 3},
    {"halves", 2'500'000, 20'000, 1'200'000, 4},
    {"one-way", 2'000'000, 20'000, 1'200'000, 4},
    {"random-cuts", 2'500'000, 20'000, 1'200'000, 4},
    {"bridge", 3'000'000, 50'000, 1'500'000, 6},
    {"ring", 3'000'000, 50'000, 1'500'000, 6},
    {"isolate-leader", 2'000'000, 20'000, 1'200'000, 4},
    {"deaf-leader", 2'500'000, 20'000, 1'200'000, 6},
    {"mute-leader", 2'500'000, 20'000, 1'200'000, 6},
    {"flap", 3'000'000, 200'000, 1'500'000, 6},
    {"swizzle", 3'000'000, 200'000, 1'200'000, 6},
    {"slow-links", 2'500'000, 50'000, 1'500'000, 5},
    {"reset", 1'000'000, 0, 0, 3},
    {"reset-leader", 1'500'000, 1'000, 60'000, 3},
    {"slow-disk", 2'500'000, 50'000, 1'500'000, 4},
    {"stuck-disk", 3'000'000, 50'000, 1'500'000, 6},
    {"sync-error", 3'000'000, 10'000, 1'000'000, 5},
    {"write-error", 3'500'000, 10'000, 1'000'000, 6},
    {"full-disk", 3'500'000, 100'000, 1'500'000, 6},
    {"rot", 3'500'000, 10'000, 1'000'000, 6},
    {"transfer", 1'500'000, 0, 0, 4},
    {"snapshot", 1'500'000, 0, 0, 4},
    {"add-node", 2'000'000, 0, 0, 6},
    {"remove-node", 2'500'000, 0, 0, 6},
    {"replace-node", 2'500'000, 0, 0, 8},
    {"demote-node", 1'500'000, 0, 0, 8},
};
static_assert(std::size(kKinds) == kFaultKinds);

const KindInfo& InfoOf(FaultKind kind) { return kKinds[static_cast<size_t>(kind)]; }

}  // namespace

const char* NameOf(FaultKind kind) { return InfoOf(kind).name; }

std::string Fault::Text() const {
  char text[128];
  std::snprintf(text, sizeof text, "%9.3f ms  %-14s node %llu peer %llu for %.3f ms",
                static_cast<double>(at) / 1e3, NameOf(kind),
                static_cast<unsigned long long>(node.value()),
                static_cast<unsigned long long>(peer.value()), static_cast<double>(length) / 1e3);
  return text;
}

namespace {

// What makes a lease that outlives its leader visible: a read at the old one right after a write at
// the new one. Both must be fast, the lease long, and nothing else in the way.
void MakeDuel(Rng& rng, Plan& plan) {
  plan.nodes = rng.OneIn(1, 4) ? 5 : 3;
  plan.clients = 6;
  plan.keys = 1;
  plan.think_most_us = 3'000;
  plan.pipeline_percent = 0;
  plan.chaos_us = 1'500'000;
  plan.loss_percent = 0;
  plan.delay_most_us = rng.Between(100, 600);
  plan.sync_most_us = rng.Between(50, 500);
  plan.turn_most_us = 30;
  plan.long_turns_per_mille = 0;
  plan.narrow_links = false;
  plan.lease_reads = true;
  plan.lease_ms = static_cast<uint32_t>(rng.Between(20, 60));
}

}  // namespace

Plan Plan::Calm(uint64_t seed, int nodes) {
  Plan plan;
  plan.seed = seed;
  plan.nodes = nodes;
  plan.skew_percent = 0;
  return plan;
}

Plan Plan::Swarm(uint64_t seed) {
  Rng rng(seed ^ 0x73776172);
  Plan plan;
  plan.seed = seed;
  constexpr int kNodes[] = {1, 2, 3, 3, 3, 3, 3, 3, 4, 5, 5, 5, 7};
  plan.nodes = kNodes[rng.Below(std::size(kNodes))];
  plan.clients = static_cast<int>(rng.Between(2, 6));
  plan.keys = static_cast<int>(rng.Between(2, 5));
  plan.think_most_us = rng.OneIn(1, 8) ? 6'000 : 60'000;
  plan.chaos_us = rng.Between(3'000'000, 6'000'000);
  plan.pipeline_percent = rng.OneIn(1, 2) ? 0 : static_cast<int>(rng.Between(1, 40));
  constexpr int kLoss[] = {0, 0, 0, 1, 5, 15, 30, 50};
  plan.loss_percent = kLoss[rng.Below(std::size(kLoss))];
  plan.duplicate_percent = rng.OneIn(1, 2) ? 0 : static_cast<int>(rng.Between(1, 50));
  plan.delay_most_us = rng.OneIn(1, 5) ? rng.Between(5'000, 60'000) : rng.Between(100, 4'000);
  plan.narrow_links = rng.OneIn(1, 4);
  plan.sync_most_us = rng.OneIn(1, 5) ? rng.Between(5'000, 100'000) : rng.Between(50, 5'000);
  plan.turn_most_us = rng.Between(5, 300);
  plan.long_turns_per_mille = rng.OneIn(1, 3) ? static_cast<int>(rng.Between(1, 20)) : 0;
  plan.long_turn_most_us = rng.Between(2'000, 60'000);
  plan.lease_reads = !rng.OneIn(1, 4);
  plan.lease_ms = static_cast<uint32_t>(rng.OneIn(1, 3) ? rng.Between(2, 60) : 10);
  plan.segment_bytes = static_cast<uint64_t>(rng.Between(8, 64)) << 10;
  plan.snapshot_log_bytes = static_cast<uint64_t>(rng.Between(2, 64)) << 10;
  plan.keep_log_bytes = plan.snapshot_log_bytes / static_cast<uint64_t>(rng.Between(2, 8));
  plan.snapshot_rate = rng.OneIn(1, 3) ? static_cast<uint64_t>(rng.Between(1, 64)) << 20 : 0;
  plan.wishes = rng.OneIn(1, 4);
  plan.skew_percent = rng.OneIn(1, 2) ? 0 : static_cast<int>(rng.Between(1, 20));
  constexpr uint32_t kElectionMost[] = {1, 1, 3, 10};
  plan.election_most = kElectionMost[rng.Below(std::size(kElectionMost))];
  plan.duel = rng.OneIn(1, 10);
  if (plan.duel) MakeDuel(rng, plan);
  plan.faults = MakeSchedule(plan);
  plan.upgrades = rng.OneIn(1, 3);
  if (plan.upgrades) plan.release = Release::kOld;
  return plan;
}

std::vector<Fault> MakeSchedule(const Plan& plan) {
  Rng rng(plan.seed ^ 0x6e656d);
  const auto nodes = static_cast<uint64_t>(plan.nodes);
  std::vector<Fault> faults;
  for (size_t k = 0; k < kFaultKinds; ++k) {
    const KindInfo& info = kKinds[k];
    if (!rng.OneIn(1, static_cast<uint64_t>(info.one_in))) continue;
    const Micros mean = rng.Between(info.mean / 2, info.mean * 2);
    for (Micros at = rng.Between(0, 2 * mean); at < plan.chaos_us;
         at += rng.Between(mean / 4, 2 * mean)) {
      Fault fault{.at = at, .kind = static_cast<FaultKind>(k)};
      fault.node = NodeId(1 + rng.Below(nodes));
      fault.peer =
          NodeId(1 + (fault.node.value() + rng.Below(std::max<uint64_t>(nodes - 1, 1))) % nodes);
      // Short ones matter as much as long ones.
      const Micros longest = rng.OneIn(1, 2) ? info.longest : info.shortest + info.longest / 20;
      fault.length = rng.Between(info.shortest, std::max(info.shortest, longest));
      fault.dice = rng.Next();
      faults.push_back(fault);
    }
  }
  for (Micros at = 200'000; plan.duel && at < plan.chaos_us; at += rng.Between(60'000, 250'000)) {
    faults.push_back({.at = at,
                      .kind = FaultKind::kResetLeader,
                      .length = rng.Between(5'000, 90'000),
                      .dice = rng.Next()});
  }
  // How many damaged disks a cluster survives is only told apart where its size stays.
  const auto churns = [](const Fault& fault) { return fault.kind >= FaultKind::kAddNode; };
  if (std::any_of(faults.begin(), faults.end(), churns)) {
    std::erase_if(faults, [](const Fault& fault) { return fault.kind == FaultKind::kRot; });
  }
  std::sort(faults.begin(), faults.end(), [](const Fault& a, const Fault& b) {
    return a.at != b.at ? a.at < b.at : a.kind < b.kind;
  });
  return faults;
}

}  // namespace kvorum::sim
