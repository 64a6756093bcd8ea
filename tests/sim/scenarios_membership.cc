// SPDX-License-Identifier: Apache-2.0
//
// Scenarios 39 to 52: who belongs to the group; and 25, who never leads.
#include <algorithm>

#include "tests/sim/operator.h"
#include "tests/sim/scenario.h"

namespace kvorum::sim {
namespace {

using raft::Change;
using raft::ChangeError;
using server::PortKind;

constexpr Micros kPatienceUs = 3'000'000;

bool Refused(const std::string& reply, const std::string& because) {
  return reply.starts_with("-ERR") && reply.find(because) != std::string::npos;
}

NodeId Newcomer(Lab& lab) {
  const NodeId id = lab.world().AddNode();
  lab.Start(id);
  return id;
}

void MustBecomeVoter(Lab& lab, NodeId id) {
  lab.Expect(lab.Until([&] { return raft::Configuration::Has(lab.world().Members().voters, id); },
                       kPatienceUs),
             lab.node(id).Name() + " becomes a voter");
}

std::string Set(Lab& lab, NodeId at, Micros patience = kPatienceUs) {
  return lab.Ask(at, {"SET", "k", lab.Unique()}, patience);
}

// Straight into the member, inside a turn: the result as it is.
raft::ChangeResult Propose(Lab& lab, NodeId at, const Change& change) {
  raft::ChangeResult result = ChangeError::kNotLeader;
  bool done = false;
  lab.node(at).Input([&] {
    result = lab.node(at).node().member().ProposeChange(change);
    done = true;
  });
  lab.Until([&] { return done; }, 100'000);
  return result;
}

// The disk is lost, and an empty one put in its place.
void Wipe(Lab& lab, NodeId id) {
  lab.Kill(id);
  lab.world().watcher().Damaged(id);
  lab.node(id).files().Restore(*disk::MemoryFiles().Save());
  lab.Start(id);
}

void NeverLeads(Lab& lab) {  // 25
  const NodeId leader = lab.Begin();
  lab.Load(2);
  const NodeId learner = lab.Others(leader)[0];
  const NodeId other = lab.Others(leader)[1];
  MustTell(lab, "RAFT DEMOTE " + std::to_string(learner.value()));
  lab.Run(lab.ET(1));  // until it has heard that this is committed, its vote may be needed
  lab.Kill(other);
  lab.Isolate(leader);
  lab.node(learner).Input([&] { lab.node(learner).PeerUnreachable(leader); });
  const Term term = lab.term();
  for (int i = 0; i < 20; ++i) {
    lab.Run(lab.ET(1));
    lab.Expect(lab.node(learner).node().member().core().role() == raft::RoleKind::kFollower,
               "a learner stays what it is");
  }
  lab.Expect(lab.node(learner).node().member().core().term() == term, "and its term, too");
}

// Two leaders, each with a change that the other does not know: majorities that need not meet.
void ChangesAcrossTerms(Lab& lab) {  // 39
  const NodeId first = lab.Begin(4);
  const std::vector<NodeId> others = lab.Others(first);
  const NodeId newcomer = Newcomer(lab);
  const NodeId second = Newcomer(lab);
  const Change adds[] = {{.id = newcomer, .address = AddressOf(newcomer)},
                         {.id = second, .address = AddressOf(second)}};
  const Change removes[] = {{.kind = Change::Kind::kRemove, .id = others[0], .force = true},
                            {.kind = Change::Kind::kRemove, .id = others[1], .force = true}};
  const uint64_t schedule = lab.rng.Below(3);
  const Change& before = schedule == 2 ? removes[0] : adds[0];
  const Change& after = schedule == 0 ? removes[1] : schedule == 1 ? adds[1] : removes[1];
  lab.Load(2);
  lab.Isolate(first);
  Propose(lab, first, before);
  // Whoever comes next may ask for votes, and is told nothing that would let it commit.
  lab.Tap([](NodeId, NodeId, server::PeerMessage& message) {
    const auto* raft = std::get_if<raft::Message>(&message);
    return raft == nullptr || !std::holds_alternative<raft::AppendReply>(*raft);
  });
  NodeId next;
  lab.Until(
      [&] {
        for (const NodeId id : others) {
          if (lab.node(id).node().member().core().IsLeader()) next = id;
        }
        return next != NodeId();
      },
      lab.ET(30));
  lab.Expect(next != NodeId(), "somebody is elected");
  if (lab.failed()) return;
  const raft::ChangeResult early = Propose(lab, next, after);
  lab.Expect(std::holds_alternative<ChangeError>(early), "nothing is changed before that");
  lab.Untap();
  lab.Run(lab.ET(4));
  lab.network().Heal();
  lab.Run(lab.ET(2));
  const NodeId leader = lab.WaitForLeader(kPatienceUs);
  Propose(lab, leader, after);
  lab.Run(lab.ET(4));
}

void IsolatedLeaderIsAsked(Lab& lab) {  // 40
  const NodeId leader = lab.Begin();
  lab.Load(2);
  const NodeId newcomer = Newcomer(lab);
  lab.Isolate(leader);
  const std::string reply = Tell(lab, leader, AddLine(newcomer));
  lab.Expect(reply != "+OK\r\n", "no promise without a majority");
  lab.network().Heal();
  lab.Run(lab.ET(5));
  lab.Expect(!lab.world().Members().Contains(newcomer), "what was cut off is not in force");
}

void RemovedLeader(Lab& lab) {  // 41
  const NodeId first = lab.Begin();
  lab.Load(3);
  MustTell(lab, "RAFT REMOVE " + std::to_string(first.value()));
  NodeId next = lab.WaitForLeader(lab.ET(3));
  lab.Expect(next != first, "another one leads");
  // The next one does not hear that it is removed, and campaigns.
  const NodeId newcomer = Newcomer(lab);
  MustTell(lab, AddLine(newcomer));
  MustBecomeVoter(lab, newcomer);
  next = lab.WaitForLeader(lab.ET(3));
  NodeId gone;
  for (const NodeId id : lab.world().Members().voters) {
    if (id != next && id != newcomer) gone = id;
  }
  if (gone == NodeId() || lab.failed()) return;
  lab.Isolate(gone);
  lab.Run(lab.ET(3));
  MustTell(lab, "RAFT REMOVE " + std::to_string(gone.value()));
  lab.Run(lab.ET(12));
  const Term term = lab.node(next).node().member().core().term();
  lab.network().Heal();
  lab.Run(lab.ET(20));
  lab.Expect(lab.leader() == next && lab.node(next).node().member().core().term() == term,
             "whoever was removed disturbs nobody");
}

void OldIdComesBack(Lab& lab) {  // 42
  const NodeId leader = lab.Begin();
  const NodeId gone = lab.Others(leader)[0];
  const std::string id = std::to_string(gone.value());
  lab.Load(2);
  std::string reply = TellLeader(lab, AddLine(gone));
  lab.Expect(Refused(reply, "member already"), "a member's id is refused, not: " + reply);
  lab.Power(gone);
  MustTell(lab, "RAFT REMOVE " + id);
  reply = TellLeader(lab, AddLine(gone));
  lab.Expect(Refused(reply, "never reused"), "a removed id is refused, not: " + reply);
  // Under a new id, at the same place.
  const NodeId newcomer = Newcomer(lab);
  MustTell(lab, AddLine(newcomer));
  MustBecomeVoter(lab, newcomer);
  lab.Start(gone);
  lab.Run(lab.ET(10));
  lab.Expect(!lab.world().Members().Contains(gone), "its old self stays out");
}

void UncommittedConfiguration(Lab& lab) {  // 44
  const NodeId leader = lab.Begin();
  lab.Load(2);
  const NodeId newcomer = Newcomer(lab);
  lab.Isolate(leader);
  Propose(lab, leader, {.id = newcomer, .address = AddressOf(newcomer)});
  lab.Expect(lab.node(leader).node().member().core().configuration().Contains(newcomer),
             "it is in force where it was appended");
  if (lab.rng.OneIn(1, 2)) {
    lab.Power(leader, disk::CrashMode::kKeepUnsynced);
    lab.Start(leader);
  }
  lab.Run(lab.ET(5));
  lab.network().Heal();
  lab.Run(lab.ET(5));
  for (const NodeId id : {NodeId(1), NodeId(2), NodeId(3)}) {
    lab.Expect(!lab.node(id).node().member().core().configuration().Contains(newcomer),
               "what was in force before is in force again");
  }
}

void Snapshots(Lab& lab) {  // 45, 46
  lab.Begin();
  lab.Load(3);
  const NodeId newcomer = Newcomer(lab);
  MustTell(lab, AddLine(newcomer));
  MustBecomeVoter(lab, newcomer);
  MustTell(lab, "RAFT REMOVE 2");
  const raft::Configuration members = lab.world().Members();
  for (int generation = 0; generation < 2; ++generation) {
    for (const NodeId id : members.voters) {
      lab.Fault(FaultKind::kSnapshot, id, 0);
      lab.Run(200'000);
      lab.Power(id);
      lab.Start(id);
      lab.Run(lab.ET(3));
      lab.Expect(lab.node(id).node().member().core().configuration() == members,
                 "the same members after a restart");
    }
  }
  // A change that the newest snapshot does not know is in the log.
  const NodeId leader = lab.WaitForLeader(kPatienceUs);
  const NodeId learner = *std::find_if(members.voters.begin(), members.voters.end(),
                                       [leader](NodeId id) { return id != leader; });
  MustTell(lab, "RAFT DEMOTE " + std::to_string(learner.value()));
  lab.Run(lab.ET(1));
  for (const NodeId id : members.voters) {
    lab.Kill(id);
    lab.Start(id);
    lab.Expect(lab.node(id).node().member().core().configuration().IsLearner(learner),
               "a snapshot brings no older configuration back");
    lab.Run(lab.ET(3));
  }
}

void PromotedWhileAway(Lab& lab) {  // 47
  const NodeId leader = lab.Begin();
  const NodeId newcomer = Newcomer(lab);
  lab.Isolate(newcomer);
  MustTell(lab, AddLine(newcomer));
  const std::string id = std::to_string(newcomer.value());
  lab.Expect(Refused(TellLeader(lab, "RAFT PROMOTE " + id), "keep up"),
             "nobody is promoted who lags");
  MustTell(lab, "RAFT PROMOTE " + id + " FORCE");
  lab.Expect(Set(lab, leader) == "+OK\r\n", "three of four are a majority");
  lab.Kill(lab.Others(leader)[0]);
  lab.Run(1'000);
  const std::string reply = Set(lab, leader, 1'000'000);
  lab.Expect(reply != "+OK\r\n", "two of four are none");
  lab.network().Heal();
  lab.Run(lab.ET(10));
  lab.Expect(Set(lab, lab.WaitForLeader(kPatienceUs)) == "+OK\r\n", "three are one again");
}

void ManyAtOnce(Lab& lab) {  // 48
  lab.Begin();
  lab.Load(3);
  for (int i = 0; i < 6 && !lab.failed(); ++i) {
    const NodeId newcomer = Newcomer(lab);
    const NodeId leader = lab.WaitForLeader(kPatienceUs);
    int begun = 0;
    int refused = 0;
    lab.node(leader).Input([&] {
      for (int request = 0; request < 4; ++request) {
        const raft::ChangeResult result = lab.node(leader).node().member().ProposeChange(
            {.id = newcomer, .address = AddressOf(newcomer)});
        begun += std::holds_alternative<raft::Proposed>(result) ? 1 : 0;
        refused += std::holds_alternative<ChangeError>(result) ? 1 : 0;
      }
    });
    lab.Run(5'000);
    lab.Expect(begun <= 1 && begun + refused == 4, "one at a time, the others hear so");
    if (lab.rng.OneIn(1, 3)) lab.Kill(leader);
    lab.Run(lab.Random(1'000, 300'000));
    lab.Start(leader);
    TellLeader(lab, "RAFT REMOVE " + std::to_string(newcomer.value()));
  }
}

void GrowthWithAbsentees(Lab& lab) {  // 49
  const NodeId first = lab.Begin(1);
  lab.Load(2);
  const NodeId second = lab.world().AddNode();
  const NodeId third = lab.world().AddNode();
  for (const NodeId id : {second, third}) {
    MustTell(lab, AddLine(id));
    lab.Run(lab.ET(5));
    lab.Expect(Set(lab, first) == "+OK\r\n", "who has not come yet holds up nobody");
  }
  lab.Start(second);
  MustBecomeVoter(lab, second);
  lab.Start(third);
  MustBecomeVoter(lab, third);
  lab.Kill(first);
  const NodeId leader = lab.WaitForLeader(lab.ET(10));
  lab.Expect(Set(lab, leader) == "+OK\r\n", "two of three go on without the first");
}

void QuorumGuard(Lab& lab) {  // 50
  const NodeId leader = lab.Begin();
  const NodeId dead = lab.Others(leader)[0];
  const NodeId alive = lab.Others(leader)[1];
  lab.Power(dead);
  lab.Run(lab.ET(3));
  const std::string line = "RAFT REMOVE " + std::to_string(alive.value());
  lab.Expect(Refused(TellLeader(lab, line), "FORCE"), "the last one that is alive may not go");
  lab.Expect(Set(lab, leader) == "+OK\r\n", "nothing has happened");
  if (lab.rng.OneIn(1, 2)) {
    MustTell(lab, "RAFT REMOVE " + std::to_string(dead.value()));
    MustTell(lab, "RAFT REMOVE " + std::to_string(alive.value()));
    lab.Expect(Refused(TellLeader(lab, "RAFT REMOVE " + std::to_string(leader.value())), "last"),
               "the last voter stays");
    return;
  }
  // Forced, it waits for the dead one.
  lab.Expect(Tell(lab, leader, line + " FORCE", 500'000).empty(), "no promise yet");
  lab.Start(dead);
  lab.Run(lab.ET(5));
  lab.Expect(!lab.world().Members().Contains(alive), "it is done when the other is back");
}

void CrashInJoint(Lab& lab) {  // 51
  lab.Begin(5);
  lab.Load(3);
  for (int i = 0; i < 3 && !lab.failed(); ++i) {
    const NodeId leader = lab.WaitForLeader(kPatienceUs);
    const auto core = [&]() -> const raft::Core& {
      return lab.node(leader).node().member().core();
    };
    NodeId gone = leader;
    for (const NodeId id : core().voters()) {
      if (lab.rng.OneIn(1, 2)) gone = id;
    }
    Propose(lab, leader, {.kind = Change::Kind::kRemove, .id = gone});
    lab.Run(lab.Random(20, 6'000));
    if (lab.node(leader).alive()) lab.Power(leader);
    lab.Run(lab.ET(6));
    lab.Start(leader);
    lab.Run(lab.ET(4));
    lab.WaitForLeader(kPatienceUs);
    const NodeId now = lab.leader();
    if (lab.failed()) return;
    lab.Expect(!lab.node(now).node().member().core().configuration().IsJoint(),
               "a change that was begun is ended by whoever leads");
  }
}

void ClientsOfARemovedNode(Lab& lab) {  // 52
  const NodeId leader = lab.Begin();
  const NodeId gone = lab.Others(leader)[0];
  lab.Load(4);
  lab.Run(100'000);
  MustTell(lab, "RAFT REMOVE " + std::to_string(gone.value()));
  lab.Run(lab.ET(10));
  std::string heard;
  bool closed = false;
  const uint64_t connection = lab.node(gone).Connect(
      PortKind::kCluster, [&](const std::string& bytes, server::Position) { heard += bytes; },
      [&] { closed = true; });
  lab.node(gone).SendBytes(connection, "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
  lab.Until([&] { return closed; }, 2'000'000);
  lab.Expect(heard.starts_with("-CLUSTERDOWN") || heard.starts_with("-MOVED"),
             "an answer that sends it elsewhere, not: " + heard);
  lab.Expect(closed, "and then the end");
}

// What the victim has acknowledged it does not know any more: with the one that lags behind it
// would be a majority that has forgotten.
void EmptyDisk(Lab& lab) {  // 43
  const NodeId leader = lab.Begin();
  const NodeId victim = lab.Others(leader)[0];
  const NodeId behind = lab.Others(leader)[1];
  lab.Load(2);
  lab.Run(lab.ET(1));
  const bool leader_away = lab.rng.OneIn(1, 2);
  if (leader_away) {
    lab.Isolate(behind);
    lab.Expect(Set(lab, leader) == "+OK\r\n", "two of three go on");
    lab.network().Heal();
    lab.Isolate(leader);
  }
  Wipe(lab, victim);
  lab.Expect(lab.Until([&] { return lab.node(victim).halted(); }, kPatienceUs),
             "a node that others know with another disk stops");
  lab.Run(lab.ET(10));
  if (leader_away) {
    lab.Expect(lab.node(behind).node().member().core().role() != raft::RoleKind::kLeader,
               "nobody leads with the vote of an empty disk");
    lab.network().Heal();
  }
  MustTell(lab, "RAFT REMOVE " + std::to_string(victim.value()));
  const NodeId newcomer = Newcomer(lab);
  MustTell(lab, AddLine(newcomer));
  MustBecomeVoter(lab, newcomer);
}

// Of four one is leaving; two of the three that stay are no majority of the four.
void OldMajorityInJoint(Lab& lab) {  // 51
  const NodeId leader = lab.Begin(4);
  const std::vector<NodeId> others = lab.Others(leader);
  lab.Tap([](NodeId, NodeId, server::PeerMessage& message) {
    const auto* raft = std::get_if<raft::Message>(&message);
    return raft == nullptr || !std::holds_alternative<raft::AppendReply>(*raft);
  });
  Propose(lab, leader, {.kind = Change::Kind::kRemove, .id = others[2]});
  const auto joint = [&](NodeId id) {
    return lab.node(id).node().member().core().configuration().IsJoint();
  };
  lab.Expect(lab.Until([&] { return joint(others[0]) && joint(others[1]); }, 500'000),
             "both have the joint configuration");
  lab.Run(20'000);
  lab.Kill(leader);
  lab.Kill(others[2]);
  lab.Untap();
  const uint64_t elections = lab.world().figures().elections;
  lab.Run(lab.ET(12));
  lab.Expect(lab.world().figures().elections == elections,
             "nobody is elected without the old majority");
  lab.Start(others[2]);
  lab.WaitForLeader(kPatienceUs);
}

constexpr Scenario kScenarios[] = {
    {25, "a learner never leads", NeverLeads},
    {39, "changes of two leaders that do not know of each other", ChangesAcrossTerms},
    {40, "an isolated leader is asked for a change", IsolatedLeaderIsAsked},
    {41, "the leader is removed; a removed node campaigns", RemovedLeader},
    {42, "a removed id comes back", OldIdComesBack},
    {43, "an empty disk under an old id", EmptyDisk},
    {44, "an uncommitted configuration is cut off", UncommittedConfiguration},
    {45, "members through two generations of snapshots", Snapshots},
    {47, "a learner is promoted while it is away", PromotedWhileAway},
    {48, "many changes at once", ManyAtOnce},
    {49, "growth with newcomers out of reach", GrowthWithAbsentees},
    {50, "a removal that would lose the quorum", QuorumGuard},
    {51, "the leader crashes in a joint configuration", CrashInJoint},
    {51, "the old majority is needed in a joint configuration", OldMajorityInJoint},
    {52, "clients of a removed node", ClientsOfARemovedNode},
};

}  // namespace

std::span<const Scenario> MembershipScenarios() { return kScenarios; }

}  // namespace kvorum::sim
