// SPDX-License-Identifier: Apache-2.0
//
// Scenarios 1 to 24: elections and leadership.
#include <algorithm>
#include <memory>

#include "tests/sim/scenario.h"

namespace kvorum::sim {
namespace {

using server::PortKind;

template <class M>
M* As(server::PeerMessage& message) {
  auto* raft = std::get_if<raft::Message>(&message);
  return raft == nullptr ? nullptr : std::get_if<M>(raft);
}

constexpr const char* kGet = "*2\r\n$3\r\nGET\r\n$5\r\nprobe\r\n";

std::string Set(const std::string& value) {
  return "*3\r\n$3\r\nSET\r\n$3\r\nraw\r\n$" + std::to_string(value.size()) + "\r\n" + value +
         "\r\n";
}

void ManyWritesAt(Lab& lab, NodeId id, PortKind kind, int count) {
  SimClient& client = lab.Client();
  client.Use(id, kind);
  std::vector<std::vector<std::string>> commands;
  commands.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    commands.push_back({"SET", "many" + std::to_string(i), lab.Unique()});
  }
  client.AskAll(commands);
}

void KillLeaderInFlight(Lab& lab) {  // 1
  const NodeId leader = lab.Begin();
  lab.Load(3);
  lab.Run(50'000);
  ManyWritesAt(lab, leader, PortKind::kCluster, 100);
  lab.Run(lab.Random(0, 4'000));
  lab.Kill(leader);
  lab.WaitForLeader(lab.ET(3));
  lab.Run(200'000);
}

void RestartsOfAMajority(Lab& lab) {  // 2
  const NodeId first = lab.Begin(5);
  lab.Ask(first, {"SET", "probe", "kept"});
  for (const NodeId id : lab.world().Ids()) lab.Kill(id);
  lab.Run(lab.Random(1'000, 50'000));
  for (const NodeId id : lab.world().Ids()) lab.Start(id);
  lab.Run(lab.Random(0, 400'000));
  for (uint64_t i = 1; i <= 3; ++i) lab.Kill(NodeId(i));
  lab.Run(50'000);  // leases are over
  for (const NodeId id : {NodeId(4), NodeId(5)}) {
    const std::string reply = lab.Raw(id, PortKind::kCluster, kGet, 200'000);
    lab.Expect(!reply.starts_with("$"), "no read from a minority, not: " + reply);
  }
}

void ReadBeforeTheNoop(Lab& lab) {  // 3
  const NodeId old = lab.Begin();
  lab.Ask(old, {"SET", "probe", "one"});
  // Entries of the new leader get nowhere, its heartbeats do.
  lab.Tap([](NodeId, NodeId, server::PeerMessage& message) {
    return As<raft::Append>(message) == nullptr;
  });
  lab.Kill(old);
  NodeId fresh;
  lab.Until(
      [&] {
        for (const NodeId id : lab.Others(old)) {
          if (lab.node(id).node().member().core().IsLeader()) fresh = id;
        }
        return fresh != NodeId();
      },
      lab.ET(6));
  lab.Expect(fresh != NodeId(), "a leader that cannot commit");
  const std::string early = lab.Raw(fresh, PortKind::kCluster, kGet, 60'000);
  lab.Expect(!early.starts_with("$"), "no read before the no-op is committed, not: " + early);
  lab.Untap();
  lab.WaitForLeader(lab.ET(6));
  lab.Expect(lab.Ask(lab.leader(), {"GET", "probe"}) == "$3\r\none\r\n", "the old value");
}

void LeaderInAMinority(Lab& lab) {  // 4
  const NodeId old = lab.Begin(5);
  const std::vector<NodeId> others = lab.Others(old);
  lab.Ask(old, {"SET", "probe", "old"});
  for (size_t i = 1; i < others.size(); ++i) {
    lab.CutBoth(old, others[i]);
    lab.CutBoth(others[0], others[i]);
  }
  lab.Load(3);
  const std::string written = lab.Raw(old, PortKind::kCluster, Set("lost"), 30'000);
  lab.Expect(!written.starts_with("+"), "no OK from a minority");
  lab.Until([&] { return lab.leader() != NodeId() && lab.leader() != old; }, lab.ET(10));
  lab.Expect(lab.leader() != old, "a leader on the majority's side");
  lab.Ask(lab.leader(), {"SET", "probe", "new"});
  const std::string read = lab.Raw(old, PortKind::kCluster, kGet, 200'000);
  lab.Expect(!read.starts_with("$"), "no read from a deposed leader, not: " + read);
}

void StoppedLeader(Lab& lab) {  // 5
  const NodeId leader = lab.Begin();
  lab.Load(4);
  lab.Run(lab.Random(20'000, 90'000));
  lab.node(leader).Pause(lab.ET(3));
  ManyWritesAt(lab, leader, PortKind::kCluster, 20);  // they wait in its socket buffers
  lab.Run(lab.ET(5));
}

void OldReadRounds(Lab& lab) {  // 6
  lab.plan.lease_reads = false;
  lab.plan.think_most_us = 5'000;
  lab.Begin();
  lab.Load(4);
  // Answers to heartbeats come late, twice, and across changes of leader.
  lab.Tap([&lab](NodeId from, NodeId to, server::PeerMessage& message) {
    if (As<raft::HeartbeatReply>(message) == nullptr || lab.rng.OneIn(1, 3)) return true;
    lab.network().Inject(from, to, message, lab.Random(1'000, 400'000));
    if (lab.rng.OneIn(1, 2)) lab.network().Inject(from, to, message, lab.Random(1'000, 600'000));
    return lab.rng.OneIn(1, 2);
  });
  for (int i = 0; i < 6; ++i) {
    lab.Run(lab.Random(50'000, 250'000));
    const NodeId leader = lab.leader();
    if (leader != NodeId()) lab.Fault(FaultKind::kIsolate, leader, lab.Random(50'000, 500'000));
  }
}

void EqualTimeouts(Lab& lab) {  // 7
  lab.plan.equal_timeouts = true;
  lab.plan.delay_most_us = 50;
  lab.Begin(5);
  for (const NodeId id : lab.world().Ids()) lab.Power(id, disk::CrashMode::kKeepUnsynced);
  for (const NodeId id : lab.world().Ids()) lab.Start(id);
  lab.WaitForLeader(lab.ET(20));
}

void LongerLogOrHigherTerm(Lab& lab) {  // 8
  const NodeId first = lab.Begin();
  lab.Load(3);
  lab.Run(100'000);
  lab.Isolate(first);
  ManyWritesAt(lab, first, PortKind::kCluster, 30);  // a longer log, of an older term
  lab.Run(lab.ET(6));
  for (const NodeId id : lab.world().Ids()) lab.Kill(id);
  lab.network().Heal();
  std::vector<NodeId> order = lab.world().Ids();
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[lab.rng.Below(i)]);
  for (const NodeId id : order) {
    lab.Start(id);
    lab.Run(lab.Random(0, 300'000));
  }
  lab.WaitForLeader(lab.ET(10));
}

void LongAlone(Lab& lab) {  // 9
  const NodeId leader = lab.Begin();
  lab.Load(2);
  const Term term = lab.term();
  const NodeId alone = lab.Others(leader)[0];
  lab.Isolate(alone);
  lab.Run(lab.ET(100));
  lab.network().Heal();
  lab.Run(lab.ET(5));
  lab.Expect(lab.leader() == leader && lab.term() == term, "leader and term unchanged");
}

void OneLinkToTheLeader(Lab& lab) {  // 10
  const NodeId leader = lab.Begin();
  lab.Load(3);
  const Term term = lab.term();
  lab.CutBoth(leader, lab.Others(leader)[1]);
  for (int i = 0; i < 10; ++i) {
    const Micros before = lab.world().events().now();
    lab.Expect(lab.Ask(leader, {"SET", "probe", lab.Unique()}) == "+OK\r\n", "writes go on");
    lab.Expect(lab.world().events().now() - before < lab.ET(2), "within two timeouts");
    lab.Run(lab.ET(1));
  }
  lab.Expect(lab.leader() == leader && lab.term() == term, "no other leader");
}

void PartialMesh(Lab& lab) {  // 11
  lab.Begin(5);
  lab.MakeLeader(NodeId(3));
  const auto cut = [&](uint64_t a, uint64_t b) { lab.CutBoth(NodeId(a), NodeId(b)); };
  for (const uint64_t id : {1, 3, 5}) cut(4, id);
  for (const uint64_t id : {1, 2}) cut(5, id);
  lab.Load(2);
  lab.Run(lab.ET(20));
  const NodeId leader = lab.leader();
  const Term term = lab.term();
  lab.Run(lab.ET(20));
  lab.Expect(leader != NodeId() && lab.leader() == leader && lab.term() == term,
             "one stable leader");
}

void DeafLeader(Lab& lab) {  // 12
  const NodeId old = lab.Begin();
  lab.Load(2);
  for (const NodeId id : lab.Others(old)) lab.network().Cut(id, old);
  lab.Run(lab.ET(2));
  lab.Expect(!lab.node(old).node().member().core().IsLeader(), "steps down within two timeouts");
  lab.Until([&] { return lab.leader() != NodeId(); }, lab.ET(6));
  lab.Expect(lab.leader() != NodeId() && lab.leader() != old, "another leader");
}

void MuteLeader(Lab& lab) {  // 13
  const NodeId old = lab.Begin();
  lab.Load(2);
  for (const NodeId id : lab.Others(old)) lab.network().Cut(old, id);
  lab.Until([&] { return lab.leader() != NodeId() && lab.leader() != old; }, lab.ET(8));
  const NodeId leader = lab.leader();
  lab.Expect(leader != NodeId() && leader != old, "another leader");
  lab.Run(lab.ET(4));
  const Term term = lab.term();
  lab.network().Heal();
  lab.Run(lab.ET(6));
  lab.Expect(lab.leader() == leader && lab.term() == term, "the old one disturbs nobody");
}

void OneWayFollower(Lab& lab) {  // 14
  const NodeId leader = lab.Begin();
  lab.Load(3);
  const Term term = lab.term();
  const NodeId odd = lab.Others(leader)[0];
  const bool hears = lab.rng.OneIn(1, 2);
  for (const NodeId id : lab.Others(odd)) {
    hears ? lab.network().Cut(odd, id) : lab.network().Cut(id, odd);
  }
  lab.Run(lab.ET(20));
  lab.Expect(lab.leader() == leader && lab.term() == term, "no term inflation, no loss of service");
  lab.network().Heal();
  lab.Run(lab.ET(6));
  lab.Expect(lab.term() == term, "nor afterwards");
}

void BridgeAndRing(Lab& lab) {  // 15
  lab.Begin(5);
  lab.Load(4);
  for (int i = 0; i < 3; ++i) {
    lab.Fault(FaultKind::kBridge, NodeId(1), lab.ET(8));
    lab.Run(lab.ET(10));
    lab.Fault(FaultKind::kRing, NodeId(1), lab.ET(8));
    lab.Run(lab.ET(4));
    lab.Until([&] { return lab.leader() != NodeId(); }, lab.ET(6));
    lab.Expect(lab.leader() != NodeId(), "somebody leads a ring of majorities");
    lab.Run(lab.ET(4));
  }
}

void FlappingLeader(Lab& lab) {  // 16
  const NodeId leader = lab.Begin();
  lab.Load(3);
  const Term before = lab.term();
  const NodeId peer = lab.Others(leader)[0];
  for (Micros t = 0; t < 60'000'000 && !lab.failed(); t += lab.ET(1)) {
    lab.CutBoth(leader, peer);
    lab.Run(lab.ET(1) / 2);
    lab.network().Uncut(leader, peer);
    lab.network().Uncut(peer, leader);
    lab.Run(lab.ET(1) / 2);
  }
  lab.Expect(lab.term() - before <= 3, "few elections in a minute of flapping");
}

void Swizzle(Lab& lab) {  // 17
  lab.Begin(5);
  lab.Load(4);
  for (int i = 0; i < 6; ++i) {
    lab.Fault(FaultKind::kSwizzle, NodeId(1), lab.ET(4));
    lab.Run(lab.ET(6));
  }
}

void StaleReplies(Lab& lab) {  // 18
  lab.Begin(5);
  lab.Load(4);
  lab.Tap([&lab](NodeId from, NodeId to, server::PeerMessage& message) {
    const bool reply = As<raft::VoteReply>(message) != nullptr ||
                       As<raft::AppendReply>(message) != nullptr ||
                       As<raft::PreVoteReply>(message) != nullptr;
    if (reply) lab.network().Inject(from, to, message, lab.Random(100'000, 1'500'000));
    return true;
  });
  for (int i = 0; i < 6; ++i) {
    lab.Run(lab.Random(50'000, 300'000));
    const NodeId leader = lab.leader();
    if (leader != NodeId()) lab.Fault(FaultKind::kIsolate, leader, lab.ET(4));
  }
}

// A follower is told to campaign at once: what a leader has in flight meets a higher term.
void Depose(Lab& lab, NodeId leader, NodeId by) {
  lab.network().Inject(leader, by, raft::Message(raft::TimeoutNow{lab.term()}), 0);
}

void TermDuringProposal(Lab& lab) {  // 19
  lab.Begin();
  lab.Load(3);
  for (int i = 0; i < 8; ++i) {
    const NodeId leader = lab.WaitForLeader(lab.ET(10));
    ManyWritesAt(lab, leader, PortKind::kCluster, 20);
    Depose(lab, leader, lab.Others(leader)[lab.rng.Below(2)]);
    lab.Run(lab.Random(5'000, 200'000));
  }
}

void CrashAroundTheVote(Lab& lab) {  // 20
  lab.Begin();
  lab.Load(2);
  for (int i = 0; i < 8; ++i) {
    const NodeId leader = lab.WaitForLeader(lab.ET(20));
    lab.Kill(leader);
    for (const NodeId id : lab.Others(leader)) {
      lab.node(id).DieInAWrite(disk::CrashMode::kRandomSectors, true, [&lab, id] {
        lab.world().events().After(500, [&lab, id] { lab.Start(id); });
      });
    }
    lab.Run(lab.Random(5'000, 300'000));
    for (const NodeId id : lab.world().Ids()) lab.Start(id);
  }
}

void TransfersThatFail(Lab& lab) {  // 21
  const NodeId leader = lab.Begin();
  lab.Load(3);
  const NodeId target = lab.Others(leader)[0];
  const auto transfer = [&] {
    const NodeId now = lab.WaitForLeader(lab.ET(10));
    lab.node(now).Input(
        [&lab, now, target] { lab.node(now).node().member().TransferLeadership(target); });
  };
  const auto resumes = [&](const char* what) {
    lab.Until([&] { return lab.leader() != NodeId(); }, lab.ET(4));
    lab.Expect(lab.leader() != NodeId(), what);
    lab.Expect(lab.Ask(lab.leader(), {"SET", "probe", lab.Unique()}) == "+OK\r\n", what);
  };
  lab.Fault(FaultKind::kSlowLinks, target, 300'000);  // it lags
  transfer();
  resumes("service after a transfer to one that lags");
  lab.Run(400'000);
  lab.Tap([](NodeId, NodeId, server::PeerMessage& message) {
    return As<raft::TimeoutNow>(message) == nullptr;
  });
  transfer();
  lab.Run(20'000);
  resumes("service after a lost TimeoutNow");
  lab.Untap();
  transfer();
  lab.Run(lab.Random(0, 2'000));
  lab.Kill(target);
  resumes("service after the target has died");
  lab.Start(target);
}

void TransferWithLease(Lab& lab) {  // 22
  const NodeId leader = lab.Begin();
  lab.Load(3);
  lab.Run(50'000);
  const NodeId target = lab.Others(leader)[1];
  lab.node(leader).Input(
      [&lab, leader, target] { lab.node(leader).node().member().TransferLeadership(target); });
  lab.Until([&] { return lab.leader() == target; }, lab.ET(1));
  lab.Expect(lab.leader() == target, "the target leads within one timeout, promises or not");
}

// Thesis figure 3.7 (8 in the paper): an old leader's entry reaches a majority in a later term, and
// is overwritten all the same.
void FigureEight(Lab& lab) {  // 23
  lab.Begin(5);
  const NodeId s1(1);
  const NodeId s5(5);
  lab.MakeLeader(s1);
  const auto entries_only_to = [&lab](NodeId from, NodeId only) {
    lab.Tap([from, only](NodeId sender, NodeId to, server::PeerMessage& message) {
      auto* append = As<raft::Append>(message);
      return append == nullptr || sender != from || to == only;
    });
  };
  entries_only_to(s1, NodeId(2));  // (a) S1 writes to itself and S2
  lab.Raw(s1, PortKind::kCluster, Set("a"), 20'000);
  lab.Kill(s1);
  lab.Power(NodeId(2), disk::CrashMode::kKeepUnsynced);
  entries_only_to(s5, s5);  // (b) S5 is elected by 3 and 4 and writes to itself
  lab.Until(
      [&] {
        return lab.node(s5).node().member().core().IsLeader() ||
               lab.node(NodeId(3)).node().member().core().IsLeader() ||
               lab.node(NodeId(4)).node().member().core().IsLeader();
      },
      lab.ET(20));
  lab.Run(5'000);
  lab.Kill(s5);
  // (c) S1 comes back and may copy its old entry further, but nothing of its new term.
  lab.Tap([s1](NodeId sender, NodeId, server::PeerMessage& message) {
    auto* append = As<raft::Append>(message);
    if (append == nullptr || sender != s1) return true;
    std::erase_if(append->entries,
                  [&](const raft::Entry& entry) { return entry.term == append->term; });
    return true;
  });
  lab.Start(s1);
  lab.Start(NodeId(2));
  lab.Run(lab.ET(6));
  lab.Kill(s1);
  lab.Untap();
  lab.Start(s5);  // (d) with 2, 3 and 4
  lab.Run(lab.ET(10));
  lab.Start(s1);
  lab.WaitForLeader(lab.ET(20));
}

void SlowLeaderDisk(Lab& lab) {  // 24
  lab.plan.delay_most_us = 300;
  lab.plan.sync_most_us = 500;
  const NodeId leader = lab.Begin();
  lab.node(leader).SlowDisk(400'000, lab.ET(100));
  for (int i = 0; i < 10; ++i) {
    const Micros before = lab.world().events().now();
    lab.Expect(lab.Ask(leader, {"SET", "probe", lab.Unique()}) == "+OK\r\n", "OK");
    lab.Expect(lab.world().events().now() - before < 100'000, "the followers' disks are enough");
  }
}

// Commands are parked while leadership is handed on; when that fails, they are executed after all.
void HandOverFails(Lab& lab) {  // 21
  lab.plan.delay_most_us = 300;
  const NodeId leader = lab.Begin();
  const NodeId from = lab.Others(leader)[0];
  const NodeId target = lab.Others(leader)[1];
  // Sooner than the attempt ends.
  for (const NodeId id : lab.world().Ids()) lab.node(id).config().election_park_timeout_ms = 50;
  for (int i = 0; i < 4 && !lab.failed(); ++i) {
    lab.CutBoth(leader, target);
    lab.Ask(leader, {"SET", "probe", lab.Unique()});  // which the target does not have
    lab.node(leader).Input(
        [&lab, leader, target] { lab.node(leader).node().member().TransferLeadership(target); });
    SimClient& client = lab.Client();
    client.Use(from, PortKind::kProxy);
    client.AskAll({{"INCR", "counter"}, {"APPEND", "key", lab.Unique()}});
    lab.Run(lab.Random(2'000, 5'000));
    if (i % 2 == 1) lab.network().Reset(leader, from, 0);
    lab.Run(lab.ET(3));
    lab.network().Heal();
    lab.Run(100'000);
    const uint64_t refused = lab.node(from).node().stats().park_timeouts.Get();
    lab.Expect(lab.Ask(from, {"SET", "probe", lab.Unique()}, 1'000'000) == "+OK\r\n", "OK");
    // A client that is refused asks another node, so its own OK says nothing.
    lab.Expect(lab.node(from).node().stats().park_timeouts.Get() == refused,
               "its node goes on carrying");
  }
  lab.Run(2'500'000);  // longer than anything is in doubt
  lab.Expect(lab.world().figures().unknown == 0, "every outcome is learnt");
}

// Leadership goes to the node that is wished for, and comes back to it when it comes back.
void Wishes(Lab& lab) {  // 112
  lab.plan.wishes = true;
  lab.Begin(5);
  lab.Load(3);
  const NodeId wished(4);
  const auto leads = [&] { return lab.leader() == wished; };
  lab.Until(leads, lab.ET(40));
  lab.Expect(leads(), "the one with the highest priority leads");
  if (!leads()) return;
  lab.Kill(wished);
  lab.Run(lab.ET(4));
  lab.Expect(lab.WaitForLeader(lab.ET(10)) != wished, "somebody else leads meanwhile");
  lab.Start(wished);
  lab.Until(leads, lab.ET(60));
  lab.Expect(leads(), "it leads again");
}

constexpr Scenario kScenarios[] = {
    {1, "kill the leader with 100 writes in flight", KillLeaderInFlight},
    {2, "all restart, a majority dies again, survivors are read", RestartsOfAMajority},
    {3, "GET to a leader before its no-op commits", ReadBeforeTheNoop},
    {4, "leader on the minority side, clients reach it", LeaderInAMinority},
    {5, "leader stopped with requests in its socket buffers", StoppedLeader},
    {6, "read rounds answered late and twice across leaders", OldReadRounds},
    {7, "equal election timeouts everywhere", EqualTimeouts},
    {8, "longer log against higher term", LongerLogOrHigherTerm},
    {9, "alone for 100 timeouts, then back", LongAlone},
    {10, "only the link between leader and one follower is cut", OneLinkToTheLeader},
    {11, "five nodes, a partial mesh", PartialMesh},
    {12, "leader that cannot hear", DeafLeader},
    {13, "leader that cannot speak", MuteLeader},
    {14, "follower that only hears, or only speaks", OneWayFollower},
    {15, "bridge, and ring of overlapping majorities", BridgeAndRing},
    {16, "leader's link flaps for a minute", FlappingLeader},
    {17, "swizzle-clog", Swizzle},
    {18, "replies of old terms", StaleReplies},
    {19, "a higher term arrives while clients propose", TermDuringProposal},
    {20, "crash around the vote's fsync", CrashAroundTheVote},
    {21, "transfers to the lagging, the dying, or by a lost message", TransfersThatFail},
    {21, "a hand-over that fails, under carried commands", HandOverFails},
    {22, "transfer with leases and pre-vote on", TransferWithLease},
    {23, "figure 8: an old entry on a majority is not committed by counting", FigureEight},
    {24, "leader's disk slower than the followers'", SlowLeaderDisk},
    {112, "leadership goes where it is wished for", Wishes},
};

}  // namespace

std::span<const Scenario> ElectionScenarios() { return kScenarios; }

}  // namespace kvorum::sim
