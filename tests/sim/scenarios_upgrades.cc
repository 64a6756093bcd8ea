// SPDX-License-Identifier: Apache-2.0
//
// Scenario 97: nodes of two releases (store/feature.h).
#include <algorithm>

#include "tests/sim/operator.h"
#include "tests/sim/scenario.h"

namespace kvorum::sim {
namespace {

constexpr Micros kPatienceUs = 3'000'000;
// Longer than it takes to raise the level when it may be raised.
constexpr Micros kNeverUs = 1'500'000;
constexpr const char* kSyntaxError = "-ERR syntax error\r\n";

store::FeatureLevel LevelOf(Lab& lab, NodeId id) {
  return lab.node(id).node().machine().feature_level();
}

bool AllAt(Lab& lab, store::FeatureLevel level) {
  const std::vector<NodeId>& ids = lab.world().Ids();
  return std::all_of(ids.begin(), ids.end(),
                     [&](NodeId id) { return !lab.node(id).alive() || LevelOf(lab, id) == level; });
}

void ExpectRaised(Lab& lab) {
  lab.Expect(lab.Until([&] { return AllAt(lab, store::kFeatureLevel); }, kPatienceUs),
             "the feature level is raised");
}

void ExpectNotRaised(Lab& lab, const std::string& because) {
  lab.Run(kNeverUs);
  lab.Expect(AllAt(lab, store::kFeatureLevel - 1), "no raise: " + because);
}

// Asked again when the outcome cannot be learned, as by a node that loads a snapshot meanwhile.
std::string Ifeq(Lab& lab, NodeId at) {
  std::string reply;
  for (int i = 0; i < 5 && reply.empty() && !lab.failed(); ++i) {
    lab.Ask(at, {"SET", "ifeq", "old"});
    reply = lab.Ask(at, {"SET", "ifeq", "new", "IFEQ", "old"});
  }
  return reply;
}

// Does its log have a raise that is not executed yet?
bool HoldsARaise(Lab& lab, NodeId id) {
  const replica::Member& member = lab.node(id).node().member();
  const raft::Log& log = member.core().log();
  for (Index i = member.applied() + 1; i <= log.last_index(); ++i) {
    if (store::FeatureRaiseIn(log.At(i).payload.view())) return true;
  }
  return false;
}

void ExpectIfeq(Lab& lab, bool known) {
  for (const NodeId id : lab.world().Ids()) {
    if (!lab.node(id).alive()) continue;
    const std::string reply = Ifeq(lab, id);
    // A release that does not know it says so by itself, whatever the others can.
    const bool knows = known && lab.node(id).release() != Release::kOld;
    lab.Expect(reply == (knows ? "+OK\r\n" : kSyntaxError),
               "SET ... IFEQ at " + lab.node(id).Name() + ", not: " + reply);
  }
}

// CONFIG SET feature-level-max, without the checks that a simulated node's small sizes fail.
void HoldAt(Lab& lab, NodeId id, store::FeatureLevel most) {
  lab.node(id).Input([&lab, id, most] { lab.node(id).config().feature_level_max = most; });
}

// The process ends, as with SIGTERM or without, and that release is started in its place.
void Restart(Lab& lab, NodeId id, Release release) {
  if (lab.rng.OneIn(1, 2) && lab.leader() == id) {
    lab.node(id).Input([&] { lab.node(id).node().member().TransferLeadership(NodeId()); });
    lab.Run(lab.ET(1));
  }
  lab.Kill(id);
  lab.Run(lab.Random(1'000, 300'000));
  lab.node(id).SetRelease(release);
  lab.Start(id);
  lab.WaitForLeader(kPatienceUs);
  lab.Run(lab.Random(0, 400'000));
}

std::vector<NodeId> Shuffled(Lab& lab) {
  std::vector<NodeId> ids = lab.world().Ids();
  for (size_t i = ids.size(); i > 1; --i) std::swap(ids[i - 1], ids[lab.rng.Below(i)]);
  return ids;
}

// A leader of that release.
NodeId LeaderOf(Lab& lab, Release release) {
  for (const NodeId id : Shuffled(lab)) {
    if (lab.node(id).release() != release) continue;
    lab.MakeLeader(id);
    return id;
  }
  lab.Expect(false, "a node of that release");
  return NodeId(1);
}

void Snapshot(Lab& lab, NodeId at) {
  lab.node(at).Input([&] { lab.node(at).node().member().RequestSnapshot(); });
  const Index before = lab.node(at).node().machine().applied();
  lab.Expect(
      lab.Until([&] { return lab.node(at).node().member().core().snapshot().index >= before; },
                kPatienceUs),
      "a snapshot");
}

void RollingUpgrade(Lab& lab) {  // 97
  lab.plan.release = Release::kOld;
  lab.Begin(lab.rng.OneIn(1, 3) ? 5 : 3);
  lab.Load(4);
  lab.Run(300'000);
  const std::vector<NodeId> order = Shuffled(lab);
  for (size_t i = 0; i < order.size() && !lab.failed(); ++i) {
    lab.Expect(AllAt(lab, store::kFeatureLevel - 1), "nothing is raised while one cannot");
    if (i == order.size() / 2) ExpectIfeq(lab, false);
    Restart(lab, order[i], Release::kNew);
  }
  ExpectRaised(lab);
  ExpectIfeq(lab, true);
}

void HeldBack(Lab& lab) {  // 97: feature-level-max, lifted node by node at run time
  lab.plan.release = Release::kHeld;
  lab.Begin();
  lab.Load(3);
  ExpectNotRaised(lab, "all hold it back");
  ExpectIfeq(lab, false);
  const std::vector<NodeId> order = Shuffled(lab);
  for (const NodeId id : order) {
    if (id == order.back()) ExpectNotRaised(lab, "one holds it back");
    HoldAt(lab, id, 0);
  }
  ExpectRaised(lab);
  ExpectIfeq(lab, true);
  // Too late to hold it back: nothing is lowered, and the node works on.
  HoldAt(lab, order[0], 1);
  Restart(lab, order[1], Release::kHeld);
  lab.Run(kNeverUs);
  lab.Expect(AllAt(lab, store::kFeatureLevel), "never lowered");
  ExpectIfeq(lab, true);
}

void MixedForLong(Lab& lab) {  // 97: leaders of either release, nodes that die
  lab.plan.release = Release::kOld;
  lab.Begin(5);
  lab.Load(4, Mix::kExpiry);
  for (const NodeId id : {NodeId(1), NodeId(2), NodeId(3)}) {
    Restart(lab, id, id == NodeId(3) ? Release::kHeld : Release::kNew);
  }
  for (int i = 0; i < 6 && !lab.failed(); ++i) {
    LeaderOf(lab, i % 2 == 0 ? Release::kOld : Release::kNew);
    ExpectIfeq(lab, false);
    const NodeId victim = Shuffled(lab)[0];
    lab.Power(victim);
    lab.Run(lab.Random(50'000, 400'000));
    lab.Start(victim);
    lab.WaitForLeader(kPatienceUs);
    lab.Run(300'000);
  }
  ExpectNotRaised(lab, "two cannot");
}

void SnapshotsAcross(Lab& lab) {  // 97
  lab.plan.release = Release::kOld;
  lab.plan.keep_log_bytes = 0;
  lab.Begin();
  lab.Load(3);
  const bool old_leads = lab.rng.OneIn(1, 2);
  Restart(lab, NodeId(1), Release::kNew);
  if (!old_leads) Restart(lab, NodeId(2), Release::kNew);
  const NodeId leader = LeaderOf(lab, old_leads ? Release::kOld : Release::kNew);
  const NodeId behind = old_leads ? NodeId(1) : NodeId(3);
  lab.Kill(behind);
  lab.Run(300'000);
  Snapshot(lab, leader);
  lab.Start(behind);
  lab.Run(500'000);
  lab.Expect(lab.node(behind).node().member().core().snapshot().index > Index(),
             "a snapshot of the other release is loaded");
  ExpectNotRaised(lab, "one cannot");
  for (const NodeId id : lab.world().Ids()) {
    if (lab.node(id).release() != Release::kNew) Restart(lab, id, Release::kNew);
  }
  ExpectRaised(lab);
  // The level is in what is loaded: by one who was not there, and by one who starts from it.
  const NodeId now = lab.WaitForLeader(kPatienceUs);
  const NodeId late = lab.Others(now)[0];
  lab.Isolate(late);
  lab.Run(300'000);
  Snapshot(lab, now);
  lab.network().Heal();
  lab.Run(500'000);
  Snapshot(lab, late);
  Restart(lab, late, Release::kNew);
  ExpectRaised(lab);
  ExpectIfeq(lab, true);
}

// The raise itself is only in the snapshot that a new member, or one that was away, gets.
void RaisedWhileAway(Lab& lab) {  // 97
  lab.plan.release = Release::kHeld;
  lab.plan.keep_log_bytes = 0;
  const NodeId leader = lab.Begin();
  lab.Load(2);
  for (const NodeId id : lab.world().Ids()) HoldAt(lab, id, 0);
  // All have told; whoever is cut off now does not hear of the raise.
  lab.Until([&] { return HoldsARaise(lab, leader); }, kPatienceUs);
  const NodeId away = lab.Others(leader)[0];
  lab.Isolate(away);
  lab.Until([&] { return LevelOf(lab, leader) == store::kFeatureLevel; }, kPatienceUs);
  lab.Run(200'000);
  if (LevelOf(lab, leader) == store::kFeatureLevel) Snapshot(lab, leader);
  lab.network().Heal();
  const NodeId newcomer = lab.world().AddNode();
  lab.Start(newcomer);
  MustTell(lab, AddLine(newcomer));
  ExpectRaised(lab);
  ExpectIfeq(lab, true);
}

void TakenBack(Lab& lab) {  // 97: a release that is held can be taken back
  lab.plan.release = Release::kOld;
  lab.Begin();
  lab.Load(3);
  for (const NodeId id : Shuffled(lab)) Restart(lab, id, Release::kHeld);
  ExpectNotRaised(lab, "all hold it back");
  Snapshot(lab, lab.WaitForLeader(kPatienceUs));
  for (const NodeId id : Shuffled(lab)) Restart(lab, id, Release::kOld);
  ExpectIfeq(lab, false);
  lab.world().watcher().Hit(Mark::kReleaseTakenBack);
  for (const NodeId id : Shuffled(lab)) Restart(lab, id, Release::kNew);
  ExpectRaised(lab);
}

void OldOneRefused(Lab& lab) {  // 97: behind the raise
  lab.Begin();
  lab.Load(2);
  ExpectRaised(lab);
  const NodeId newcomer = lab.world().AddNode();
  const std::string add =
      "RAFT ADD " + std::to_string(newcomer.value()) + " " + AddressOf(newcomer);
  for (const char* level : {"", " LEVEL 1", " LEVEL 0"}) {
    const std::string reply = TellLeader(lab, add + level);
    lab.Expect(reply.starts_with("-ERR feature level 2 is in force, which Kvorum 0.2.0"),
               "not taken in, by: " + reply);
  }
  lab.Expect(!lab.world().Members().Contains(newcomer), "nobody was added");
  // A member that is started as an older release anyhow.
  const NodeId back = Shuffled(lab)[0];
  const NodeId victim = back == newcomer ? NodeId(1) : back;
  if (lab.rng.OneIn(1, 2)) Snapshot(lab, victim);
  lab.Kill(victim);
  lab.node(victim).SetRelease(Release::kOld);
  lab.node(victim).MayRefuse();
  lab.Start(victim);
  lab.Until([&] { return !lab.node(victim).refused().empty(); }, kPatienceUs);
  lab.Expect(
      lab.node(victim).refused().find("needs feature level 2: Kvorum 0.2.0") != std::string::npos,
      "it says which release it needs: " + lab.node(victim).refused());
  lab.node(newcomer).SetRelease(Release::kNew);
  lab.Start(newcomer);
  MustTell(lab, AddLine(newcomer));
  ExpectIfeq(lab, true);
}

// A learner and a node that is down count as well; nobody else does.
void EveryMemberCounts(Lab& lab) {  // 97
  lab.plan.release = Release::kOld;
  const NodeId first = lab.Begin();
  lab.Load(2);
  const NodeId last = lab.Others(first)[0];
  const bool learner = lab.rng.OneIn(1, 2);
  if (learner) MustTell(lab, "RAFT DEMOTE " + std::to_string(last.value()));
  for (const NodeId id : lab.Others(last)) Restart(lab, id, Release::kNew);
  const bool down = lab.rng.OneIn(1, 2);
  if (down) lab.Kill(last);
  ExpectNotRaised(lab, down ? "nobody knows what the one that is down can" : "one cannot");
  MustTell(lab, "RAFT REMOVE " + std::to_string(last.value()));
  // It may still be told of the raise, and must then stop.
  lab.node(last).MayRefuse();
  lab.Expect(lab.Until(
                 [&] {
                   const std::vector<NodeId> rest = lab.Others(last);
                   return std::all_of(rest.begin(), rest.end(), [&](NodeId id) {
                     return LevelOf(lab, id) == store::kFeatureLevel;
                   });
                 },
                 kPatienceUs),
             "the others raise it");
}

// A leader proposes the raise and is cut off with it; the next one knows nothing of it, or finds it
// in its log.
void RaiseAcrossLeaders(Lab& lab) {  // 97
  lab.plan.release = Release::kHeld;
  const NodeId leader = lab.Begin();
  lab.Load(3);
  for (const NodeId id : lab.world().Ids()) HoldAt(lab, id, 0);
  const bool passes = lab.rng.OneIn(1, 2);
  lab.Tap([leader, passes](NodeId from, NodeId, server::PeerMessage& message) {
    const auto* raft = std::get_if<raft::Message>(&message);
    if (raft == nullptr) return true;
    if (std::holds_alternative<raft::AppendReply>(*raft)) return false;
    return passes || from != leader || !std::holds_alternative<raft::Append>(*raft);
  });
  lab.Run(lab.Random(100'000, 600'000));
  lab.Isolate(leader);
  lab.Untap();
  lab.Run(lab.ET(3));
  lab.WaitForLeader(kPatienceUs);
  lab.Run(lab.Random(0, 500'000));
  lab.network().Heal();
  ExpectRaised(lab);
  ExpectIfeq(lab, true);
}

// It has told what it can, and comes back as an older release; another one holds it back so long.
void TakenBackAfterTelling(Lab& lab) {  // 97
  const NodeId holder = NodeId(1);
  lab.plan.release = Release::kHeld;
  lab.Begin();
  lab.Load(2);
  lab.MakeLeader(NodeId(2));
  const NodeId back = NodeId(3);
  for (const NodeId id : lab.Others(holder)) HoldAt(lab, id, 0);
  lab.Run(500'000);
  const bool silent = lab.rng.OneIn(1, 2);
  lab.node(back).Die(disk::CrashMode::kProcess, silent);
  lab.Run(lab.Random(1'000, 200'000));
  lab.node(back).SetRelease(Release::kOld);
  lab.Start(back);
  // What nobody has told the leader of is believed for a while.
  lab.Run(silent ? 2'500'000 : lab.Random(20'000, 100'000));
  HoldAt(lab, holder, 0);
  ExpectNotRaised(lab, "one is an older release again");
}

// It has told what it can, and says nothing more, over a link that holds: it may be anything by
// now.
void SilentAfterTelling(Lab& lab) {  // 97
  lab.plan.release = Release::kHeld;
  const NodeId holder(1);
  const NodeId silent(3);
  lab.Begin();
  lab.Load(2);
  lab.MakeLeader(NodeId(2));
  for (const NodeId id : lab.Others(holder)) HoldAt(lab, id, 0);
  lab.Run(500'000);
  lab.Tap([silent](NodeId from, NodeId, server::PeerMessage& message) {
    return from != silent || !std::holds_alternative<server::FeatureAbility>(message);
  });
  lab.Run(2'600'000);
  HoldAt(lab, holder, 0);
  ExpectNotRaised(lab, "one has not said for long what it can");
  lab.Untap();
  ExpectRaised(lab);
}

// Nobody is added behind a raise who cannot do it, even while the raise is not committed.
void AddedBehindARaise(Lab& lab) {  // 97
  lab.plan.release = Release::kHeld;
  const NodeId leader = lab.Begin();
  lab.Load(2);
  lab.Tap([](NodeId, NodeId, server::PeerMessage& message) {
    const auto* raft = std::get_if<raft::Message>(&message);
    return raft == nullptr || !std::holds_alternative<raft::AppendReply>(*raft);
  });
  for (const NodeId id : lab.world().Ids()) HoldAt(lab, id, 0);
  lab.Expect(lab.Until([&] { return HoldsARaise(lab, leader); }, kPatienceUs),
             "a raise is proposed");
  lab.Expect(LevelOf(lab, leader) < store::kFeatureLevel, "and not committed");
  const NodeId newcomer = lab.world().AddNode();
  const std::string reply =
      Tell(lab, leader, "RAFT ADD " + std::to_string(newcomer.value()) + " " + AddressOf(newcomer));
  lab.Expect(reply.starts_with("-ERR feature level 2"), "not taken in, by: " + reply);
  lab.Untap();
  ExpectRaised(lab);
}

constexpr Scenario kScenarios[] = {
    {97, "a rolling upgrade under load", RollingUpgrade},
    {97, "a level that is held back, and let go", HeldBack},
    {97, "two releases for a long time, with either as leader", MixedForLong},
    {97, "snapshots across releases", SnapshotsAcross},
    {97, "a raise that only a snapshot tells of", RaisedWhileAway},
    {97, "a release that is taken back", TakenBack},
    {97, "a release that is taken back after it has told more", TakenBackAfterTelling},
    {97, "a member that tells no more what it can", SilentAfterTelling},
    {97, "an older release behind the raise", OldOneRefused},
    {97, "a node added behind a raise", AddedBehindARaise},
    {97, "learners and nodes that are down count", EveryMemberCounts},
    {97, "a raise across leaders", RaiseAcrossLeaders},
};

}  // namespace

std::span<const Scenario> UpgradeScenarios() { return kScenarios; }

}  // namespace kvorum::sim
