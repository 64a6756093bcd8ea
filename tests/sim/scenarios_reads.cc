// SPDX-License-Identifier: Apache-2.0
//
// More scripts of scenarios 3 and 6: reads that meet a change of leader, or a long log, at the
// worst moment.
#include <optional>
#include <string>

#include "tests/sim/scenario.h"

namespace kvorum::sim {
namespace {

using server::PortKind;

// By a new client of that node's proxy port, which does not wait for the answer here.
void ReadProbe(Lab& lab, NodeId at) {
  SimClient& client = lab.Client();
  client.Use(at, PortKind::kProxy);
  client.Ask({"GET", "probe"});
}

// Clients that wait for the node that will lead ask as soon as it does: it has committed the no-op
// of its term, and far more is committed than it applies in a turn.
void ReadsBeforeALongLogIsApplied(Lab& lab) {  // 3
  lab.plan.snapshot_log_bytes = 64 << 20;
  lab.plan.segment_bytes = 1 << 20;
  lab.plan.lease_reads = lab.rng.OneIn(1, 2);
  const NodeId first = lab.Begin();
  for (int i = 0; i < 45; ++i) {
    lab.Ask(first, {"SET", "large" + std::to_string(i % 3), std::string(120'000, 'x')});
  }
  lab.Ask(first, {"SET", "probe", lab.Unique()});
  for (const NodeId id : lab.world().Ids()) {
    lab.Kill(id);
    lab.node(id).config().snapshot_log_bytes = 1 << 20;
  }
  for (const NodeId id : lab.world().Ids()) lab.Start(id);
  for (const NodeId id : lab.world().Ids()) {
    ReadProbe(lab, id);
  }
  lab.WaitForLeader(lab.ET(20));
  lab.Run(lab.ET(2));
}

// A deposed leader that does not know it yet: the answers to an old round are still on their way
// when a new read comes, and confirm only what was asked before them.
void ReadBehindAnOldRound(Lab& lab) {  // 6
  lab.plan.lease_reads = false;
  lab.plan.lease_ms = 2;
  lab.plan.delay_most_us = 200;
  lab.plan.sync_most_us = 200;
  lab.Begin();
  for (int i = 0; i < 4 && !lab.failed(); ++i) {
    const NodeId old = lab.WaitForLeader(lab.ET(10));
    lab.Ask(old, {"SET", "probe", lab.Unique()});
    for (const NodeId id : lab.Others(old)) lab.network().Slow(id, old, 60'000);
    lab.Run(lab.Random(0, 20'000));
    SimClient& before = lab.Client();
    before.Use(old, PortKind::kCluster);
    before.Ask({"GET", "probe"});
    lab.Run(2'000);
    for (const NodeId id : lab.Others(old)) lab.network().Cut(old, id);
    for (const NodeId id : lab.Others(old)) lab.node(id).PeerUnreachable(old);
    const auto other = [&] { return lab.leader() != NodeId() && lab.leader() != old; };
    lab.Until(other, 40'000);
    if (other()) lab.Ask(lab.leader(), {"SET", "probe", lab.Unique()}, 10'000);
    SimClient& behind = lab.Client();
    behind.Use(old, PortKind::kCluster);
    behind.Ask({"GET", "probe"});
    lab.Run(150'000);
    lab.network().Heal();
    for (const NodeId id : lab.Others(old)) lab.network().Slow(id, old, 0);
    lab.Run(lab.ET(1));
  }
  lab.Run(3'500'000);  // longer than a client waits
  lab.Expect(lab.world().figures().unknown == 0, "no read is forgotten");
}

// Answers that were meant for a former term of whoever leads again: they confirm nothing of this
// one.
void AnswersToAFormerTerm(Lab& lab) {  // 6
  lab.plan.delay_most_us = 400;
  lab.plan.think_most_us = 3'000;
  lab.plan.lease_reads = lab.rng.OneIn(1, 2);
  const NodeId leader = lab.Begin();
  lab.Load(4);
  lab.Run(100'000);
  lab.Tap([&lab](NodeId from, NodeId to, const server::PeerMessage& message) {
    const auto* raft = std::get_if<raft::Message>(&message);
    if (raft != nullptr && (std::holds_alternative<raft::HeartbeatReply>(*raft) ||
                            std::holds_alternative<raft::AppendReply>(*raft))) {
      lab.network().Inject(from, to, message, lab.Random(5'000, 150'000));
    }
    return true;
  });
  for (int i = 0; i < 5 && !lab.failed(); ++i) {
    lab.Run(lab.Random(20'000, 60'000));
    lab.MakeLeader(lab.Others(leader)[lab.rng.Below(2)]);
    lab.MakeLeader(leader);
  }
}

// Followers ask the leader how far they must be. Questions and answers get lost, come twice, and
// come so late that their follower has started anew, or that another one leads.
void ReadsAtFollowers(Lab& lab) {  // 6
  lab.plan.delay_most_us = 400;
  lab.plan.lease_reads = lab.rng.OneIn(1, 2);
  lab.Begin();
  lab.Load(4);
  lab.Tap([&lab](NodeId from, NodeId to, const server::PeerMessage& message) {
    const auto* raft = std::get_if<raft::Message>(&message);
    if (raft == nullptr || (!std::holds_alternative<raft::ReadIndex>(*raft) &&
                            !std::holds_alternative<raft::ReadIndexReply>(*raft))) {
      return true;
    }
    if (lab.rng.OneIn(1, 4)) {
      lab.network().Inject(from, to, message, lab.Random(1'000, 100'000));
    }
    return !lab.rng.OneIn(1, 4);
  });
  for (int i = 0; i < 6 && !lab.failed(); ++i) {
    const NodeId leader = lab.WaitForLeader(lab.ET(20));
    lab.Ask(leader, {"SET", "probe", lab.Unique()});
    for (const NodeId id : lab.Others(leader)) {
      ReadProbe(lab, id);
    }
    lab.Run(lab.Random(0, 20'000));
    const NodeId other = lab.Others(leader)[lab.rng.Below(2)];
    if (lab.rng.OneIn(1, 2)) {
      lab.MakeLeader(other);
    } else {
      lab.Kill(other);
      lab.Start(other);
    }
  }
  lab.Run(lab.ET(2));
}

// The answer to the first question of a follower's former life comes when it has asked the first
// one of this life, and has not got what was written in between.
void AnswerToAFormerLife(Lab& lab) {  // 6
  lab.plan.delay_most_us = 300;
  const NodeId leader = lab.Begin();
  const NodeId follower = lab.Others(leader)[0];
  lab.Ask(leader, {"SET", "probe", lab.Unique()});
  std::optional<server::PeerMessage> kept;
  bool deaf = false;
  lab.Tap([&](NodeId /*from*/, NodeId to, const server::PeerMessage& message) {
    const auto* raft = std::get_if<raft::Message>(&message);
    if (raft == nullptr || to != follower) return true;
    if (!std::holds_alternative<raft::ReadIndexReply>(*raft)) return !deaf;
    if (!kept) kept = message;
    return false;
  });
  ReadProbe(lab, follower);
  lab.Until([&] { return kept.has_value(); }, lab.ET(2));
  lab.Expect(kept.has_value(), "the follower asks, and is answered");
  lab.Kill(follower);
  lab.Start(follower);
  const auto follows = [&] {
    return lab.node(follower).alive() &&
           lab.node(follower).node().member().core().leader() == leader;
  };
  lab.Until(follows, lab.ET(4));
  if (!kept || !follows()) return;
  deaf = true;
  lab.Ask(leader, {"SET", "probe", lab.Unique()});
  ReadProbe(lab, follower);
  lab.Run(5'000);
  lab.network().Inject(leader, follower, *kept, 0);
  lab.Run(5'000);
  lab.Untap();
  lab.Run(lab.ET(2));
}

// A leader that is cut off together with a follower: it must not name a point to it any more.
void ReadsInTheMinority(Lab& lab) {  // 6
  lab.plan.lease_reads = lab.rng.OneIn(1, 2);
  lab.Begin(5);
  for (int i = 0; i < 3 && !lab.failed(); ++i) {
    const NodeId old = lab.WaitForLeader(lab.ET(20));
    lab.Ask(old, {"SET", "probe", lab.Unique()});
    const std::vector<NodeId> others = lab.Others(old);
    const NodeId with = others[0];
    for (size_t n = 1; n < others.size(); ++n) {
      lab.CutBoth(old, others[n]);
      lab.CutBoth(with, others[n]);
      lab.node(others[n]).PeerUnreachable(old);
    }
    const auto other = [&] { return lab.leader() != NodeId() && lab.leader() != old; };
    for (int n = 0; n < 20 && !other(); ++n) {
      ReadProbe(lab, with);
      lab.Run(lab.Random(1'000, 10'000));
    }
    if (other()) lab.Ask(lab.leader(), {"SET", "probe", lab.Unique()}, 20'000);
    ReadProbe(lab, with);
    lab.Run(lab.ET(1));
    lab.network().Heal();
    lab.Run(lab.ET(1));
  }
}

void NobodyWrites(Lab& lab) {  // 87
  const NodeId leader = lab.Begin();
  for (int i = 0; i < 3; ++i) {
    lab.Ask(leader, {"SET", "ttl0", lab.Unique(), "PX", std::to_string(lab.Random(5, 60))});
    lab.Run(200'000);
    lab.Expect(lab.Ask(leader, {"GET", "ttl0"}) == "$-1\r\n", "it is gone although nobody writes");
  }
}

constexpr Scenario kScenarios[] = {
    {3, "reads while a long log is applied", ReadsBeforeALongLogIsApplied},
    {6, "a read behind a round whose answers are still on their way", ReadBehindAnOldRound},
    {6, "answers to a former term of whoever leads again", AnswersToAFormerTerm},
    {6, "reads at followers, questions and answers lost, doubled and late", ReadsAtFollowers},
    {6, "the answer to a question of a follower's former life", AnswerToAFormerLife},
    {6, "reads at a follower that is cut off with the leader", ReadsInTheMinority},
    {87, "expiry while nobody writes", NobodyWrites},
};

}  // namespace

std::span<const Scenario> ReadScenarios() { return kScenarios; }

}  // namespace kvorum::sim
