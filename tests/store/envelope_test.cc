// SPDX-License-Identifier: Apache-2.0
#include "store/envelope.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/rng.h"

namespace kvorum::store {
namespace {

using Views = std::vector<std::string_view>;

std::string Sample() {
  EnvelopeWriter writer;
  const Origin origin{NodeId(3), 0x1122334455667788ULL, 300};
  writer.Add(Opcode::kSet, 0, nullptr, Views{"SET", "k", "v"});
  writer.Add(Opcode::kDel, 15, &origin, Views{"DEL", "a", std::string_view("\0\r\n", 3), ""});
  return writer.Finish(-5, 99);
}

TEST(Envelope, ReadsWhatWasWritten) {
  const std::string bytes = Sample();
  ASSERT_TRUE(EnvelopeReader::Validate(bytes).ok());
  EnvelopeReader reader(bytes);
  EXPECT_EQ(reader.wall(), -5);
  EXPECT_EQ(reader.seed(), 99U);
  ASSERT_EQ(reader.count(), 2U);
  EnvelopeCommand command;
  ASSERT_TRUE(reader.Next(command));
  EXPECT_EQ(command.opcode, Opcode::kSet);
  EXPECT_FALSE(command.origin.has_value());
  EXPECT_EQ(command.args, (Views{"", "k", "v"}));
  ASSERT_TRUE(reader.Next(command));
  EXPECT_EQ(command.opcode, Opcode::kDel);
  EXPECT_EQ(command.database, 15);
  EXPECT_EQ(command.origin, (Origin{NodeId(3), 0x1122334455667788ULL, 300}));
  EXPECT_EQ(command.args, (Views{"", "a", std::string_view("\0\r\n", 3), ""}));
  EXPECT_FALSE(reader.Next(command));
  EXPECT_TRUE(reader.Done());
}

// The bytes are on disks: they may never change.
TEST(Envelope, GoldenBytes) {
  EnvelopeWriter writer;
  const Origin origin{NodeId(1), 2, 3};
  writer.Add(Opcode::kIncrby, 4, &origin, Views{"incrby", "k", "10"});
  const std::string bytes = writer.Finish(0x0102030405060708, 0x1112131415161718);
  const unsigned char expected[] = {1,                                               // version
                                    8,    7,    6,    5,    4,    3,    2,    1,     // wall
                                    0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11,  // seed
                                    1,    0,    0,    0,                             // commands
                                    13,   4,    1,  // opcode, database, has origin
                                    1,    2,    0,    0,    0,    0,    0,    0,
                                    0,    3,    2,    1,    'k',  2,    '1',  '0'};
  EXPECT_EQ(bytes, std::string(std::begin(expected), std::end(expected)));
}

TEST(Envelope, APulseHasNoCommands) {
  EnvelopeWriter writer;
  const std::string bytes = writer.Finish(1, 2);
  EXPECT_EQ(bytes.size(), kEnvelopeHeaderBytes);
  EXPECT_TRUE(EnvelopeReader::Validate(bytes).ok());
}

TEST(Envelope, TheWriterStartsAfresh) {
  EnvelopeWriter writer;
  const std::string empty = writer.Finish(1, 2);
  writer.Add(Opcode::kDel, 0, nullptr, Views{"DEL", "k"});
  EXPECT_EQ(writer.count(), 1U);
  const size_t announced = writer.bytes();
  EXPECT_EQ(writer.Finish(1, 2).size(), announced);
  EXPECT_EQ(writer.count(), 0U);
  EXPECT_EQ(writer.Finish(1, 2), empty);
}

TEST(Envelope, EveryTruncationAndExtensionIsRefused) {
  const std::string bytes = Sample();
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(EnvelopeReader::Validate(bytes.substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(EnvelopeReader::Validate(bytes + "x").ok());
}

TEST(Envelope, RefusesWhatTheMachineCannotRun) {
  EnvelopeWriter writer;
  writer.Add(static_cast<Opcode>(9999), 0, nullptr, Views{"X"});
  EXPECT_FALSE(EnvelopeReader::Validate(writer.Finish(1, 2)).ok());
  writer.Add(Opcode::kSet, 0, nullptr, Views{"SET", "k"});
  EXPECT_FALSE(EnvelopeReader::Validate(writer.Finish(1, 2)).ok());
  writer.Add(Opcode::kSet, 16, nullptr, Views{"SET", "k", "v"});
  EXPECT_FALSE(EnvelopeReader::Validate(writer.Finish(1, 2)).ok());
}

TEST(Envelope, SurvivesRandomBytes) {
  Rng rng(4);
  int accepted = 0;
  for (int round = 0; round < 50000; ++round) {
    std::string bytes = Sample();
    for (uint64_t flips = rng.Below(4) + 1; flips > 0; --flips) {
      bytes[rng.Below(bytes.size())] = static_cast<char>(rng.Below(256));
    }
    if (rng.OneIn(1, 4)) bytes.resize(rng.Below(bytes.size()));
    EnvelopeReader reader(bytes);
    EnvelopeCommand command;
    while (reader.Next(command)) {
    }
    accepted += EnvelopeReader::Validate(bytes).ok() ? 1 : 0;
  }
  EXPECT_GT(accepted, 0);
}

}  // namespace
}  // namespace kvorum::store
