// SPDX-License-Identifier: Apache-2.0
//
// Disks and power, with real processes. The numbers are those of the list of scenarios.
#include <sys/resource.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>

#include "tests/chaos/scenario.h"

namespace kvorum::chaos {
namespace {

class Storage : public Scenario {
 protected:
  std::string Wal(int node) { return arena_->cluster().DataOf(node) + "/wal"; }
  void Write(int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_EQ(AskProxy(1 + i % arena_->size(), {"SET", "w" + std::to_string(i), "v"}), "OK");
    }
    ASSERT_TRUE(arena_->WaitUntilLevel());  // every disk has them
  }
  int ExitCode(int node) {
    std::optional<int> status;
    EXPECT_TRUE(e2e::WaitFor([&] { return (status = arena_->cluster().Ended(node)).has_value(); }));
    return status.has_value() && WIFEXITED(*status) ? WEXITSTATUS(*status) : -1;
  }
};

std::string Block(const std::string& path, std::streamoff offset) {
  std::ifstream file(path, std::ios::binary);
  std::string block(512, '\0');
  file.seekg(offset);
  file.read(block.data(), static_cast<std::streamsize>(block.size()));
  return block;
}
void SetBlock(const std::string& path, std::streamoff offset, const std::string& block) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(offset);
  file.write(block.data(), static_cast<std::streamsize>(block.size()));
}

// A node alone: whatever the call it dies at, what it has acknowledged is there.
TEST_F(Storage, Scenario65_KilledAtEachCallOfTheWritePath) {
  Start(1, {"--wal-segment-size", "1mb"});
  arena_->ExpectDiskFailure(1, true);
  uint64_t confirmed = 0;
  for (uint32_t call = 1; call <= 24; ++call) {
    arena_->disk(1).kill_at_call = call;
    const e2e::ContextPtr context = e2e::Connect(arena_->cluster().Port(1));
    uint64_t tried = confirmed;
    while (context != nullptr) {
      const std::string value = std::to_string(tried + 1);
      const std::string pad(60'000, 'x');  // segments are changed too
      const std::string text =
          e2e::Text(e2e::Command(context.get(), {"MSET", "n", value, "pad", pad}));
      ++tried;
      if (text != "OK") break;
      confirmed = tried;
    }
    ASSERT_TRUE(e2e::WaitFor([&] { return arena_->cluster().Ended(1).has_value(); }));
    arena_->disk(1).kill_at_call = 0;
    PowerLoss how;
    how.kept_percent = call % 3 == 0 ? 50 : 0;
    arena_->LosePower({1}, how);
    arena_->Launch(1);
    ASSERT_TRUE(arena_->WaitUntilServing()) << "after call " << call;
    const std::string found = Ask(1, {"GET", "n"});
    const uint64_t number = found == "(nil)" ? 0 : std::stoull(found);
    EXPECT_GE(number, confirmed);
    EXPECT_LE(number, tried);
    confirmed = number;
  }
  Finish();
}

TEST_F(Storage, Scenario65_KilledAtCallsOfTheWritePathAmongThree) {
  Start(3);
  BeginLoad();
  for (uint32_t call = 1; call <= 7; ++call) {
    Progress(30);
    const int leader = Leader();
    arena_->ExpectDiskFailure(leader, true);
    arena_->disk(leader).kill_at_call = call;
    EXPECT_TRUE(e2e::WaitFor([&] { return arena_->cluster().Ended(leader).has_value(); }));
    arena_->Launch(leader);
  }
  Finish();
}

TEST_F(Storage, Scenario66_PowerLossOfOneOfAMinorityAndOfAll) {
  Start(5, {"--wal-segment-size", "1mb"});
  BeginLoad(10, 2);
  for (int round = 0; round < 2; ++round) {
    for (const std::vector<int>& nodes :
         {std::vector<int>{Leader()}, std::vector<int>{1 + round, 4}, arena_->Nodes()}) {
      Progress(60);
      arena_->LosePower(nodes, {});
      arena_->LaunchAll();
    }
  }
  Progress(50);
  Finish();
}

TEST_F(Storage, Scenario67_AnySubsetOfUnsyncedSectorsIsKeptDroppedOrGarbled) {
  Start(3, {"--wal-segment-size", "1mb"});
  BeginLoad(4, 3);
  arena_->SetSyncTime(3000);  // more is under way
  for (unsigned round = 0; round < 5; ++round) {
    Progress(40);
    PowerLoss how;
    how.kept_percent = 10 + 18 * round;
    how.garbled_percent = 20;
    arena_->LosePower(arena_->Nodes(), how);
    arena_->LaunchAll();
  }
  Finish();
}

// A disk that says "synced" and lies loses acknowledged writes, and this harness must see that.
TEST_F(Storage, Scenario66_AHarnessThatCannotFailProvesNothing) {
  Start(1);
  ASSERT_EQ(Ask(1, {"SET", "k", "1"}), "OK");
  arena_->disk(1).lying_syncs = 1;
  ASSERT_EQ(Ask(1, {"SET", "k", "2"}), "OK");
  arena_->LosePower({1}, {});
  arena_->Launch(1);
  ASSERT_TRUE(arena_->WaitUntilServing());
  EXPECT_EQ(Ask(1, {"GET", "k"}), "1");
}

TEST_F(Storage, Scenario68_BitFlipInsideTheLogOfOneNode) {
  Start(3);
  Write(40);
  const int node = Follower();
  arena_->Kill({node});
  FlipBit(FilesOf(Wal(node), "wal-").back(), 4096 + 40);
  ExpectRefusedStart(node, "wal-");
  for (const int other : Others(node)) EXPECT_EQ(AskProxy(other, {"SET", "after", "v"}), "OK");
  FlipBit(FilesOf(Wal(node), "wal-").back(), 4096 + 40);  // as it was
  Finish();
}

TEST_F(Storage, Scenario69_BitFlipInTheLastAcknowledgedRecord) {
  Start(3);
  Write(20);
  const int node = Follower();
  arena_->Kill(arena_->Nodes());
  const std::string segment = FilesOf(Wal(node), "wal-").back();
  FlipBit(segment, LastByte(segment));
  // Either it refuses, or it joins, and does not vote before it has again what it had.
  arena_->ExpectDiskFailure(node, true);
  arena_->LaunchAll();
  ASSERT_TRUE(e2e::WaitFor([&] { return AskProxy(Others(node)[0], {"SET", "x", "y"}) == "OK"; }));
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(AskProxy(Others(node)[1], {"GET", "w" + std::to_string(i)}), "v");
  }
  if (arena_->cluster().Running(node)) {
    Finish();
  }
}

