// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "base/rng.h"
#include "store/snapshot_format.h"
#include "tests/store/fixture.h"
#include "tests/store/random_words.h"

namespace kvorum::store {
namespace {

// What a snapshot must be: a stream that loads into the state at the cut, whatever was written
// while it was taken.
TEST(Snapshot, IsTheStateAtTheCutUnderConcurrentWrites) {
  int flushed = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    Rng rng(seed);
    Store store;
    const uint64_t keys = seed % 3 == 0 ? 2000 : 60;
    const auto write = [&](int times) {
      for (; times > 0; --times) {
        if (rng.OneIn(1, 20)) store.Advance(rng.Between(0, 100));
        store.SetDatabase(static_cast<uint8_t>(rng.OneIn(3, 4) ? 0 : rng.Below(3)));
        store.Run(RandomWrite(rng, keys));
      }
    };
    write(static_cast<int>(rng.Below(600)));
    Machine& machine = store.machine();
    for (int round = 0; round < 3; ++round) {
      const uint64_t digest = machine.Digest();
      const Index cut = machine.applied();
      machine.BeginSnapshot();
      EXPECT_TRUE(machine.snapshot_running());
      std::string stream;
      const size_t budget = rng.Below(2000) + 1;
      while (machine.SnapshotStep(budget, stream)) {
        write(static_cast<int>(rng.Below(5)));
        if (rng.OneIn(1, 30)) {
          store.Run({rng.OneIn(1, 2) ? "FLUSHALL" : "FLUSHDB"});
          ++flushed;
        }
        if (rng.OneIn(1, 30)) store.Run({"SWAPDB", "0", "1"});
        machine.Housekeep(rng.Below(50));
      }
      EXPECT_FALSE(machine.snapshot_running());
      Machine loaded;
      const Status status = Load(loaded, stream, cut, rng.Below(300) + 1);
      ASSERT_TRUE(status.ok()) << status.message();
      ASSERT_EQ(loaded.Digest(), digest) << "seed " << seed << " round " << round;
      EXPECT_EQ(loaded.applied(), cut);
      write(20);
    }
  }
  EXPECT_GT(flushed, 10);
}

TEST(Snapshot, AbortedOnesLeaveNoTrace) {
  Rng rng(5);
  Store store;
  Machine& machine = store.machine();
  for (int round = 0; round < 200; ++round) {
    for (int i = 0; i < 10; ++i) store.Run(RandomWrite(rng, 100));
    machine.BeginSnapshot();
    std::string ignored;
    for (uint64_t steps = rng.Below(4); steps > 0 && machine.snapshot_running(); --steps) {
      machine.SnapshotStep(200, ignored);
      store.Run(RandomWrite(rng, 100));
    }
    machine.AbortSnapshot();
    while (machine.Housekeep(1000)) {
    }
  }
  const uint64_t digest = machine.Digest();
  Machine loaded;
  ASSERT_TRUE(Load(loaded, TakeSnapshot(machine), machine.applied()).ok());
  EXPECT_EQ(loaded.Digest(), digest);
}

TEST(Snapshot, EpochsMayWrap) {
  Machine machine;
  EnvelopeWriter writer;
  const std::vector<std::string_view> argv = {"SET", "k", "v"};
  writer.Add(Opcode::kSet, 0, nullptr, argv);
  machine.Apply(Index(1), writer.Finish(1, 1), nullptr);
  for (int i = 0; i < 140000; ++i) {
    machine.BeginSnapshot();
    machine.AbortSnapshot();
    if (i % 20000 == 0 || i == 65534 || i == 65535 || i == 65536) {
      Machine loaded;
      ASSERT_TRUE(Load(loaded, TakeSnapshot(machine), Index(1)).ok());
      ASSERT_EQ(loaded.KeyCount(0), 1U) << i;
    }
  }
}

TEST(Snapshot, ReplacesTheStateAndGoesOn) {
  Store store;
  store.Run({"SET", "a", "1"});
  const std::string stream = TakeSnapshot(store.machine());
  Machine other;
  EnvelopeWriter writer;
  const std::vector<std::string_view> argv = {"SET", "b", "2"};
  writer.Add(Opcode::kSet, 3, nullptr, argv);
  other.Apply(Index(1), writer.Finish(1, 1), nullptr);
  other.BeginSnapshot();
  ASSERT_TRUE(Load(other, stream, Index(40)).ok());
  EXPECT_FALSE(other.snapshot_running());
  EXPECT_EQ(other.KeyCount(0), 1U);
  EXPECT_EQ(other.KeyCount(3), 0U);
  EXPECT_EQ(other.Digest(), store.machine().Digest());
  EXPECT_EQ(other.log_time(), store.now());
  other.ApplyNoop(Index(41));
  while (other.Housekeep(1)) {
  }
  EXPECT_EQ(TakeSnapshot(other), stream);
}

TEST(Snapshot, ABudgetIsKeptButForOneRecord) {
  Store store;
  for (int i = 0; i < 500; ++i) store.Run({"SET", std::to_string(i), std::string(100, 'x')});
  store.machine().BeginSnapshot();
  std::string out;
  int steps = 0;
  for (bool more = true; more; ++steps) {
    out.clear();
    more = store.machine().SnapshotStep(1000, out);
    EXPECT_LE(out.size(), 1000U + 120U);
  }
  EXPECT_GT(steps, 50);
}

// The bytes are on disks: they may never change.
TEST(Snapshot, GoldenBytes) {
  Machine machine;
  EnvelopeWriter writer;
  using Views = std::vector<std::string_view>;
  writer.Add(Opcode::kSet, 2, nullptr, Views{"SET", "k", "v", "PXAT", "256"});
  machine.Apply(Index(1), writer.Finish(5, 1), nullptr);
  const unsigned char expected[] = {1, 10, 1, 5, 0, 0, 0, 0, 0, 0,   0,   16,  // header
                                    2, 15, 2, 1, 1, 1,                         // record
                                    0, 1,  0, 0, 0, 0, 0, 0, 1, 'k', 'v', 3,  1, 1};
  EXPECT_EQ(TakeSnapshot(machine), std::string(std::begin(expected), std::end(expected)));
}

TEST(Snapshot, HostileStreamsGiveAStatus) {
  Rng rng(6);
  Store store;
  for (int i = 0; i < 40; ++i) store.Run(RandomWrite(rng, 30));
  const std::string stream = TakeSnapshot(store.machine());
  Machine machine;
  const uint64_t empty = machine.Digest();
  for (size_t size = 0; size < stream.size(); ++size) {
    EXPECT_EQ(Load(machine, stream.substr(0, size), Index(1)).code(), StatusCode::kCorrupt);
  }
  EXPECT_EQ(Load(machine, stream + "x", Index(1)).code(), StatusCode::kCorrupt);
  EXPECT_EQ(Load(machine, stream + stream, Index(1)).code(), StatusCode::kCorrupt);
  int refused = 0;
  for (int round = 0; round < 2000; ++round) {
    std::string bytes = stream;
    for (uint64_t flips = rng.Below(3) + 1; flips > 0; --flips) {
      bytes[rng.Below(bytes.size())] = static_cast<char>(rng.Below(256));
    }
    Machine victim;
    refused += Load(victim, bytes, Index(1), rng.Below(100) + 1).ok() ? 0 : 1;
  }
  EXPECT_GT(refused, 500);
  EXPECT_EQ(machine.Digest(), empty);
  // A length that promises gigabytes is refused before a byte is kept for it.
  std::string huge;
  AppendSnapshotHeader(huge, {1, 16});
  huge += "\x02\xff\xff\xff\xff\xff\x0f";
  EXPECT_EQ(Load(machine, huge, Index(1)).code(), StatusCode::kCorrupt);
}

}  // namespace
}  // namespace kvorum::store
