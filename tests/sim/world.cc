// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/world.h"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <utility>

#include "tests/sim/sim_client.h"
#include "tests/sim/sim_node.h"

namespace kvorum::sim {
namespace {

uint64_t HashBytes(uint64_t hash, std::string_view bytes) {
  for (const char c : bytes) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3ULL;
  return hash;
}

}  // namespace

Plan Plan::Swarm(uint64_t seed) {
  Rng rng(seed ^ 0x73776172);
  Plan plan;
  plan.seed = seed;
  constexpr int kNodes[] = {1, 3, 3, 3, 3, 5, 5};
  plan.nodes = kNodes[rng.Below(7)];
  plan.clients = static_cast<int>(rng.Between(2, 6));
  plan.keys = static_cast<int>(rng.Between(2, 5));
  constexpr int kLoss[] = {0, 0, 1, 5, 15, 30};
  plan.loss_percent = kLoss[rng.Below(6)];
  plan.duplicate_percent = rng.OneIn(1, 2) ? 0 : static_cast<int>(rng.Between(1, 50));
  plan.delay_most_us = rng.OneIn(1, 5) ? rng.Between(5'000, 60'000) : rng.Between(200, 4'000);
  plan.disk_most_us = rng.OneIn(1, 5) ? rng.Between(5'000, 100'000) : rng.Between(100, 5'000);
  plan.lease_reads = rng.OneIn(2, 3);
  plan.snapshot_log_bytes = static_cast<size_t>(rng.Between(2, 64)) << 10;
  plan.keep_log_bytes = plan.snapshot_log_bytes / static_cast<size_t>(rng.Between(2, 8));
  plan.drift_percent = rng.OneIn(1, 2) ? 0 : static_cast<int>(rng.Between(1, 20));
  const auto rate = [&](Micros mean) {
    return rng.OneIn(1, 3) ? 0 : rng.Between(mean / 3, mean * 2);
  };
  plan.crash_every_us = rate(1'500'000);
  plan.power_every_us = rate(2'500'000);
  plan.partition_every_us = rate(1'500'000);
  plan.stall_every_us = rate(800'000);
  plan.clock_jump_every_us = rate(2'000'000);
  plan.reset_every_us = rate(1'000'000);
  return plan;
}

World::World(const Plan& plan)
    : plan_(plan), net_rng_(plan.seed ^ 0x6e6574), nemesis_rng_(plan.seed ^ 0x6e656d) {
  for (int i = 1; i <= plan.nodes; ++i) {
    const NodeId id(static_cast<uint64_t>(i));
    nodes_[id] = std::make_unique<SimNode>(*this, id, plan.seed * 1000 + static_cast<uint64_t>(i));
  }
  for (int i = 0; i < plan.clients; ++i) {
    clients_.push_back(
        std::make_unique<SimClient>(*this, i, plan.seed * 1000 + 500 + static_cast<uint64_t>(i)));
  }
}

World::~World() = default;

void World::Trace(const std::string& line) {
  report_.trace_hash = HashBytes(report_.trace_hash ^ static_cast<uint64_t>(events_.now()), line);
  if (plan_.trace)
    std::printf("%10.3f ms  %s\n", static_cast<double>(events_.now()) / 1e3, line.c_str());
}

void World::Fail(const std::string& what) {
  if (report_.ok) report_.failure = what;
  report_.ok = false;
  Trace("FAILED: " + what);
}

// ---- checkers ---------------------------------------------------------------------------------

// Election safety (thesis 3.2): at most one leader in a term.
void World::SawLeader(Term term, NodeId leader) {
  const auto [it, added] = leaders_.try_emplace(term, leader);
  if (added) {
    ++report_.elections;
    Trace("node " + std::to_string(leader.value()) + " leads term " + std::to_string(term.value()));
  }
  if (it->second != leader) Fail("two leaders in term " + std::to_string(term.value()));
}

// State machine safety: the same entry is applied at an index everywhere and for ever.
void World::SawApplied(NodeId node, const raft::Entry& entry) {
  const uint64_t hash =
      HashBytes(entry.term.value() * 31 + static_cast<uint64_t>(entry.type), entry.payload.view());
  const auto [it, added] = applied_.try_emplace(entry.index, hash);
  if (it->second != hash) {
    Fail("node " + std::to_string(node.value()) + " applied another entry at index " +
         std::to_string(entry.index.value()));
  }
  Trace("a" + std::to_string(node.value()) + ":" + std::to_string(entry.index.value()));
}

void World::SawRestore(NodeId node, Index index) {
  ++report_.snapshots_installed;
  Trace("node " + std::to_string(node.value()) + " restored a snapshot at " +
        std::to_string(index.value()));
}

// ---- nemesis ----------------------------------------------------------------------------------

void World::Every(Micros mean, std::function<void()> fault) {
  if (mean == 0) return;
  events_.After(nemesis_rng_.Between(mean / 4, 2 * mean), [this, mean, fault] {
    if (!chaos_) return;
    fault();
    Every(mean, fault);
  });
}

void World::CrashSomebody(bool power) {
  const NodeId id(1 + nemesis_rng_.Below(static_cast<uint64_t>(plan_.nodes)));
  SimNode& victim = *nodes_[id];
  if (!victim.alive()) return;
  ++(power ? report_.power_losses : report_.crashes);
  constexpr disk::CrashMode kPower[] = {disk::CrashMode::kDropUnsynced,
                                        disk::CrashMode::kRandomSectors,
                                        disk::CrashMode::kKeepUnsynced};
  const disk::CrashMode mode = power ? kPower[nemesis_rng_.Below(3)] : disk::CrashMode::kProcess;
  // Sometimes everybody at once: what was acknowledged must be on the disks.
  const bool all = nemesis_rng_.OneIn(1, 8);
  for (auto& [other, node] : nodes_) {
    if ((other != id && !all) || !node->alive()) continue;
    Trace("node " + std::to_string(other.value()) + (power ? " loses power" : " is killed"));
    node->Crash(mode);
    const Micros down = nemesis_rng_.OneIn(1, 3) ? nemesis_rng_.Between(1'000, 20'000)
                                                 : nemesis_rng_.Between(100'000, 2'000'000);
    events_.After(down, [this, &node] {
      if (node->alive()) return;
      Trace("node " + std::to_string(node->id().value()) + " starts");
      node->Start();
    });
  }
}

void World::PartitionSomehow() {
  ++report_.partitions;
  cuts_.clear();
  std::vector<NodeId> ids;
  for (const auto& [id, node] : nodes_) ids.push_back(id);
  const uint64_t shape = nemesis_rng_.Below(4);
  std::string what;
  if (shape == 0) {  // one-way: a random direction of a random pair
    const NodeId a = ids[nemesis_rng_.Below(ids.size())];
    const NodeId b = ids[nemesis_rng_.Below(ids.size())];
    if (a != b) cuts_.insert({a, b});
    what = "one way";
  } else if (shape == 1) {  // isolate one
    const NodeId alone = ids[nemesis_rng_.Below(ids.size())];
    for (const NodeId id : ids) {
      if (id == alone) continue;
      cuts_.insert({alone, id});
      cuts_.insert({id, alone});
    }
    what = "node " + std::to_string(alone.value()) + " alone";
  } else if (shape == 2) {  // two halves
    for (const NodeId a : ids) {
      for (const NodeId b : ids) {
        if ((a.value() <= ids.size() / 2) != (b.value() <= ids.size() / 2)) cuts_.insert({a, b});
      }
    }
    what = "halves";
  } else {  // a random set of links, each in its own directions
    for (const NodeId a : ids) {
      for (const NodeId b : ids) {
        if (a != b && nemesis_rng_.OneIn(1, 3)) cuts_.insert({a, b});
      }
    }
    what = "random links";
  }
  Trace("partition: " + what);
  events_.After(nemesis_rng_.Between(50'000, 1'200'000), [this] { Heal(); });
}

void World::Heal() {
  if (!cuts_.empty()) Trace("the network is whole");
  cuts_.clear();
}

void World::StartNemesis() {
  Every(plan_.crash_every_us, [this] { CrashSomebody(false); });
  Every(plan_.power_every_us, [this] { CrashSomebody(true); });
  if (plan_.nodes > 1) {
    Every(plan_.partition_every_us, [this] { PartitionSomehow(); });
    Every(plan_.reset_every_us, [this] {
      const NodeId a(1 + nemesis_rng_.Below(static_cast<uint64_t>(plan_.nodes)));
      const NodeId b(1 + nemesis_rng_.Below(static_cast<uint64_t>(plan_.nodes)));
      if (a != b) nodes_[a]->ResetLink(b);
    });
  }
  Every(plan_.stall_every_us, [this] {
    const bool all = nemesis_rng_.OneIn(1, 4);
    const NodeId one(1 + nemesis_rng_.Below(static_cast<uint64_t>(plan_.nodes)));
    const Micros length = nemesis_rng_.OneIn(1, 3) ? nemesis_rng_.Between(200'000, 1'500'000)
                                                   : nemesis_rng_.Between(1'000, 100'000);
    for (auto& [id, node] : nodes_) {
      if (all || id == one) node->Stall(events_.now() + length);
    }
  });
  Every(plan_.clock_jump_every_us, [this] {
    const NodeId one(1 + nemesis_rng_.Below(static_cast<uint64_t>(plan_.nodes)));
    nodes_[one]->JumpWallClock(nemesis_rng_.Between(-3'600'000, 3'600'000));
  });
}

// ---- the run ----------------------------------------------------------------------------------

bool World::Converged() const {
  std::optional<Index> applied;
  bool leader = false;
  for (const auto& [id, node] : nodes_) {
    if (!node->alive()) return false;
    const replica::Member& member = node->node().member();
    leader |= member.Serves();
    if (!applied) applied = member.applied();
    if (member.applied() != *applied || member.core().commit() != *applied ||
        member.core().log().last_index() != *applied) {
      return false;
    }
  }
  return leader;
}

void World::FinalChecks() {
  if (!Converged()) {
    std::string state;
    for (const auto& [id, node] : nodes_) {
      state += "; node " + std::to_string(id.value());
      if (!node->alive()) {
        state += " down";
        continue;
      }
      const raft::Core& core = node->node().member().core();
      state += " role " + std::to_string(static_cast<int>(core.role())) + " term " +
               std::to_string(core.term().value()) + " last " +
               std::to_string(core.log().last_index().value()) + " commit " +
               std::to_string(core.commit().value()) + " applied " +
               std::to_string(node->node().member().applied().value());
    }
    return Fail("no convergence after the faults stopped" + state);
  }
  std::optional<uint64_t> digest;
  for (const auto& [id, node] : nodes_) {
    const uint64_t mine = node->Digest();
    if (digest && *digest != mine) return Fail("replicas differ at the same applied index");
    digest = mine;
  }
  for (const auto& client : clients_) {
    if (!client->idle()) return Fail("a client still waits");
  }
  for (const auto& [key, history] : histories_) {
    const Verdict verdict = CheckLinearizable(history);
    if (verdict == Verdict::kLinearizable) continue;
    return Fail((verdict == Verdict::kNot ? "not linearizable: " : "too hard to check: ") + key +
                "\n" + Describe(history));
  }
}

Report World::Run() {
  for (auto& [id, node] : nodes_) node->Start();
  for (const auto& client : clients_) client->Start();
  StartNemesis();
  for (Micros t = 0; t < plan_.chaos_us && report_.ok; t += 100'000) events_.RunUntil(t);
  chaos_ = false;
  Heal();
  for (auto& [id, node] : nodes_) {
    if (report_.ok && !node->alive()) node->Start();
  }
  plan_.loss_percent = 0;
  plan_.duplicate_percent = 0;
  plan_.delay_most_us = std::min<Micros>(plan_.delay_most_us, 5'000);
  plan_.disk_most_us = std::min<Micros>(plan_.disk_most_us, 5'000);
  const Micros half = plan_.chaos_us + plan_.quiet_us / 2;
  while (events_.now() < half && report_.ok) events_.RunUntil(events_.now() + 100'000);
  for (const auto& client : clients_) client->Stop();
  const Micros end = plan_.chaos_us + plan_.quiet_us;
  while (events_.now() < end && report_.ok) events_.RunUntil(events_.now() + 100'000);
  if (report_.ok) FinalChecks();
  for (const auto& [id, node] : nodes_) {
    if (!node->alive()) continue;
    report_.snapshots_taken += node->node().member().taker().stats().taken.Get();
    report_.carried += node->node().stats().forwarded.Get();
    report_.carried_again += node->node().stats().forwards_resent.Get();
  }
  report_.simulated_us = events_.now();
  report_.events = events_.executed();
  Trace("end");
  return report_;
}

}  // namespace kvorum::sim
