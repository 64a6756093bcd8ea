// SPDX-License-Identifier: Apache-2.0
#include "tests/check/witness.h"

#include <gtest/gtest.h>

#include "base/rng.h"
#include "tests/check/linearizability.h"
#include "tests/model/model.h"

namespace kvorum::check {
namespace {

std::string Bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}

Op At(uint64_t index, uint32_t rank, Micros invoked, Micros returned, std::vector<std::string> argv,
      std::string reply) {
  return {.argv = std::move(argv),
          .invoked = invoked,
          .returned = returned,
          .reply = std::move(reply),
          .position = Index(index),
          .rank = rank};
}

struct Case {
  CommittedLog log;
  History history;
};

// A log that was really executed, with readers in between; what happened and when is known.
Case MakeCase(uint64_t seed, int entries) {
  Rng rng(seed);
  Case made;
  model::Model model;
  Micros now = 0;
  for (int i = 1; i <= entries; ++i) {
    const Index index(static_cast<uint64_t>(i));
    LogEntry& entry = made.log[index];
    entry.wall_ms = i;
    const auto count = static_cast<uint32_t>(1 + rng.Below(3));
    for (uint32_t rank = 1; rank <= count; ++rank) {
      const std::string key = "k" + std::to_string(rng.Below(3));
      const std::string value = std::to_string(i) + "." + std::to_string(rank) + ";";
      std::vector<std::string> argv = rng.OneIn(1, 3)
                                          ? std::vector<std::string>{"INCR", "n"}
                                          : std::vector<std::string>{"GETSET", key, value};
      for (const char* name : {"INCR", "GETSET"}) {
        if (argv[0] != name) continue;
        // The reply that the model allows is found by asking it.
        std::string reply = "$-1\r\n";
        model::Model before = model;
        if (argv[0] == "INCR") {
          for (int n = 1; !before.Step(argv, 0, i, &reply); ++n) {
            reply = ":" + std::to_string(n) + "\r\n";
            before = model;
          }
        } else if (!before.Step(argv, 0, i, &reply)) {
          reply = Bulk(model.databases().at(0).at(argv[1]).bytes);
        }
        model.Step(argv, 0, i, nullptr);
        entry.commands.push_back({argv, 0});
        made.history.push_back(At(index.value(), rank, now + rng.Between(0, 5),
                                  now + rng.Between(10, 15), argv, reply));
        break;
      }
    }
    now += 8;
  }
  return made;
}

TEST(Witness, GoodHistoriesPassAndSearchAgrees) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const Case good = MakeCase(seed, 30);
    EXPECT_EQ(CheckWitness(good.log, good.history), "");
    EXPECT_EQ(CheckOnce(good.log, good.history), "");
    EXPECT_EQ(CheckLinearizable(good.history).verdict, Verdict::kLinearizable);
  }
}

// Whatever single reply is changed, the witness refuses it; the search does, too.
TEST(Witness, EveryFlippedReplyIsFound) {
  const Case good = MakeCase(7, 20);
  for (size_t i = 0; i < good.history.size(); ++i) {
    History bad = good.history;
    bad[i].reply = bad[i].reply.starts_with(":") ? ":999\r\n" : Bulk("never;");
    EXPECT_NE(CheckWitness(good.log, bad), "") << Describe(bad[i]);
    EXPECT_EQ(CheckLinearizable(bad).verdict, Verdict::kNot) << Describe(bad[i]);
  }
}

TEST(Witness, AStaleReadIsFound) {
  CommittedLog log;
  log[Index(1)].commands.push_back({{"SET", "k", "a;"}, 0});
  log[Index(2)].commands.push_back({{"SET", "k", "b;"}, 0});
  History history = {At(1, 1, 0, 1, {"SET", "k", "a;"}, "+OK\r\n"),
                     At(2, 1, 2, 3, {"SET", "k", "b;"}, "+OK\r\n"),
                     At(1, UINT32_MAX, 2, 5, {"GET", "k"}, Bulk("a;"))};
  EXPECT_EQ(CheckWitness(log, history), "");  // it was concurrent with the second write
  history[2].invoked = 4;
  EXPECT_NE(CheckWitness(log, history), "");
}

TEST(Witness, AnAcknowledgedWriteThatIsNotInTheLogIsFound) {
  CommittedLog log;
  log[Index(1)].commands.push_back({{"SET", "k", "a;"}, 0});
  EXPECT_NE(CheckWitness(log, {At(2, 1, 0, 1, {"SET", "k", "b;"}, "+OK\r\n")}), "");
  EXPECT_NE(CheckWitness(log, {At(1, 1, 0, 1, {"SET", "k", "b;"}, "+OK\r\n")}), "");
}

TEST(Witness, AKeyIsGoneWhenTheLogSaysSo) {
  CommittedLog log;
  log[Index(1)] = {1000, {{{"SET", "k", "a;", "PX", "10"}, 0}}};
  log[Index(2)] = {1009, {}};
  log[Index(3)] = {1011, {}};
  EXPECT_EQ(CheckWitness(log, {At(2, UINT32_MAX, 5, 6, {"GET", "k"}, Bulk("a;"))}), "");
  EXPECT_NE(CheckWitness(log, {At(3, UINT32_MAX, 5, 6, {"GET", "k"}, Bulk("a;"))}), "");
}

TEST(Once, TwiceInTheLogIsFound) {
  CommittedLog log;
  log[Index(1)].commands.push_back({{"APPEND", "k", "a;"}, 0});
  const History history = {At(1, 1, 0, 1, {"APPEND", "k", "a;"}, ":2\r\n")};
  EXPECT_EQ(CheckOnce(log, history), "");
  EXPECT_NE(CheckOnce(log, {}), "");  // only refused, and in the log all the same
  log[Index(2)].commands.push_back({{"APPEND", "k", "a;"}, 0});
  EXPECT_NE(CheckOnce(log, history), "");
}

}  // namespace
}  // namespace kvorum::check
