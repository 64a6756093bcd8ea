// SPDX-License-Identifier: Apache-2.0
#include "tests/model/model.h"

#include <gtest/gtest.h>

#include "tests/model/draw_command.h"
#include "tests/model/side_by_side.h"
#include "tests/model/text.h"

namespace kvorum::model {
namespace {

using Words = std::vector<std::string>;

constexpr UnixMs kNow = 1'700'000'000'000;

bool Allows(Model& model, const Words& argv, const std::string& reply, UnixMs now = kNow) {
  return model.Step(argv, 0, now, &reply);
}

TEST(Model, KnowsWhatAStringIs) {
  Model model;
  EXPECT_TRUE(Allows(model, {"SET", "k", "v"}, "+OK\r\n"));
  EXPECT_TRUE(Allows(model, {"get", "k"}, "$1\r\nv\r\n"));
  EXPECT_FALSE(Allows(model, {"get", "k"}, "$-1\r\n"));
  EXPECT_TRUE(Allows(model, {"incr", "k"}, "-ERR something\r\n"));
  EXPECT_FALSE(Allows(model, {"incr", "k"}, "-WRONGTYPE something\r\n"));
  EXPECT_TRUE(Allows(model, {"get"}, "-ERR wrong number\r\n"));
  EXPECT_TRUE(model.Step({"set", "k", "w"}, 0, kNow, nullptr));
  EXPECT_EQ(model.Canonical(), "0{\"k\"=\"w\" }");
}

TEST(Model, ForgetsWhatHasExpired) {
  Model model;
  EXPECT_TRUE(Allows(model, {"SET", "k", "v", "PX", "10"}, "+OK\r\n"));
  EXPECT_TRUE(Allows(model, {"PTTL", "k"}, ":10\r\n", kNow));
  EXPECT_TRUE(Allows(model, {"PTTL", "k"}, ":0\r\n", kNow)) << "a clock may be ahead of the log";
  EXPECT_FALSE(Allows(model, {"PTTL", "k"}, ":11\r\n", kNow));
  EXPECT_TRUE(Allows(model, {"GET", "k"}, "$1\r\nv\r\n", kNow + 9));
  EXPECT_TRUE(Allows(model, {"GET", "k"}, "$-1\r\n", kNow + 10));
  EXPECT_EQ(model, Model());
}

TEST(Model, AllowsEveryChoiceOfTheServer) {
  Model model;
  EXPECT_TRUE(Allows(model, {"MSET", "a", "1", "b", "2"}, "+OK\r\n"));
  EXPECT_TRUE(Allows(model, {"RANDOMKEY"}, "$1\r\na\r\n"));
  EXPECT_TRUE(Allows(model, {"RANDOMKEY"}, "$1\r\nb\r\n"));
  EXPECT_FALSE(Allows(model, {"RANDOMKEY"}, "$1\r\nc\r\n"));
  EXPECT_FALSE(Allows(model, {"RANDOMKEY"}, "$-1\r\n"));
  EXPECT_TRUE(Allows(model, {"KEYS", "*"}, "*2\r\n$1\r\nb\r\n$1\r\na\r\n"));
  EXPECT_FALSE(Allows(model, {"KEYS", "*"}, "*1\r\n$1\r\nb\r\n"));
  EXPECT_TRUE(Allows(model, {"SCAN", "0"}, "*2\r\n$2\r\n77\r\n*1\r\n$1\r\nb\r\n"));
  EXPECT_FALSE(Allows(model, {"SCAN", "0"}, "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nb\r\n"));
  EXPECT_TRUE(Allows(model, {"SCAN", "77"}, "*2\r\n$1\r\n0\r\n*0\r\n"));
  EXPECT_FALSE(Allows(model, {"SCAN", "77"}, "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nc\r\n"));
}

TEST(Model, SaysWhatACommandTouches) {
  EXPECT_EQ(Model::KeysOf({"MSET", "a", "1", "b", "2"}).keys, (Words{"a", "b"}));
  EXPECT_EQ(Model::KeysOf({"COPY", "a", "b", "REPLACE"}).keys, (Words{"a", "b"}));
  EXPECT_EQ(Model::KeysOf({"OBJECT", "ENCODING", "a"}).keys, (Words{"a"}));
  EXPECT_TRUE(Model::KeysOf({"DBSIZE"}).everything);
  EXPECT_FALSE(Model::KeysOf({"GET", "a"}).everything);
  EXPECT_TRUE(Model::DependsOnTime({"SET", "a", "px", "PX", "1"}));
  EXPECT_FALSE(Model::DependsOnTime({"SET", "a", "px", "GET"}));
  EXPECT_TRUE(Model::DependsOnTime({"TTL", "a"}));
  EXPECT_FALSE(Model::Knows({"PING"}));
}

TEST(Model, AddsDecimalsExactly) {
  EXPECT_EQ(AddDecimals("0.1", "0.2"), "0.3");
  EXPECT_EQ(AddDecimals("5.0e3", "200"), "5200");
  EXPECT_EQ(AddDecimals("-1", "1"), "0");
  EXPECT_EQ(AddDecimals("0", "-0.000000000000000004"), "0");
  EXPECT_EQ(AddDecimals("0", "0.000000000000000015"), "0.00000000000000002");
  EXPECT_EQ(AddDecimals("0", "0.000000000000000025"), "0.00000000000000002");
  EXPECT_EQ(AddDecimals("0", "0.0000000000000000250001"), "0.00000000000000003");
  EXPECT_EQ(AddDecimals("1", "x"), std::nullopt);
  EXPECT_EQ(AddDecimals("1", "inf"), std::nullopt);
}

// Tens of thousands of commands with time going on, snapshots that begin, go on and are loaded.
TEST(Model, AgreesWithTheStore) {
  for (uint64_t seed = 1; seed <= 25; ++seed) {
    RandomChoices choices(seed);
    SideBySide both(seed);
    for (int step = 0; step < 3000; ++step) {
      const int database = choices.OneIn(3) ? static_cast<int>(choices.Below(3)) : 0;
      const std::string complaint = both.Run(DrawCommand(choices), database);
      ASSERT_EQ(complaint, "") << "seed " << seed << " step " << step;
      if (choices.OneIn(10)) both.Advance(static_cast<int64_t>(choices.Below(100)));
      if (choices.OneIn(50)) both.Pulse();
      if (choices.OneIn(30)) both.SnapshotStep(choices.Below(300));
      if (choices.OneIn(500)) {
        ASSERT_EQ(both.Restart(choices.Below(500), choices.Below(100)), "") << "seed " << seed;
        ASSERT_EQ(both.CompareAll(), "") << "seed " << seed << " step " << step;
      }
    }
    ASSERT_EQ(both.CompareAll(), "") << "seed " << seed;
  }
}

}  // namespace
}  // namespace kvorum::model
