// SPDX-License-Identifier: Apache-2.0
#include "store/feature.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "store/families.h"
#include "store/snapshot_format.h"
#include "tests/store/fixture.h"

namespace kvorum::store {
namespace {

using Views = std::vector<std::string_view>;

std::string Raise(std::string_view level, std::string_view release = "9.9.9") {
  EnvelopeWriter writer;
  writer.Add(Opcode::kRaiseFeatureLevel, 0, nullptr, Views{"feature-level", level, release});
  return writer.Finish(5, 0);
}

std::string Bytes(std::initializer_list<int> bytes) { return {bytes.begin(), bytes.end()}; }

TEST(Feature, ARaiseIsAnEntryOfItsOwn) {
  const std::string raise = EncodeFeatureRaise(2, 5);
  EXPECT_TRUE(EnvelopeReader::Validate(raise).ok());
  const auto read = FeatureRaiseIn(raise);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->level, 2);
  EXPECT_EQ(read->release, "0.2.0");
  EXPECT_EQ(raise.substr(kEnvelopeHeaderBytes),
            Bytes({31, 0, 0, 2, 1, '2', 5, '0', '.', '2', '.', '0'}));
}

TEST(Feature, OtherEntriesAreNone) {
  EXPECT_FALSE(FeatureRaiseIn("").has_value());
  EXPECT_FALSE(FeatureRaiseIn(EnvelopeWriter().Finish(5, 0)).has_value());
  EnvelopeWriter writer;
  writer.Add(Opcode::kSet, 0, nullptr, Views{"SET", "k", "v"});
  EXPECT_FALSE(FeatureRaiseIn(writer.Finish(5, 0)).has_value());
}

TEST(Feature, ARaiseThatMakesNoSenseIsRefused) {
  for (const std::string_view level : {"0", "-1", "65536", "x", "", "2 "}) {
    EXPECT_FALSE(EnvelopeReader::Validate(Raise(level)).ok()) << level;
  }
  EXPECT_FALSE(EnvelopeReader::Validate(Raise("3", "a b")).ok());
  EXPECT_FALSE(EnvelopeReader::Validate(Raise("3", std::string(33, 'x'))).ok());
  // With something before it or behind it.
  const Views set{"SET", "k", "v"};
  const Views raise{"feature-level", "2", "0.2.0"};
  EnvelopeWriter writer;
  writer.Add(Opcode::kSet, 0, nullptr, set);
  writer.Add(Opcode::kRaiseFeatureLevel, 0, nullptr, raise);
  EXPECT_FALSE(EnvelopeReader::Validate(writer.Finish(5, 0)).ok());
  writer.Add(Opcode::kRaiseFeatureLevel, 0, nullptr, raise);
  writer.Add(Opcode::kSet, 0, nullptr, set);
  EXPECT_FALSE(EnvelopeReader::Validate(writer.Finish(5, 0)).ok());
}

TEST(Feature, OnlyTheLogRaisesAndNothingLowers) {
  Machine machine;
  EXPECT_EQ(machine.feature_level(), 1);
  const uint64_t before = machine.Digest();
  machine.Apply(Index(1), EncodeFeatureRaise(2, 0), nullptr);
  EXPECT_EQ(machine.feature_level(), 2);
  EXPECT_NE(machine.Digest(), before);
  EXPECT_NE(machine.DigestOfSlots(0, 1), Machine().DigestOfSlots(0, 1));
  machine.Apply(Index(2), EncodeFeatureRaise(1, 0), nullptr);
  EXPECT_EQ(machine.feature_level(), 2);
  EXPECT_EQ(StoreIndex().Find("feature-level"), nullptr);
}

TEST(Feature, WhatIsNotKnownIsRefusedByName) {
  const Machine machine;
  EXPECT_TRUE(machine.DemandOf(EncodeFeatureRaise(2, 5)).ok());
  const Status newer = machine.DemandOf(Raise("3", "0.3.1"));
  EXPECT_EQ(newer.code(), StatusCode::kInvalid);
  EXPECT_EQ(newer.message(),
            "the log needs feature level 3: Kvorum 0.3.1 or newer; this release can do level 2 at "
            "most");
  const Machine older(MachineOptions{.level_known = 1});
  EXPECT_FALSE(older.DemandOf(EncodeFeatureRaise(2, 5)).ok());
}

TEST(FeatureDeathTest, AndIsNotExecuted) {
  EXPECT_DEATH(
      {
        Machine older(MachineOptions{.level_known = 1});
        older.Apply(Index(1), EncodeFeatureRaise(2, 5), nullptr);
      },
      "not known here");
}

// What was checked at a higher level than is in force where it is executed: all do the same.
TEST(Feature, TheLevelInForceDecidesAtApply) {
  EnvelopeWriter writer;
  writer.Add(Opcode::kSet, 0, nullptr, Views{"SET", "k", "v"});
  const std::string set = writer.Finish(5, 0);
  writer.Add(Opcode::kSet, 0, nullptr, Views{"SET", "k", "w", "IFEQ", "v"});
  const std::string ifeq = writer.Finish(5, 0);
  Machine newer;
  Machine older(MachineOptions{.level_known = 1});
  for (Machine* machine : {&newer, &older}) {
    Replies replies(resp::Protocol::kResp2);
    machine->Apply(Index(1), set, nullptr);
    machine->Apply(Index(2), ifeq, &replies);
    EXPECT_EQ(replies.bytes(), "-ERR syntax error\r\n");
  }
  EXPECT_EQ(newer.Digest(), older.Digest());
  newer.Apply(Index(3), EncodeFeatureRaise(2, 5), nullptr);
  Replies replies(resp::Protocol::kResp2);
  newer.Apply(Index(4), ifeq, &replies);
  EXPECT_EQ(replies.bytes(), "+OK\r\n");
}

TEST(Feature, ASnapshotOfTheFirstLevelIsOfTheFirstVersion) {
  Machine machine;
  machine.Apply(Index(1), EnvelopeWriter().Finish(5, 0), nullptr);
  const std::string stream = TakeSnapshot(machine);
  EXPECT_EQ(stream, Bytes({1, 10, 1, 5, 0, 0, 0, 0, 0, 0, 0, 16, 3, 1, 0}));
  Machine older(MachineOptions{.level_known = 1});
  EXPECT_TRUE(Load(older, stream, Index(1)).ok());
}

// The bytes are on disks: they may never change.
TEST(Feature, ASnapshotHasTheLevel) {
  Machine machine;
  machine.Apply(Index(1), EncodeFeatureRaise(2, 5), nullptr);
  const std::string stream = TakeSnapshot(machine);
  EXPECT_EQ(stream, Bytes({1, 17, 2, 2, 5, '0', '.', '2', '.', '0', 5, 0, 0, 0, 0, 0, 0, 0, 16,  //
                           3, 1,  0}));
  Machine loaded;
  ASSERT_TRUE(Load(loaded, stream, Index(1)).ok());
  EXPECT_EQ(loaded.feature_level(), 2);
  EXPECT_EQ(loaded.Digest(), machine.Digest());
  Machine older(MachineOptions{.level_known = 1});
  const Status refused = Load(older, stream, Index(1));
  EXPECT_EQ(refused.code(), StatusCode::kInvalid);
  EXPECT_EQ(refused.message(),
            "the snapshot needs feature level 2: Kvorum 0.2.0 or newer; this release can do level "
            "1 at most");
  EXPECT_EQ(older.feature_level(), 1);
}

// However its header may go on.
TEST(Feature, ASnapshotOfALaterReleaseIsRefusedByName) {
  const std::string body = Bytes({7, 3, 5}) + "0.4.0" + "who knows";
  const std::string stream = Bytes({1, static_cast<int>(body.size())}) + body;
  Machine machine;
  EXPECT_EQ(Load(machine, stream, Index(1)).message(),
            "the snapshot needs feature level 3: Kvorum 0.4.0 or newer; this release can do level "
            "2 at most");
  // A later version that needs no higher level is damage: there is none.
  const std::string odd = Bytes({1, 8, 7, 2, 5}) + "0.2.0";
  EXPECT_EQ(Load(machine, odd, Index(1)).code(), StatusCode::kCorrupt);
}

}  // namespace
}  // namespace kvorum::store
