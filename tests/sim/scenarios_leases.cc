// SPDX-License-Identifier: Apache-2.0
//
// Scenarios 101 to 111: leases, elections on evidence, carried commands.
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/scenario.h"

namespace kvorum::sim {
namespace {

using server::PortKind;

// As long as the shortest election timeout allows, and promises as short as it allows: the more of
// a lease is left when somebody else leads, the surer a wrong read is seen.
void LongLeases(Lab& lab) {
  lab.plan.lease_ms = 60;
  lab.plan.drift_percent = 0;
}

// Clients without a pause, at the node that they know.
void Readers(Lab& lab, int clients) {
  lab.plan.think_most_us = 1'000;
  lab.world().plan().think_most_us = 1'000;
  lab.Load(clients);
}

void VoteRightAfterARestart(Lab& lab) {  // 101
  LongLeases(lab);
  lab.plan.delay_most_us = 200;
  lab.plan.sync_most_us = 200;
  const NodeId leader = lab.Begin();
  Readers(lab, 4);
  for (int i = 0; i < 10 && !lab.failed(); ++i) {
    const NodeId now = lab.WaitForLeader(lab.ET(10));
    const NodeId witness = lab.Others(now)[0];
    const NodeId other = lab.Others(now)[1];
    lab.Run(lab.Random(20'000, 60'000));
    // `other` has not heard the leader for longer than a promise lasts, but for less than it takes
    // to run by itself; `witness` has answered a moment ago.
    lab.CutBoth(now, other);
    lab.Run(80'000);
    lab.Kill(witness);
    lab.CutBoth(now, witness);
    lab.Run(lab.Random(100, 600));
    lab.Start(witness);
    lab.Run(3'200);  // the link between the two is up
    for (int ask = 0; ask < 10; ++ask) {
      lab.node(other).PeerUnreachable(now);
      lab.Run(500);
    }
    lab.Run(60'000);
    lab.network().Heal();
    lab.Run(lab.ET(2));
  }
  lab.Expect(leader != NodeId(), "a leader");
}

// Nobody writes: only the promise stands between the candidate and the vote, not the log.
void KeepReading(Lab& lab, NodeId leader, Micros length) {
  const Micros end = lab.world().events().now() + length;
  while (lab.world().events().now() < end && !lab.failed()) {
    lab.Ask(leader, {"GET", "probe"}, 5'000);
    lab.Run(1'000);
  }
}

void PromiseOfAFormerLife(Lab& lab) {  // 101
  LongLeases(lab);
  lab.plan.delay_most_us = 200;
  lab.plan.sync_most_us = 200;
  lab.Begin();
  for (int i = 0; i < 4 && !lab.failed(); ++i) {
    const NodeId leader = lab.WaitForLeader(lab.ET(10));
    const NodeId other = lab.Others(leader)[0];
    const NodeId witness = lab.Others(leader)[1];
    lab.Run(100'000);
    lab.CutBoth(leader, other);
    KeepReading(lab, leader, 80'000);
    lab.Kill(witness);
    lab.CutBoth(leader, witness);
    lab.Start(witness);
    lab.Run(3'200);  // the link between the two is up
    lab.node(other).PeerUnreachable(leader);
    KeepReading(lab, leader, 60'000);
    lab.network().Heal();
    lab.Run(lab.ET(2));
  }
}

// A vote that was asked for while its giver was free comes when it has promised again.
void PromiseBetweenTheVotes(Lab& lab) {  // 101
  LongLeases(lab);
  lab.plan.delay_most_us = 200;
  lab.plan.sync_most_us = 200;
  lab.Begin();
  for (int i = 0; i < 4 && !lab.failed(); ++i) {
    const NodeId leader = lab.WaitForLeader(lab.ET(10));
    const NodeId other = lab.Others(leader)[0];
    const NodeId giver = lab.Others(leader)[1];
    lab.Run(100'000);
    lab.CutBoth(leader, other);
    lab.CutBoth(leader, giver);
    std::optional<server::PeerMessage> held;
    lab.Tap([=, &held](NodeId from, NodeId to, const server::PeerMessage& message) {
      const auto* raft = std::get_if<raft::Message>(&message);
      if (raft == nullptr) return true;
      if (from == giver) return !std::holds_alternative<raft::PreVote>(*raft);  // it does not run
      if (to != giver || !std::holds_alternative<raft::Vote>(*raft)) return true;
      held = message;
      return false;
    });
    lab.Run(70'000);
    lab.node(giver).PeerUnreachable(leader);
    lab.node(other).PeerUnreachable(leader);
    lab.Until([&held] { return held.has_value(); }, 20'000);
    lab.network().Uncut(leader, giver);
    lab.network().Uncut(giver, leader);
    const raft::Core& core = lab.node(giver).node().member().core();
    lab.Until([&] { return core.leader() == leader; }, 50'000);
    lab.node(giver).PeerUnreachable(leader);
    if (held) lab.network().Inject(other, giver, *held, 100);
    lab.Untap();
    KeepReading(lab, leader, 50'000);
    lab.network().Heal();
    lab.Run(lab.ET(2));
  }
}

void RefusedLinksToALivingLeader(Lab& lab) {  // 102
  LongLeases(lab);
  lab.plan.delay_most_us = 300;
  lab.plan.sync_most_us = 300;
  lab.Begin();
  Readers(lab, 4);
  for (int i = 0; i < 10; ++i) {
    const NodeId leader = lab.WaitForLeader(lab.ET(10));
    lab.Fault(FaultKind::kResetLeader, leader, lab.Random(5'000, 80'000));
    lab.Run(lab.Random(50'000, 300'000));
  }
}

// What the leader hears is old: its lease begins when it asked, not when the answer came.
void LateAnswers(Lab& lab) {  // 102
  LongLeases(lab);
  lab.plan.delay_most_us = 300;
  lab.plan.sync_most_us = 300;
  lab.Begin();
  Readers(lab, 4);
  for (int i = 0; i < 8 && !lab.failed(); ++i) {
    const NodeId leader = lab.WaitForLeader(lab.ET(10));
    for (const NodeId id : lab.Others(leader)) lab.network().Slow(id, leader, 55'000);
    lab.Run(lab.Random(70'000, 120'000));
    for (const NodeId id : lab.Others(leader)) lab.network().Cut(leader, id);
    // Both know, and wait until they are free.
    for (const NodeId id : lab.Others(leader)) lab.node(id).PeerUnreachable(leader);
    lab.Run(lab.ET(2));
    lab.network().Heal();
    for (const NodeId id : lab.Others(leader)) lab.network().Slow(id, leader, 0);
    lab.Run(lab.Random(50'000, 200'000));
  }
}

void EvidenceAtOneOnly(Lab& lab) {  // 103
  const NodeId leader = lab.Begin();
  lab.Load(2);
  lab.Run(50'000);
  const Term term = lab.term();
  const NodeId one = lab.Others(leader)[0];
  for (int i = 0; i < 5; ++i) {
    lab.network().Reset(leader, one, 60'000);
    lab.Run(150'000);
  }
  lab.Expect(lab.leader() == leader && lab.term() == term, "no election, no term change");
}

void EvidenceAtBoth(Lab& lab) {  // 104
  lab.plan.delay_most_us = 200;
  lab.plan.sync_most_us = 300;
  const NodeId leader = lab.Begin();
  lab.Load(2);
  lab.Run(50'000);
  const Term term = lab.term();
  lab.Kill(leader);
  lab.WaitForLeader(lab.ET(1));
  lab.Expect(lab.term() - term <= 2, "within two rounds of votes");
}

void TransferUnderReads(Lab& lab) {  // 105
  LongLeases(lab);
  lab.plan.delay_most_us = 300;
  lab.Begin();
  Readers(lab, 5);
  for (int i = 0; i < 20; ++i) {
    const NodeId leader = lab.WaitForLeader(lab.ET(6));
    // Every other time, who hands over hears nothing any more as soon as it has said so.
    bool deaf = false;
    lab.Tap([&deaf, leader, i](NodeId from, NodeId to, const server::PeerMessage& message) {
      const auto* raft = std::get_if<raft::Message>(&message);
      deaf |= i % 2 == 0 && from == leader && raft != nullptr &&
              std::holds_alternative<raft::TimeoutNow>(*raft);
      return !deaf || to != leader;
    });
    lab.Fault(FaultKind::kTransfer, leader, 0, lab.Others(leader)[lab.rng.Below(2)]);
    lab.Run(lab.Random(5'000, 120'000));
    lab.Untap();
  }
}

void EveryLeaseLapses(Lab& lab) {  // 106
  const NodeId leader = lab.Begin();
  Readers(lab, 4);
  lab.Run(50'000);
  const Term term = lab.term();
  for (int i = 0; i < 25; ++i) {
    for (const NodeId id : lab.world().Ids()) lab.node(id).Pause(lab.Random(1'000, 80'000));
    lab.Run(lab.Random(200'000, 300'000));
  }
  lab.Expect(lab.leader() == leader && lab.term() == term, "slower, but no election");
}

// As every process of an overloaded or suspended machine does: nobody has run, so nobody's silence
// means anything.
void NobodyRuns(Lab& lab) {  // 113
  lab.plan.delay_most_us = 500;
  const NodeId leader = lab.Begin();
  lab.Load(3);
  lab.Run(50'000);
  const Term term = lab.term();
  for (int i = 0; i < 8; ++i) {
    const Micros length = lab.Random(200'000, 2'000'000);
    for (const NodeId id : lab.world().Ids()) lab.node(id).Pause(length + lab.Random(0, 5'000));
    lab.Run(length + lab.ET(2));
  }
  lab.Expect(lab.leader() == leader && lab.term() == term, "it goes on where it was");
}

void PausedMachine(Lab& lab) {  // 107
  LongLeases(lab);
  lab.plan.delay_most_us = 300;
  lab.Begin();
  Readers(lab, 5);
  for (int i = 0; i < 6; ++i) {
    const NodeId leader = lab.WaitForLeader(lab.ET(10));
    lab.Run(lab.Random(20'000, 60'000));
    lab.node(leader).PauseMachine(5'000'000 / (i + 1));
    lab.Run(5'000'000 / (i + 1) + lab.ET(3));
  }
}

void DeposedWithWritesInFlight(Lab& lab) {  // 108
  lab.plan.delay_most_us = 500;
  lab.Begin();
  lab.Run(50'000);
  for (int i = 0; i < 8; ++i) {
    const NodeId leader = lab.WaitForLeader(lab.ET(10));
    SimClient& client = lab.Client();
    client.Use(leader, lab.rng.OneIn(1, 2) ? PortKind::kProxy : PortKind::kCluster);
    std::vector<std::vector<std::string>> commands;
    commands.reserve(100);
    for (int n = 0; n < 100; ++n) {
      commands.push_back({"APPEND", "key" + std::to_string(n % 7), lab.Unique()});
    }
    client.AskAll(commands);
    lab.Run(lab.Random(0, 3'000));
    lab.network().Inject(leader, lab.Others(leader)[lab.rng.Below(2)],
                         raft::Message(raft::TimeoutNow{lab.term()}), 0);
    lab.Run(lab.Random(5'000, 200'000));
  }
  lab.Until([&lab] { return lab.leader() != NodeId(); }, lab.ET(10));
  lab.Run(500'000);
  lab.Expect(lab.world().figures().unknown == 0, "every write of a connected node has an outcome");
}

void CarriedThroughAKill(Lab& lab) {  // 109
  lab.plan.delay_most_us = 300;
  lab.plan.sync_most_us = 1'000;
  lab.Begin();
  for (int i = 0; i < 12 && !lab.failed(); ++i) {
    const NodeId leader = lab.WaitForLeader(lab.ET(10));
    for (const NodeId id : lab.Others(leader)) {
      SimClient& client = lab.Client();
      client.Use(id, PortKind::kProxy);
      client.AskAll({{"INCR", "counter"},
                     {"APPEND", "key", lab.Unique()},
                     {"GET", "key"},
                     {"INCR", "counter"}});
    }
    lab.Run(i * 150);  // every step of the path
    if (lab.rng.OneIn(1, 3)) {
      lab.node(leader).DieInAWrite(disk::CrashMode::kProcess, false, [] {});
    } else {
      lab.Kill(leader);
    }
    lab.Run(lab.Random(20'000, 400'000));
    lab.Start(leader);
    lab.Run(300'000);
  }
  lab.Expect(lab.world().figures().unknown == 0, "nobody at a living follower is left in doubt");
}

// Links come and go under what is carried; nobody dies, so every outcome can be learnt.
void CarriedOverLostLinks(Lab& lab) {  // 109
  lab.plan.delay_most_us = 400;
  lab.plan.sync_most_us = 2'000;
  lab.plan.lease_reads = false;           // what waits for a read round waits at the leader
  lab.plan.snapshot_log_bytes = 1 << 20;  // in a snapshot no outcome can be found
  lab.Begin();
  for (int i = 0; i < 25 && !lab.failed(); ++i) {
    const NodeId leader = lab.WaitForLeader(lab.ET(10));
    for (const NodeId id : lab.Others(leader)) {
      SimClient& client = lab.Client();
      client.Use(id, PortKind::kProxy);
      client.AskAll({{"INCR", "counter"},
                     {"APPEND", "key", lab.Unique()},
                     {"GET", "key"},
                     {"INCR", "counter"},
                     {"GET", "counter"},
                     {"APPEND", "key", lab.Unique()}});
    }
    lab.Run(lab.Random(0, 2'500));
    const Micros away = lab.Random(0, 2'000);
    lab.network().Reset(leader, lab.Others(leader)[lab.rng.Below(2)], away);
    lab.Run(lab.Random(5'000, 60'000));
  }
  lab.Run(2'500'000);  // longer than anything is in doubt
  lab.Expect(lab.world().figures().unknown == 0, "every outcome is learnt");
}

// `from` asks nobody for a vote, and `to` hears of no commit beyond `last`.
Network::Tap Quiet(NodeId from, NodeId to, Index last) {
  return [=](NodeId sender, NodeId receiver, server::PeerMessage& message) {
    auto* raft = std::get_if<raft::Message>(&message);
    if (raft == nullptr) return true;
    if (sender == from && std::holds_alternative<raft::PreVote>(*raft)) return false;
    if (receiver != to) return true;
    if (auto* beat = std::get_if<raft::Heartbeat>(raft)) {
      beat->commit = std::min(beat->commit, last);
    }
    if (auto* append = std::get_if<raft::Append>(raft)) {
      append->commit = std::min(append->commit, last);
    }
    return true;
  };
}

// A leader that has taken on a carried command is deposed, and elected again before it has heard
// what stands in that command's place; its node has carried the command anew by then.
void ElectedAgain(Lab& lab, bool handing_over) {
  lab.plan.delay_most_us = 300;
  lab.plan.sync_most_us = 2'000;
  lab.Begin();
  for (int i = 0; i < 6 && !lab.failed(); ++i) {
    const NodeId first = lab.WaitForLeader(lab.ET(10));
    lab.Run(50'000);  // everybody knows
    const NodeId from = lab.Others(first)[0];
    const NodeId second = lab.Others(first)[1];
    const raft::Core& core = lab.node(first).node().member().core();
    const Term term = core.term();
    // It hears and is not heard; what it hears of commits ends here. `from` wants nothing.
    lab.network().Cut(first, from);
    lab.network().Cut(first, second);
    const Index last = core.log().last_index();
    lab.Tap(Quiet(from, first, last));
    SimClient& client = lab.Client();
    client.Use(from, PortKind::kProxy);
    std::vector<std::vector<std::string>> commands{{"INCR", "counter"}};
    for (int n = 0; n < 4; ++n) commands.push_back({"APPEND", "key", lab.Unique()});
    client.AskAll(commands);
    lab.Run(1'500);
    if (handing_over) {  // what comes behind the first of them is parked at the leader
      lab.Run(lab.Random(0, 3'000));
      lab.node(first).Input(
          [&lab, first, second] { lab.node(first).node().member().TransferLeadership(second); });
      lab.Run(lab.Random(3'000, 6'000));
    }
    lab.node(second).PeerUnreachable(first);
    lab.node(from).PeerUnreachable(first);
    lab.Until(
        [&] {
          return core.log().last_term() > term &&
                 lab.node(from).node().member().core().commit() > last;
        },
        lab.ET(4));
    // It gets the rest, too, else nobody would elect it.
    lab.network().Uncut(first, from);
    lab.network().Uncut(first, second);
    const raft::Core& follower = lab.node(from).node().member().core();
    lab.Until(
        [&] { return client.idle() && core.log().last_index() >= follower.log().last_index(); },
        lab.ET(2));
    lab.Kill(second);
    lab.Tap(Quiet(from, NodeId(), Index()));
    lab.network().Heal();
    // The same client has more to be carried as soon as somebody leads, and sooner than that one
    // can commit anything.
    lab.node(from).SlowDisk(5'000, 200'000);
    lab.Until([&] { return follower.leader() == NodeId(); }, lab.ET(1));
    if (!handing_over && client.idle()) client.Ask({"APPEND", "key", lab.Unique()});
    lab.WaitForLeader(lab.ET(10));
    lab.Untap();
    lab.Run(lab.Random(20'000, 400'000));
    lab.Start(second);
    lab.Run(100'000);
  }
}

void ElectedAgainUnknowing(Lab& lab) { ElectedAgain(lab, false); }   // 110
void ElectedAgainHandingOver(Lab& lab) { ElectedAgain(lab, true); }  // 110

// What is repeated behind a lost link reaches a leader of a later term that has died and forgotten
// that it executed it: it must not say that it never did. The follower has not seen the log yet.
void DelayedRepetition(Lab& lab) {  // 110
  lab.plan.delay_most_us = 300;
  lab.plan.sync_most_us = 500;
  lab.plan.snapshot_log_bytes = 1 << 20;
  lab.Begin();
  for (int i = 0; i < 4 && !lab.failed(); ++i) {
    const NodeId leader = lab.WaitForLeader(lab.ET(10));
    const NodeId from = lab.Others(leader)[0];
    lab.Run(100'000);
    bool answered = false;
    lab.Tap([=, &answered](NodeId sender, NodeId to, const server::PeerMessage& message) {
      const bool reply = std::holds_alternative<server::ForwardReply>(message);
      if (to == from && reply) return answered;
      const auto* raft = std::get_if<raft::Message>(&message);
      if (raft == nullptr) return true;
      // Nobody else is to lead.
      if (sender != leader && std::holds_alternative<raft::PreVote>(*raft)) return false;
      return to != from || !std::holds_alternative<raft::Append>(*raft);
    });
    SimClient& client = lab.Client();
    client.Use(from, PortKind::kProxy);
    client.AskAll({{"INCR", "counter"}, {"APPEND", "key", lab.Unique()}});
    lab.Run(6'000);
    // It is back before anybody takes it for dead. What it is sent from now on waits until it
    // leads.
    lab.network().Clog(from, leader);
    lab.Kill(leader);
    lab.Start(leader);
    answered = true;
    lab.Run(5'000);
    for (const NodeId id : lab.Others(leader)) {
      if (id != from) lab.node(id).PeerUnreachable(leader);
    }
    lab.WaitForLeader(lab.ET(3));
    lab.network().Open(from, leader);
    lab.Run(lab.Random(10'000, 30'000));
    lab.Untap();
    lab.Run(lab.Random(100'000, 400'000));
  }
}

void DelayedForward(Lab& lab) {  // 110
  lab.plan.delay_most_us = 300;
  lab.Begin();
  for (int i = 0; i < 6 && !lab.failed(); ++i) {
    const NodeId leader = lab.WaitForLeader(lab.ET(10));
    const NodeId from = lab.Others(leader)[0];
    const NodeId other = lab.Others(leader)[1];
    lab.network().Clog(from, leader);
    SimClient& client = lab.Client();
    client.Use(from, PortKind::kProxy);
    client.AskAll({{"INCR", "counter"}, {"APPEND", "key", lab.Unique()}});
    lab.Run(5'000);
    lab.MakeLeader(other);  // two elections, and the first leader again
    lab.MakeLeader(leader);
    lab.network().Open(from, leader);
    lab.Run(lab.Random(20'000, 400'000));
  }
}

void ForwarderRestarts(Lab& lab) {  // 111
  lab.plan.delay_most_us = 500;
  lab.Begin();
  for (int i = 0; i < 10 && !lab.failed(); ++i) {
    const NodeId leader = lab.WaitForLeader(lab.ET(10));
    const NodeId from = lab.Others(leader)[lab.rng.Below(2)];
    for (int life = 0; life < 3; ++life) {
      SimClient& client = lab.Client();
      client.Use(from, PortKind::kProxy);
      client.AskAll({{"INCR", "counter"}, {"APPEND", "key", lab.Unique()}, {"GET", "counter"}});
      lab.Run(lab.Random(100, 3'000));
      lab.Kill(from);
      lab.Run(lab.Random(100, 2'000));
      lab.Start(from);
      lab.Run(lab.Random(500, 6'000));
    }
    lab.Run(100'000);
  }
}

constexpr Scenario kScenarios[] = {
    {101, "asked for a vote right after a restart", VoteRightAfterARestart},
    {101, "what it promised in its former life", PromiseOfAFormerLife},
    {101, "a promise between being asked and voting", PromiseBetweenTheVotes},
    {102, "links to a living leader are reset and refused", RefusedLinksToALivingLeader},
    {102, "answers to the leader come late", LateAnswers},
    {103, "only one follower sees the evidence", EvidenceAtOneOnly},
    {104, "both followers see it at once", EvidenceAtBoth},
    {105, "leadership handed on with lease reads in flight", TransferUnderReads},
    {106, "every lease lapses", EveryLeaseLapses},
    {107, "a paused machine whose boot clock stood still", PausedMachine},
    {108, "deposed with 100 writes in flight", DeposedWithWritesInFlight},
    {109, "carried commands through a kill at every step", CarriedThroughAKill},
    {109, "carried commands over links that break", CarriedOverLostLinks},
    {110, "a carried command delayed past two elections", DelayedForward},
    {110, "elected again, not knowing what became of a carried command", ElectedAgainUnknowing},
    {110, "the same while leadership was being handed on", ElectedAgainHandingOver},
    {110, "a repeated command delayed past a restart and an election", DelayedRepetition},
    {111, "the forwarder restarts with the same id", ForwarderRestarts},
    {113, "all processes stand still at once", NobodyRuns},
};

}  // namespace

std::span<const Scenario> LeaseScenarios() { return kScenarios; }

}  // namespace kvorum::sim
