// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/lab.h"

#include <algorithm>
#include <utility>

namespace kvorum::sim {

NodeId Lab::Begin(int nodes, Micros patience) {
  plan.nodes = nodes;
  world_ = std::make_unique<World>(plan);
  world_->StartNodes();
  return WaitForLeader(patience);
}

void Lab::Expect(bool holds, const std::string& what) {
  if (!holds) world_->Fail("expected: " + what);
}

NodeId Lab::WaitForLeader(Micros patience) {
  if (!Until([this] { return leader() != NodeId(); }, patience)) {
    world_->Fail("no leader in time");
    return NodeId(1);
  }
  return leader();
}

void Lab::MakeLeader(NodeId id) {
  const bool made = Until(
      [this, id] {
        const NodeId now = leader();
        if (now == id) return true;
        if (now != NodeId()) {
          node(now).Input([this, now, id] { node(now).node().member().TransferLeadership(id); });
        }
        Run(5'000);
        return false;
      },
      kLeaderPatienceUs);
  Expect(made, node(id).Name() + " takes leadership");
}

std::vector<NodeId> Lab::Others(NodeId id) const {
  std::vector<NodeId> others = world_->Ids();
  std::erase(others, id);
  return others;
}

Term Lab::term() const {
  Term term;
  for (const NodeId id : world_->Ids()) {
    if (world_->node(id).alive()) {
      term = std::max(term, world_->node(id).node().member().core().term());
    }
  }
  return term;
}

void Lab::CutBoth(NodeId a, NodeId b) {
  network().Cut(a, b);
  network().Cut(b, a);
}

void Lab::Isolate(NodeId id) {
  for (const NodeId other : Others(id)) CutBoth(id, other);
}

void Lab::Fault(FaultKind kind, NodeId id, Micros length, NodeId peer) {
  world_->nemesis().Do(
      {.kind = kind, .node = id, .peer = peer, .length = length, .dice = rng.Next()});
}

void Lab::SweepDisk(NodeId id, uint64_t most, disk::CrashMode mode,
                    const std::function<void()>& between) {
  for (uint64_t n = 1; n <= most && !failed(); ++n) {
    node(id).files().StopAtChange(n);
    between();
    node(id).Die(mode, mode != disk::CrashMode::kProcess);
    Run(Random(500, 20'000));
    Start(id);
    Run(Random(1'000, 60'000));
  }
}

void Lab::Load(int clients, Mix mix) {
  for (int i = 0; i < clients; ++i) world_->AddClient(mix).Start();
}

std::string Lab::Ask(NodeId id, std::vector<std::string> argv, Micros patience,
                     server::PortKind kind) {
  SimClient& client = Client();
  client.Use(id, kind);
  bool done = false;
  std::string reply;
  client.Ask(std::move(argv), [&done, &reply](const check::Op& op) {
    done = true;
    reply = op.reply;
  });
  Until([&done] { return done; }, patience);
  // What comes later finds nobody who waits for it.
  if (!done) client.Drop();
  return reply;
}

std::string Lab::Raw(NodeId id, server::PortKind kind, const std::string& bytes, Micros patience) {
  const auto reply = std::make_shared<std::string>();
  const uint64_t connection = node(id).Connect(
      kind, [reply](const std::string& some, server::Position) { *reply += some; }, [] {});
  if (connection == 0) return {};
  node(id).SendBytes(connection, bytes);
  Until([&reply] { return reply->ends_with("\r\n"); }, patience);
  node(id).Disconnect(connection);
  return *reply;
}

Report Lab::End() {
  if (!failed()) {
    Untap();
    world_->HealAll();
    Run(300'000);
    world_->Converge(2 * kLeaderPatienceUs);
    world_->CheckEverything();
  }
  return world_->Finish();
}

}  // namespace kvorum::sim
