// SPDX-License-Identifier: Apache-2.0
//
// Scenarios 65 to 82: disks that fail, lie, rot and fill up.
#include <algorithm>
#include <string>
#include <vector>

#include "tests/sim/scenario.h"

namespace kvorum::sim {
namespace {

using server::PortKind;

void EverySyscall(Lab& lab) {  // 65
  lab.plan.segment_bytes = 8 << 10;
  lab.plan.think_most_us = 3'000;
  const NodeId leader = lab.Begin(lab.rng.OneIn(1, 2) ? 1 : 3);
  lab.Load(3);
  lab.SweepDisk(leader, 45, disk::CrashMode::kProcess,
                [&lab] { lab.Run(lab.Random(5'000, 60'000)); });
}

void PowerLosses(Lab& lab) {  // 66
  lab.plan.think_most_us = 4'000;
  lab.Begin();
  lab.Load(4);
  for (int i = 0; i < 10 && !lab.failed(); ++i) {
    lab.Run(lab.Random(20'000, 200'000));
    const uint64_t victims = 1 + lab.rng.Below(3);  // one, a majority, all
    for (uint64_t id = 1; id <= victims; ++id)
      lab.Power(NodeId(id), disk::CrashMode::kDropUnsynced);
    lab.Run(lab.Random(1'000, 50'000));
    for (const NodeId id : lab.world().Ids()) lab.Start(id);
  }
}

void AnySubsetOfSectors(Lab& lab) {  // 67
  lab.plan.think_most_us = 3'000;
  lab.plan.sync_most_us = 10'000;
  lab.plan.segment_bytes = 16 << 10;
  lab.Begin();
  lab.Load(5);
  for (int i = 0; i < 15 && !lab.failed(); ++i) {
    lab.Run(lab.Random(10'000, 150'000));
    for (const NodeId id : lab.world().Ids()) {
      lab.node(id).DieInAWrite(disk::CrashMode::kRandomSectors, true, [&lab, id] {
        lab.world().events().After(lab.Random(500, 20'000), [&lab, id] { lab.Start(id); });
      });
    }
    lab.Run(150'000);
  }
}

// One node is down while something is done to its disk; it may halt, or it is repaired. What it
// must not do is vote with less than it acknowledged, and the watcher would see that.
void Damage(Lab& lab, const std::function<bool(SimNode&)>& damage, bool must_halt) {
  lab.plan.think_most_us = 5'000;
  lab.plan.segment_bytes = 16 << 10;
  const NodeId leader = lab.Begin();
  lab.Load(4);
  lab.Run(lab.Random(200'000, 600'000));
  const NodeId victim = lab.rng.OneIn(1, 2) ? leader : lab.Others(leader)[0];
  lab.Kill(victim);
  lab.world().watcher().Damaged(victim);
  const bool done = damage(lab.node(victim));
  lab.Start(victim);
  // Those that have everything are tried hard: it is asked for its vote.
  const NodeId other = lab.Others(victim)[0];
  lab.Run(lab.Random(0, 300'000));
  if (lab.node(other).alive()) lab.Fault(FaultKind::kKill, other, 400'000);
  lab.Run(lab.ET(8));
  lab.Expect(!done || !must_halt || lab.node(victim).halted(), "it refuses to start");
  lab.Start(other);
  lab.WaitForLeader(lab.ET(20));
}

std::string NewestSegment(SimNode& node) {
  std::string newest;
  const auto names = node.files().List("wal");
  if (!names.ok()) return {};
  for (const std::string& name : names.value()) {
    if (name.starts_with("wal-") && name > newest) newest = name;
  }
  return newest.empty() ? newest : disk::JoinPath("wal", newest);
}

size_t UsedBytes(const std::string& bytes) {
  const size_t last = bytes.find_last_not_of('\0');
  return last == std::string::npos ? 0 : last + 1;
}

void FlippedBit(Lab& lab) {  // 68
  Damage(
      lab,
      [&lab](SimNode& node) {
        const std::string path = NewestSegment(node);
        const size_t used = UsedBytes(node.files().Contents(path));
        if (used < 4096) return false;
        node.files().Corrupt(path, 600 + lab.rng.Below(used - 2048));
        return true;
      },
      false);
}

void FlippedBitInTheLastRecord(Lab& lab) {  // 69
  Damage(
      lab,
      [&lab](SimNode& node) {
        const std::string path = NewestSegment(node);
        const size_t used = UsedBytes(node.files().Contents(path));
        node.files().Corrupt(path, used - 1 - lab.rng.Below(std::min<uint64_t>(used, 200)));
        return true;
      },
      false);
}

void FlippedBitInTheVote(Lab& lab) {  // 70
  Damage(
      lab,
      [](SimNode& node) {
        // Every slot: one of them alone is what a torn write leaves.
        const auto names = node.files().List("wal");
        for (const std::string& name : names.value()) {
          if (!name.starts_with("vote")) continue;
          const std::string path = disk::JoinPath("wal", name);
          const std::string bytes = node.files().Contents(path);
          for (size_t at = 0; at + 16 < bytes.size(); at += 128) node.files().Corrupt(path, at + 9);
          return true;
        }
        return false;
      },
      true);
}

void FlippedBitInASnapshot(Lab& lab) {  // 71
  lab.plan.snapshot_log_bytes = 3 << 10;
  lab.plan.keep_log_bytes = 512;
  Damage(
      lab,
      [&lab](SimNode& node) {
        const auto names = node.files().List("snapshots");
        bool any = false;
        for (const std::string& name : names.value()) {
          const std::string path = disk::JoinPath("snapshots", name);
          const std::string bytes = node.files().Contents(path);
          if (bytes.empty()) continue;
          node.files().Corrupt(path, lab.rng.Below(bytes.size()));
          any = true;
        }
        return any;
      },
      false);
}

// As in a segment that is written ahead.
void ZeroFrom(SimNode& node, const std::string& path, uint64_t cut) {
  const uint64_t size = node.files().Contents(path).size();
  node.files().Resize(path, cut);
  node.files().Resize(path, size);
}

void ShortenedLog(Lab& lab) {  // 72
  Damage(
      lab,
      [&lab](SimNode& node) {
        const std::string path = NewestSegment(node);
        const std::string bytes = node.files().Contents(path);
        const size_t used = UsedBytes(bytes);
        if (used < 2048) return false;
        const uint64_t cut = used - 512 * (1 + lab.rng.Below(used / 512 - 2));
        ZeroFrom(node, path, cut);
        return true;
      },
      false);
}

// All in one segment, and no snapshot comes to the rescue of who loses its tail.
void KeepOneSegment(Lab& lab) {
  lab.plan.snapshot_log_bytes = 1 << 20;
  lab.plan.segment_bytes = 64 << 10;
}

void FillSegment(Lab& lab, NodeId leader) {
  for (int i = 0; i < 40; ++i) {
    lab.Ask(leader, {"SET", "probe", std::string(200, 'x') + lab.Unique()});
  }
}

// It is killed, and its newest acknowledged entries are gone.
void LoseTail(Lab& lab, NodeId victim) {
  lab.Kill(victim);
  lab.world().watcher().Damaged(victim);
  SimNode& node = lab.node(victim);
  const std::string path = NewestSegment(node);
  const size_t used = UsedBytes(node.files().Contents(path));
  ZeroFrom(node, path, used - 512 * (2 + lab.rng.Below(6)));
}

// The leader has its acknowledgement of what it has lost, and stays: nobody else would tell it.
void TailLostUnderTheSameLeader(Lab& lab) {  // 72
  KeepOneSegment(lab);
  const NodeId leader = lab.Begin();
  const NodeId victim = lab.Others(leader)[lab.rng.Below(2)];
  FillSegment(lab, leader);
  lab.Run(lab.ET(1));
  const Index last = lab.node(victim).node().member().core().log().last_index();
  LoseTail(lab, victim);
  lab.Start(victim);
  lab.Run(lab.ET(1));
  if (lab.rng.OneIn(1, 2)) lab.Ask(leader, {"SET", "probe", lab.Unique()});  // or no news at all
  lab.Run(lab.ET(10));
  lab.Expect(lab.leader() == leader, "the same leader");
  lab.Expect(lab.node(victim).alive() &&
                 lab.node(victim).node().member().core().log().last_index() >= last &&
                 lab.node(victim).node().member().core().MayVote(),
             "it has caught up");
}

// The only other copy of what it has lost is away, so nobody can tell it, and a majority would be
// there without that copy: only what it noted itself keeps it from voting.
void TailLostAndTheOtherCopyAway(Lab& lab) {  // 72
  KeepOneSegment(lab);
  const NodeId leader = lab.Begin();
  const NodeId victim = lab.Others(leader)[0];
  const NodeId behind = lab.Others(leader)[1];
  lab.Isolate(behind);
  FillSegment(lab, leader);
  LoseTail(lab, victim);
  lab.Kill(leader);
  lab.network().Heal();
  lab.Start(victim);
  lab.Run(lab.ET(12));
  lab.Expect(lab.leader() == NodeId(), "nobody leads: the newest entries are away");
  lab.Start(leader);
  lab.Run(lab.ET(12));
  lab.Expect(lab.leader() != NodeId() && lab.node(victim).alive() &&
                 lab.node(victim).node().member().core().MayVote(),
             "it has caught up");
}

void MisdirectedWrite(Lab& lab) {  // 73
  Damage(
      lab,
      [&lab](SimNode& node) {
        const std::string path = NewestSegment(node);
        const std::string bytes = node.files().Contents(path);
        const uint64_t sectors = UsedBytes(bytes) / 512;
        if (sectors < 8) return false;
        const uint64_t from = 1 + lab.rng.Below(sectors - 2);
        const uint64_t to = 1 + lab.rng.Below(sectors - 2);
        if (from == to) return false;
        node.files().PutAt(path, to * 512, bytes.substr(from * 512, 512));
        return true;
      },
      false);
}

void MissingSegment(Lab& lab) {  // 74
  lab.plan.snapshot_log_bytes = 60 << 10;
  Damage(
      lab,
      [](SimNode& node) {
        std::vector<std::string> segments;
        const auto names = node.files().List("wal");
        for (const std::string& name : names.value()) {
          if (name.starts_with("wal-")) segments.push_back(name);
        }
        node.files().Put("wal/leftover.tmp", "what a crash left");
        if (segments.size() < 3) return false;
        KV_CHECK(node.files().Remove(disk::JoinPath("wal", segments[segments.size() / 2])).ok());
        KV_CHECK(node.files().SyncDir("wal").ok());
        return true;
      },
      false);
}

void SyncFailsOnce(Lab& lab) {  // 75
  lab.plan.think_most_us = 4'000;
  lab.Begin(lab.rng.OneIn(1, 3) ? 1 : 3);
  lab.Load(4);
  for (int i = 0; i < 8 && !lab.failed(); ++i) {
    const NodeId id(1 + lab.rng.Below(lab.world().Ids().size()));
    lab.node(id).files().FailNth(disk::Operation::kSync, 1 + lab.rng.Below(4),
                                 disk::FaultKind::kErrorPagesClean);
    lab.Until([&] { return !lab.node(id).alive(); }, 400'000);
    lab.node(id).files().ClearFaults();
    lab.Run(lab.Random(1'000, 100'000));
    lab.Start(id);
    lab.Run(lab.Random(50'000, 300'000));
  }
}

void NoSpace(Lab& lab) {  // 76
  lab.plan.think_most_us = 5'000;
  const NodeId leader = lab.Begin(1);
  lab.Load(3);
  lab.Run(200'000);
  lab.node(leader).LimitDisk(40 << 10);  // less than the server wants to keep free
  lab.Run(600'000);
  const std::string refused =
      lab.Raw(leader, PortKind::kCluster, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n", 500'000);
  lab.Expect(refused.starts_with("-MISCONF"), "a definite refusal, not " + refused);
  const std::string read =
      lab.Raw(leader, PortKind::kCluster, "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", 500'000);
  lab.Expect(read.starts_with("$"), "reads go on, not " + read);
  lab.node(leader).LimitDisk(0);
  lab.Run(600'000);
  lab.Expect(lab.Ask(leader, {"SET", "probe", lab.Unique()}) == "+OK\r\n", "recovers by itself");
}

void ReadErrorAtStart(Lab& lab) {  // 77
  lab.plan.think_most_us = 5'000;
  lab.Begin();
  lab.Load(3);
  for (int i = 0; i < 8 && !lab.failed(); ++i) {
    const NodeId id(1 + lab.rng.Below(3));
    lab.Run(lab.Random(50'000, 200'000));
    lab.Kill(id);
    lab.node(id).files().FailNth(disk::Operation::kRead, 1 + lab.rng.Below(20),
                                 disk::FaultKind::kIoError);
    lab.Start(id);  // says so and is tried again
    lab.Run(lab.Random(50'000, 250'000));
    lab.node(id).files().ClearFaults();
  }
}

void LostNames(Lab& lab) {  // 78
  lab.plan.segment_bytes = 8 << 10;
  lab.plan.snapshot_log_bytes = 8 << 10;
  lab.plan.think_most_us = 2'000;
  const NodeId leader = lab.Begin(lab.rng.OneIn(1, 2) ? 1 : 3);
  lab.Load(4);
  for (int i = 0; i < 12 && !lab.failed(); ++i) {
    // Right behind a new segment, a rename or a removal.
    const uint64_t before = lab.node(leader).files().changes();
    lab.Until([&] { return lab.node(leader).files().changes() > before + 2 + lab.rng.Below(12); },
              300'000);
    lab.Power(leader, lab.rng.OneIn(1, 2) ? disk::CrashMode::kDropUnsynced
                                          : disk::CrashMode::kRandomSectors);
    lab.Run(lab.Random(500, 20'000));
    lab.Start(leader);
    lab.Run(lab.Random(10'000, 200'000));
  }
}

NodeId BeginUnderLoad(Lab& lab) {
  lab.plan.delay_most_us = 500;
  lab.plan.sync_most_us = 1'000;
  const NodeId leader = lab.Begin();
  lab.Load(2);
  lab.Run(50'000);
  return leader;
}

void StuckLeaderDisk(Lab& lab) {  // 79
  const NodeId leader = BeginUnderLoad(lab);
  const Term term = lab.term();
  lab.node(leader).SlowDisk(lab.Random(1'000'000, 10'000'000), 20'000'000);
  for (int i = 0; i < 8; ++i) {
    const NodeId now = lab.WaitForLeader(lab.ET(2));
    lab.Expect(lab.Ask(now, {"SET", "probe", lab.Unique()}, lab.ET(10)) == "+OK\r\n",
               "writes go through the followers' disks");
    lab.Run(200'000);
  }
  lab.Expect(lab.leader() != leader, "the leadership went where a disk works");
  lab.Expect(lab.node(leader).node().member().stats().handed_over_disk.Get() == 1, "on purpose");
  lab.Expect(lab.term() - term == 1, "heartbeats do not wait for a disk");
}

// All disks are stuck: there is nobody who could do better, and the leader stays.
void StuckDisks(Lab& lab) {  // 79
  const NodeId leader = BeginUnderLoad(lab);
  const Term term = lab.term();
  for (const NodeId id : lab.world().Ids()) lab.node(id).StickDisk(2'000'000);
  lab.Run(1'900'000);
  lab.Expect(lab.leader() == leader && lab.term() == term, "the same leader");
  lab.Expect(lab.Ask(lab.WaitForLeader(lab.ET(2)), {"SET", "probe", lab.Unique()}, lab.ET(10)) ==
                 "+OK\r\n",
             "OK");
}

void SlowFollowerDisk(Lab& lab) {  // 80
  lab.plan.delay_most_us = 300;
  lab.plan.sync_most_us = 500;
  const NodeId leader = lab.Begin();
  lab.node(lab.Others(leader)[0]).SlowDisk(500'000, 100'000'000);
  for (int i = 0; i < 20; ++i) {
    const Micros before = lab.world().events().now();
    lab.Expect(lab.Ask(leader, {"SET", "probe", lab.Unique()}) == "+OK\r\n", "OK");
    lab.Expect(lab.world().events().now() - before < 20'000, "as fast as the others are");
  }
}

// An old image of the whole disk: nothing on it says that there was more. The leader, which knows
// what the node had acknowledged, notices; the node gets it back.
void OldDiskImage(Lab& lab) {  // 83
  const NodeId leader = lab.Begin();
  lab.Load(3);
  const NodeId victim = lab.Others(leader)[0];
  lab.Run(200'000);
  lab.Kill(victim);
  const auto image = lab.node(victim).files().Save();
  lab.Start(victim);
  lab.Run(lab.Random(300'000, 600'000));
  const uint64_t before = lab.node(leader).node().member().core().stats().matches_lost.Get();
  // Its link is not seen to break, so the leader goes on from what it knows.
  lab.node(victim).Die(disk::CrashMode::kKeepUnsynced, true);
  lab.world().watcher().Damaged(victim);
  lab.node(victim).files().Restore(*image);
  lab.Start(victim);
  const auto noticed = [&] {
    return lab.leader() != leader ||
           lab.node(leader).node().member().core().stats().matches_lost.Get() > before;
  };
  lab.Expect(lab.Until(noticed, 2'000'000), "the leader notices that a match has regressed");
  lab.Expect(lab.leader() == leader, "and leads on");
}

// What has been noticed is told, and the node does not vote before it has everything again: not for
// somebody who has it all, not for itself, and not in a later life.
void OldDiskImageDoesNotVote(Lab& lab) {  // 83
  const NodeId leader = lab.Begin();
  const NodeId victim = lab.Others(leader)[lab.rng.Below(2)];
  lab.Ask(leader, {"SET", "probe", lab.Unique()});
  lab.Run(200'000);
  lab.Kill(victim);
  const auto image = lab.node(victim).files().Save();
  lab.Start(victim);
  lab.Run(lab.Random(200'000, 300'000));
  lab.Ask(leader, {"SET", "probe", lab.Unique()});
  lab.Run(100'000);
  // It may be told what it has lost, and gets nothing of it.
  lab.Tap([victim](NodeId, NodeId to, const server::PeerMessage& message) {
    const auto* raft = std::get_if<raft::Message>(&message);
    return to != victim || raft == nullptr ||
           !(std::holds_alternative<raft::Append>(*raft) ||
             std::holds_alternative<raft::InstallSnapshot>(*raft));
  });
  lab.node(victim).Die(disk::CrashMode::kKeepUnsynced, true);
  lab.world().watcher().Damaged(victim);
  lab.node(victim).files().Restore(*image);
  lab.Start(victim);
  const auto barred = [&] { return !lab.node(victim).node().member().core().MayVote(); };
  lab.Expect(lab.Until(barred, 2'000'000), "it is told what it has lost");
  lab.Run(lab.ET(1));
  if (lab.rng.OneIn(1, 2)) {
    lab.Kill(victim);
    lab.Start(victim);
  }
  lab.Kill(leader);
  lab.Run(lab.ET(10));
  lab.Expect(lab.leader() == NodeId() && barred(), "nobody is elected with its vote");
  lab.Tap(nullptr);
  lab.Start(leader);
  lab.WaitForLeader(lab.ET(20));
  lab.Expect(lab.Until([&] { return !barred(); }, lab.ET(20)),
             "it has everything, and votes again");
}

void BetweenVoteAndEntries(Lab& lab) {  // 82
  lab.plan.think_most_us = 4'000;
  lab.Begin();
  lab.Load(4);
  for (int i = 0; i < 10 && !lab.failed(); ++i) {
    const NodeId leader = lab.WaitForLeader(lab.ET(20));
    // The next turn of each follower saves a term and entries together.
    lab.Fault(FaultKind::kTransfer, leader, 0, lab.Others(leader)[0]);
    for (const NodeId id : lab.world().Ids()) {
      lab.node(id).files().StopAtChange(1 + lab.rng.Below(6));
    }
    lab.Run(lab.Random(2'000, 20'000));
    for (const NodeId id : lab.world().Ids()) lab.Power(id);
    lab.Run(2'000);
    for (const NodeId id : lab.world().Ids()) lab.Start(id);
    lab.Run(lab.Random(100'000, 300'000));
  }
}

constexpr Scenario kScenarios[] = {
    {65, "kill at every disk operation", EverySyscall},
    {66, "power loss of one, a majority, all", PowerLosses},
    {67, "any subset of unsynced sectors", AnySubsetOfSectors},
    {68, "flipped bit in a committed record", FlippedBit},
    {69, "flipped bit in the last acknowledged record", FlippedBitInTheLastRecord},
    {70, "damaged vote file", FlippedBitInTheVote},
    {71, "damaged snapshots of one node", FlippedBitInASnapshot},
    {72, "log shortened", ShortenedLog},
    {72, "a tail lost under a leader that stays", TailLostUnderTheSameLeader},
    {72, "a tail lost while the only other copy is away", TailLostAndTheOtherCopyAway},
    {73, "misdirected write", MisdirectedWrite},
    {74, "missing segment, left-over files", MissingSegment},
    {75, "fsync fails once and the pages are clean", SyncFailsOnce},
    {76, "no space", NoSpace},
    {77, "read error at start", ReadErrorAtStart},
    {78, "names lost because the directory was not synced", LostNames},
    {79, "leader's disk takes seconds", StuckLeaderDisk},
    {79, "all disks are stuck", StuckDisks},
    {80, "one slow follower disk", SlowFollowerDisk},
    {82, "crash between vote and entries", BetweenVoteAndEntries},
    {83, "a disk put back to an old image", OldDiskImage},
    {83, "an old image does not vote", OldDiskImageDoesNotVote},
};

}  // namespace

std::span<const Scenario> StorageScenarios() { return kScenarios; }

}  // namespace kvorum::sim
