// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/world.h"

#include <xxhash.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "tests/check/linearizability.h"
#include "tests/check/witness.h"
#include "tests/model/model.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_node.h"

namespace kvorum::sim {
namespace {

constexpr Micros kStepUs = 20'000;
constexpr Micros kPatienceUs = 10'000'000;  // for everything to converge
constexpr Micros kCalmUs = 5'000;           // the longest delay or sync once the faults are over
constexpr uint64_t kSearchBudget = 400'000;

// One in so many runs has its history searched, too.
constexpr uint64_t kSearchEvery = 3;

// What can be judged without knowing the time: not the commands that depend on it, nor any other
// one on a key of theirs, nor those on a key that such a one has touched.
check::History WithoutTime(const check::History& history) {
  std::set<std::string> timed;
  const auto is_timed = [&](const check::Op& op) {
    const std::vector<std::string> keys = model::Model::KeysOf(op.argv).keys;
    const bool shared = std::any_of(keys.begin(), keys.end(),
                                    [&](const std::string& key) { return timed.contains(key); });
    if (!shared && !model::Model::DependsOnTime(op.argv)) return false;
    timed.insert(keys.begin(), keys.end());
    return true;
  };
  size_t before = 0;
  do {
    before = timed.size();
    for (const check::Op& op : history) (void)is_timed(op);
  } while (timed.size() != before);
  check::History plain;
  for (const check::Op& op : history) {
    if (!is_timed(op)) plain.push_back(op);
  }
  return plain;
}

}  // namespace

World::World(const Plan& plan)
    : plan_(plan), rng_(plan.seed ^ 0x776f726c), watcher_(*this), nemesis_(*this) {
  for (int i = 1; i <= plan.nodes; ++i) ids_.emplace_back(static_cast<uint64_t>(i));
  network_ = std::make_unique<Network>(*this);
  for (const NodeId id : ids_) {
    nodes_.push_back(std::make_unique<SimNode>(*this, id, plan.seed * 1000 + id.value()));
  }
}

World::~World() = default;

void World::Trace(const std::string& line) {
  report_.trace_hash = XXH3_64bits_withSeed(
      line.data(), line.size(), report_.trace_hash ^ static_cast<uint64_t>(events_.now()));
  if (plan_.trace) {
    std::printf("%10.3f ms  %s\n", static_cast<double>(events_.now()) / 1e3, line.c_str());
  }
}

void World::Fail(const std::string& what) {
  if (report_.ok) report_.failure = what;
  report_.ok = false;
  Trace("FAILED: " + what);
}

NodeId World::Leader() const {
  NodeId leader;
  Term term;
  for (const NodeId id : ids_) {
    if (!node(id).alive()) continue;
    const replica::Member& member = node(id).node().member();
    if (member.Serves() && member.core().term() >= term) {
      leader = id;
      term = member.core().term();
    }
  }
  return leader;
}

// ---- pieces -----------------------------------------------------------------------------------

void World::StartNodes() {
  for (const NodeId id : ids_) node(id).Start();
}

NodeId World::AddNode() {
  const NodeId id(ids_.size() + 1);
  ids_.push_back(id);
  network_->Added(id);
  nodes_.push_back(std::make_unique<SimNode>(*this, id, plan_.seed * 1000 + id.value()));
  return id;
}

raft::Configuration World::Members() const {
  raft::Configuration newest;
  for (const NodeId id : ids_) {
    if (id.value() <= static_cast<uint64_t>(plan_.nodes)) newest.voters.push_back(id);
  }
  Index index;
  for (const NodeId id : ids_) {
    if (!node(id).alive()) continue;
    const raft::Core& core = node(id).node().member().core();
    if (core.configuration_index() <= index || core.configuration_index() > core.commit()) continue;
    index = core.configuration_index();
    newest = core.configuration();
  }
  return newest;
}

SimClient& World::AddClient(Mix mix) {
  const int number = static_cast<int>(clients_.size());
  clients_.push_back(std::make_unique<SimClient>(
      *this, number, plan_.seed * 1000 + 500 + static_cast<uint64_t>(number), mix));
  return *clients_.back();
}

void World::RunFor(Micros length) {
  const Micros end = events_.now() + length;
  while (events_.now() < end && report_.ok) {
    events_.RunUntil(std::min(end, events_.now() + kStepUs));
  }
}

bool World::RunUntil(const std::function<bool()>& condition, Micros patience) {
  const Micros end = events_.now() + patience;
  while (!condition()) {
    if (events_.now() >= end || !report_.ok) return false;
    events_.RunUntil(std::min(end, events_.now() + 1'000));
  }
  return true;
}

void World::HealAll() {
  Trace("everything is mended");
  network_->Heal();
  plan_.loss_percent = 0;
  plan_.duplicate_percent = 0;
  plan_.delay_most_us = std::min(plan_.delay_most_us, kCalmUs);
  plan_.sync_most_us = std::min(plan_.sync_most_us, kCalmUs);
  for (const NodeId id : ids_) {
    node(id).Mend();
    node(id).Start();
  }
  FinishUpgrade();
}

// A rolling upgrade that was begun is finished.
void World::FinishUpgrade() {
  if (!plan_.upgrades) return;
  plan_.upgrades = false;
  for (const NodeId id : ids_) {
    if (node(id).release() == Release::kNew) continue;
    if (node(id).alive()) node(id).Die(disk::CrashMode::kProcess, false);
    node(id).SetRelease(Release::kNew);
    node(id).Start();
  }
}

// All members can do the newest level, and nothing else is needed to raise it.
bool World::MayBeRaised() const {
  const raft::Configuration::Ids members = Members().Members();
  return std::all_of(members.begin(), members.end(), [this](NodeId id) {
    return node(id).alive() && node(id).FeatureCan() == store::kFeatureLevel;
  });
}

bool World::Converged() const {
  std::optional<Index> applied;
  bool leader = false;
  const raft::Configuration members = Members();
  if (members.IsJoint()) return false;
  const bool raised = MayBeRaised();
  for (const NodeId id : ids_) {
    if (node(id).halted() || !members.Contains(id)) continue;
    if (!node(id).alive()) return false;
    const replica::Member& member = node(id).node().member();
    leader |= member.Serves();
    if (raised && node(id).node().machine().feature_level() != store::kFeatureLevel) return false;
    if (!applied) applied = member.applied();
    if (member.applied() != *applied || member.core().commit() != *applied ||
        member.core().log().last_index() != *applied) {
      return false;
    }
  }
  for (const auto& client : clients_) {
    if (!client->idle()) return false;
  }
  return leader;
}

std::string World::States() const {
  std::string text;
  constexpr const char* kRoles[] = {"follower", "candidate", "leader"};
  for (const NodeId id : ids_) {
    const SimNode& one = node(id);
    text += "; " + one.Name();
    if (!one.alive()) {
      text += one.halted() ? " halted" : " down";
      continue;
    }
    const raft::Core& core = one.node().member().core();
    text += std::string(" ") + kRoles[static_cast<size_t>(core.role())] + " term " +
            std::to_string(core.term().value()) + " last " +
            std::to_string(core.log().last_index().value()) + " commit " +
            std::to_string(core.commit().value()) + " applied " +
            std::to_string(one.node().member().applied().value()) +
            (core.MayVote() ? "" : " barred");
    for (const NodeId peer : ids_) {
      const raft::Progress* progress = core.ProgressOf(peer);
      if (progress == nullptr || peer == id) continue;
      constexpr const char* kStates[] = {"probe", "replicate", "snapshot"};
      text += " (" + node(peer).Name() + " " + kStates[static_cast<size_t>(progress->state())] +
              " match " + std::to_string(progress->match().value()) + " next " +
              std::to_string(progress->next().value()) + " snapshot " +
              std::to_string(progress->snapshot_index().value()) + ")";
    }
  }
  for (const auto& client : clients_) {
    if (!client->idle()) text += "; client " + std::to_string(client->number()) + " waits";
  }
  return text;
}

void World::Converge(Micros patience) {
  for (const auto& client : clients_) client->Stop();
  if (!RunUntil([this] { return Converged(); }, patience) && report_.ok) {
    Fail("no convergence after the faults" + States());
  }
}

// ---- judgement --------------------------------------------------------------------------------

void World::CheckHistory() {
  std::string fault = check::CheckOnce(watcher_.log(), history_);
  if (!fault.empty()) return Fail(fault);
  fault = check::CheckWitness(watcher_.log(), history_);
  if (!fault.empty()) return Fail("not linearizable in the order of the log: " + fault);
  for (const check::Op& op : history_) {
    if (op.Known() && op.position != Index()) ++figures().witnessed;
  }
  if (plan_.seed % kSearchEvery != 0) return;
  const bool everything = std::any_of(history_.begin(), history_.end(), [](const check::Op& op) {
    return model::Model::KeysOf(op.argv).everything;
  });
  check::History plain = WithoutTime(history_);
  check::FindPositions(watcher_.log(), plain);
  // What the log does not have did not happen: leaving it out is one of the orders to be tried.
  std::erase_if(plain, [](const check::Op& op) {
    const bool unique = std::any_of(op.argv.begin(), op.argv.end(), check::IsUnique);
    return !op.Known() && unique && op.position == Index();
  });
  // Where time or a command on every key ties all of them together, the log is the better judge.
  if (everything || plain.size() * 2 < history_.size()) return;
  const check::Finding finding = check::CheckLinearizable(plain, kSearchBudget);
  if (finding.verdict == check::Verdict::kNot) return Fail("not linearizable: " + finding.why);
  // Many writes without an outcome, pipelined, have more orders than can be tried. The witness has
  // already judged them; how often it is alone is printed.
  auto& figure =
      finding.verdict == check::Verdict::kTooHard ? figures().too_hard : figures().searched;
  figure += plain.size();
}

void World::CheckEverything() {
  if (!report_.ok) return;
  std::optional<uint64_t> digest;
  const raft::Configuration members = Members();
  for (const NodeId id : ids_) {
    if (!node(id).alive() || !members.Contains(id)) continue;
    const uint64_t mine = node(id).Digest();
    if (digest && *digest != mine) return Fail("replicas differ at the same applied index");
    digest = mine;
  }
  CheckHistory();
}

Report World::Finish() {
  for (const NodeId id : ids_) node(id).CollectFigures();
  report_.figures.seeds = 1;
  report_.figures.simulated_us = events_.now();
  report_.figures.events = events_.executed();
  Trace("end");
  return report_;
}

// ---- a run ------------------------------------------------------------------------------------

void World::Chaos() {
  for (const Fault& fault : plan_.faults) {
    events_.At(fault.at, [this, fault] { nemesis_.Do(fault); });
  }
  RunFor(plan_.chaos_us);
  nemesis_.Stop();
}

// The rest stays as it is, cut off, dead or asleep: a healthy majority must be enough.
void World::MajorityServes() {
  std::vector<NodeId> healthy;
  for (const NodeId id : ids_) {
    if (!watcher_.IsDamaged(id)) healthy.push_back(id);
  }
  for (size_t i = healthy.size(); i > 1; --i) {
    std::swap(healthy[i - 1], healthy[rng_.Below(i)]);
  }
  // Where members come and go, which majority counts is another question: all are healed.
  if (!watcher_.membership_changed()) {
    const auto voters = static_cast<size_t>(plan_.nodes);
    std::erase_if(healthy, [voters](NodeId id) { return id.value() > voters; });
    healthy.resize(std::min(healthy.size(), voters / 2 + 1));
  }
  network_->Heal();
  plan_.loss_percent = 0;
  plan_.duplicate_percent = 0;
  plan_.delay_most_us = std::min(plan_.delay_most_us, kCalmUs);
  plan_.sync_most_us = std::min(plan_.sync_most_us, kCalmUs);
  std::string names;
  for (const NodeId id : healthy) {
    names += " " + std::to_string(id.value());
    node(id).Mend();
    node(id).Start();
  }
  for (const NodeId id : ids_) {
    if (std::find(healthy.begin(), healthy.end(), id) != healthy.end()) continue;
    for (const NodeId other : ids_) {
      if (other == id) continue;
      network_->Cut(id, other);
      network_->Cut(other, id);
    }
  }
  Trace("a majority is mended:" + names);
  const auto serves = [&] {
    return std::find(healthy.begin(), healthy.end(), Leader()) != healthy.end();
  };
  // Ten election timeouts, and what long turns may take.
  const Micros patience =
      Micros{10'000} * plan_.election_ms * plan_.election_most + 20 * plan_.long_turn_most_us;
  if (!RunUntil(serves, patience) && report_.ok) {
    Fail("a healthy majority does not serve:" + names + States());
  }
}

Report World::Run() {
  StartNodes();
  constexpr Mix kMixes[] = {Mix::kPlain, Mix::kPlain, Mix::kExpiry, Mix::kWild};
  const Mix mix = kMixes[rng_.Below(std::size(kMixes))];
  for (int i = 0; i < plan_.clients; ++i) AddClient(mix).Start();
  Chaos();
  if (report_.ok) MajorityServes();
  RunFor(plan_.majority_us);
  if (report_.ok) {
    HealAll();
    RunFor(plan_.quiet_us);
    Converge(kPatienceUs);
    CheckEverything();
  }
  return Finish();
}

}  // namespace kvorum::sim