TEST_F(Storage, Scenario70_BothCopiesOfTermAndVoteAreDamaged) {
  Start(3);
  Write(5);
  const int node = Follower();
  arena_->Kill({node});
  FlipBit(Wal(node) + "/vote", 30);  // one copy is repaired from the other
  arena_->Launch(node);
  ASSERT_TRUE(arena_->WaitUntilServing());
  arena_->Kill({node});
  FlipBit(Wal(node) + "/vote", 30);
  FlipBit(Wal(node) + "/vote", 4096 + 30);
  ExpectRefusedStart(node, "vote");
  FlipBit(Wal(node) + "/vote", 30);
  Finish();
}

TEST_F(Storage, Scenario71_BitFlipInTheNewestSnapshotOfOneNode) {
  Start(3, {"--wal-segment-size", "1mb", "--snapshot-log-size", "1mb", "--keep-log-size", "0"});
  const std::string value(16'384, 's');
  for (int i = 0; i < 200; ++i) {
    ASSERT_EQ(AskProxy(1, {"SET", "s" + std::to_string(i % 20), value}), "OK");
  }
  ASSERT_TRUE(arena_->WaitUntilLevel());
  const int node = Follower();
  const std::string folder = arena_->cluster().DataOf(node) + "/snapshots";
  ASSERT_TRUE(e2e::WaitFor([&] { return FilesOf(folder, "snapshot-").size() >= 2; }));
  ASSERT_TRUE(e2e::WaitFor([&] { return arena_->Field(node, "snapshot_running") == "0"; }));
  arena_->Kill({node});
  const std::string newest = FilesOf(folder, "snapshot-").back();
  FlipBit(newest, std::filesystem::file_size(newest) / 2);
  // It says what it found, and either goes on from the older one or refuses.
  arena_->ExpectDiskFailure(node, true);
  arena_->Launch(node);
  EXPECT_TRUE(e2e::WaitFor([&] {
    return LogOf(node).find(std::filesystem::path(newest).filename()) != std::string::npos;
  })) << LogOf(node);
  for (const int other : Others(node)) EXPECT_EQ(AskProxy(other, {"SET", "after", "v"}), "OK");
  (void)arena_->Supervise();
  if (!arena_->cluster().Running(node)) FlipBit(newest, std::filesystem::file_size(newest) / 2);
  Finish();
}

TEST_F(Storage, Scenario72_LogShortenedOnAMinority) {
  Start(3);
  Write(30);
  const int node = Follower();
  arena_->Kill({node});
  const std::string segment = FilesOf(Wal(node), "wal-").back();
  const std::string whole = arena_->cluster().Folder() + "/whole";
  std::filesystem::copy_file(segment, whole);
  const uint64_t end = LastByte(segment);
  Shorten(segment, std::filesystem::file_size(segment) - end + 2000);
  arena_->ExpectDiskFailure(node, true);
  arena_->Launch(node);
  // Seen, and said: by refusing, or by not voting until it has again what it had.
  EXPECT_TRUE(e2e::WaitFor([&] {
    (void)arena_->Supervise();
    return !arena_->cluster().Running(node) ||
           LogOf(node).find("entries have been lost") != std::string::npos;
  })) << LogOf(node);
  EXPECT_NE(arena_->Field(node, "may_vote"), "1");
  if (!arena_->cluster().Running(node)) std::filesystem::rename(whole, segment);
  Finish();
  EXPECT_EQ(arena_->Field(node, "may_vote"), "1");
}

// A block was written to the wrong place, over records that are older.
TEST_F(Storage, Scenario73_AMisdirectedWrite) {
  Start(3);
  Write(200);
  const int node = Follower();
  arena_->Kill({node});
  const std::string segment = FilesOf(Wal(node), "wal-").back();
  ASSERT_GT(LastByte(segment), 4096U + 8 * 512);
  const std::string right = Block(segment, 4096 + 2 * 512);
  SetBlock(segment, 4096 + 2 * 512, Block(segment, 4096 + 6 * 512));
  ExpectRefusedStart(node, "wal-");
  for (const int other : Others(node)) EXPECT_EQ(AskProxy(other, {"SET", "after", "v"}), "OK");
  SetBlock(segment, 4096 + 2 * 512, right);  // as it was
  Finish();
}

TEST_F(Storage, Scenario74_ASegmentIsMissingAndATemporaryFileIsLeft) {
  Start(3, {"--wal-segment-size", "1mb", "--keep-log-size", "16mb", "--snapshot-log-size", "64mb"});
  const std::string value(32'768, 's');
  for (int i = 0; i < 90; ++i) ASSERT_EQ(AskProxy(1, {"SET", "k", value}), "OK");
  ASSERT_TRUE(arena_->WaitUntilLevel());
  const int node = Follower();
  arena_->Kill({node});
  std::ofstream(Wal(node) + "/wal-00000000000000ff.tmp") << "left over";
  arena_->Launch(node);
  ASSERT_TRUE(arena_->WaitUntilServing());
  arena_->Kill({node});
  const std::vector<std::string> segments = FilesOf(Wal(node), "wal-");
  ASSERT_GE(segments.size(), 3U);
  const std::string away = arena_->cluster().Folder() + "/away";
  std::filesystem::rename(segments[1], away);
  ExpectRefusedStart(node, "wal");
  std::filesystem::rename(away, segments[1]);
  Finish();
}

TEST_F(Storage, Scenario75_FailedSyncEndsTheProcessAndAcknowledgesNothing) {
  Start(3);
  BeginLoad();
  Progress(50);
  const int leader = Leader();
  arena_->ExpectDiskFailure(leader, true);
  arena_->disk(leader).fail_syncs = 1;
  EXPECT_EQ(ExitCode(leader), 3);
  EXPECT_NE(LogOf(leader).find("the disk has failed, stopping"), std::string::npos);
  PowerLoss how;
  how.kept_percent = 50;  // nobody knows what a failed sync has left
  arena_->LosePower({leader}, how);
  Progress(50);
  arena_->Launch(leader);
  Finish();
}

TEST_F(Storage, Scenario76_NoSpaceIsADefiniteErrorAndReadsGoOn) {
  Start(3);
  ASSERT_EQ(AskProxy(1, {"SET", "k", "v"}), "OK");
  for (const int node : arena_->Nodes()) arena_->disk(node).nearly_full = 1;
  ASSERT_TRUE(e2e::WaitFor([&] { return AskProxy(1, {"SET", "x", "w"}).starts_with("-MISCONF"); }));
  for (const int node : arena_->Nodes()) EXPECT_EQ(AskProxy(node, {"GET", "k"}), "v");
  for (const int node : arena_->Nodes()) arena_->disk(node).nearly_full = 0;
  ASSERT_TRUE(e2e::WaitFor([&] { return AskProxy(1, {"SET", "k", "x"}) == "OK"; }));
  Finish();
}

TEST_F(Storage, Scenario76_NoSpaceInAppendsSnapshotsAndNames) {
  Start(3, {"--wal-segment-size", "1mb", "--snapshot-log-size", "1mb", "--keep-log-size", "256kb"});
  BeginLoad();
  for (const int node : {1, 2}) {
    Progress(30);
    arena_->ExpectDiskFailure(node, true);
    arena_->disk(node).full = 1;
    Wait(700);
    arena_->ClearDisk(node);
    for (const std::string& finding : arena_->Supervise()) ADD_FAILURE() << finding;
    arena_->Launch(node);
  }
  Finish();
}

TEST_F(Storage, Scenario77_ReadErrorAtStart) {
  Start(3);
  Write(10);
  const int node = Follower();
  arena_->Kill({node});
  arena_->disk(node).fail_reads = 1;
  ExpectRefusedStart(node, "pread");
  arena_->disk(node).fail_reads = 0;
  Finish();
}

// New names that no sync of their directory has reached are lost, again and again.
TEST_F(Storage, Scenario78_NamesOfNewFilesAreLost) {
  Start(3, {"--wal-segment-size", "1mb", "--snapshot-log-size", "1mb", "--keep-log-size", "0"});
  BeginLoad(4, 4);
  uint64_t names = 0;
  for (int round = 0; round < 6; ++round) {
    for (const int node : arena_->Nodes()) arena_->disk(node).sync_delay_us = 20'000;
    Progress(30);
    names += arena_->LosePower({Leader(), Follower()}, {}).names;
    arena_->LaunchAll();
  }
  Finish();
  std::printf("names lost: %llu\n", static_cast<unsigned long long>(names));
}

TEST_F(Storage, Scenario79_DiskOfTheLeaderTakesSeconds) {
  Start(3);
  BeginLoad();
  const int leader = Leader();
  arena_->disk(leader).sync_delay_us = 1'500'000;
  for (int i = 0; i < 5; ++i) {
    Wait(300);
    Progress(20);
  }
  Finish();
}

TEST_F(Storage, Scenario80_OneSlowFollowerSlowsNobody) {
  Start(3);
  BeginLoad();
  const uint64_t term = Term(Leader());
  arena_->disk(Follower()).sync_delay_us = 1'000'000;
  for (int i = 0; i < 4; ++i) {
    Wait(250);
    Progress(40);
  }
  EXPECT_EQ(Term(Leader()), term);
  Finish();
}

TEST_F(Storage, Scenario81_NoDescriptorsLeft) {
  Start(3);
  const int leader = Leader();
  const e2e::ContextPtr old = e2e::Connect(arena_->cluster().Port(leader));
  ASSERT_NE(old, nullptr);
  rlimit before = {};
  const rlimit few = {arena_->OpenFiles(leader) + 2, 4096};
  ASSERT_EQ(prlimit(arena_->cluster().Pid(leader), RLIMIT_NOFILE, &few, &before), 0);
  std::vector<e2e::ContextPtr> more;
  more.reserve(12);
  for (int i = 0; i < 12; ++i) more.push_back(e2e::Connect(arena_->cluster().Port(leader), 200));
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(e2e::Text(e2e::Command(old.get(), {"SET", "k", "v"})), "OK");
  }
  more.clear();
  const rlimit enough = {1024, 4096};
  ASSERT_EQ(prlimit(arena_->cluster().Pid(leader), RLIMIT_NOFILE, &enough, nullptr), 0);
  Finish();
}

// Every request is answered within its patience while snapshots are written and installed.
TEST_F(Storage, Scenario64_ReadsAndWritesDuringSnapshots) {
  Start(3, {"--wal-segment-size", "1mb", "--snapshot-log-size", "2mb", "--keep-log-size", "256kb"});
  const std::string value(4096, 's');
  const e2e::ContextPtr context = e2e::Connect(arena_->cluster().Port(Leader()));
  for (int i = 0; i < 3000; ++i) {
    ASSERT_EQ(e2e::Text(e2e::Command(context.get(), {"SET", "b" + std::to_string(i), value})),
              "OK");
    if (i % 10 == 0) {
      ASSERT_EQ(e2e::Text(e2e::Command(context.get(), {"STRLEN", "b" + std::to_string(i)})),
                "4096");
    }
  }
  EXPECT_GT(Number(Leader(), "snapshot_index"), 0U);
  Finish();
}

}  // namespace
}  // namespace kvorum::chaos
