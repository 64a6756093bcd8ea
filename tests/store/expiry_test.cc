// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "store/limits.h"
#include "tests/store/fixture.h"

namespace kvorum::store {
namespace {

class Expiry : public StoreTest {};

TEST_F(Expiry, TheLogsTimeDecides) {
  Run({"SET", "k", "v", "PX", "100"});
  store_.AdvanceDisplay(1000);
  // The wall is past the deadline, the log is not: the key is there and its TTL is 0, never -2.
  EXPECT_EQ(Run({"GET", "k"}), "\"v\"");
  EXPECT_EQ(Run({"PTTL", "k"}), "(integer) 0");
  Advance(99);
  store_.Pulse();
  EXPECT_EQ(Run({"GET", "k"}), "\"v\"");
  Advance(1);
  store_.Pulse();
  EXPECT_EQ(Run({"GET", "k"}), "(nil)");
  EXPECT_EQ(Run({"PTTL", "k"}), "(integer) -2");
}

TEST_F(Expiry, TimeNeverGoesBack) {
  Run({"SET", "k", "v", "PX", "100"});
  Advance(100);
  store_.Pulse();
  EXPECT_EQ(Run({"EXISTS", "k"}), "(integer) 0");
  // A new leader whose clock is behind.
  const UnixMs seen = store_.machine().log_time();
  Advance(-5000);
  store_.Pulse();
  EXPECT_EQ(store_.machine().log_time(), seen);
  EXPECT_EQ(Run({"EXISTS", "k"}), "(integer) 0");
  Run({"SET", "j", "v", "PX", "100"});
  EXPECT_EQ(Run({"PEXPIRETIME", "j"}), "(integer) " + std::to_string(seen + 100));
}

TEST_F(Expiry, NextDeadlineIsTheEarliest) {
  EXPECT_EQ(store_.machine().next_deadline(), std::nullopt);
  Run({"SET", "a", "v", "PX", "300"});
  store_.SetDatabase(5);
  Run({"SET", "b", "v", "PX", "200"});
  EXPECT_EQ(store_.machine().next_deadline(), store_.now() + 200);
  Run({"PERSIST", "b"});
  EXPECT_EQ(store_.machine().next_deadline(), store_.now() + 300);
  store_.SetDatabase(0);
  Run({"DEL", "a"});
  EXPECT_EQ(store_.machine().next_deadline(), std::nullopt);
}

TEST_F(Expiry, RemovalIsBoundedAndLeftOversAreAbsent) {
  constexpr size_t kKeys = kExpiredPerEntry * 2 + 10;
  for (size_t i = 0; i < kKeys; ++i) {
    Run({"SET", "k" + std::to_string(i), "v", "PXAT", std::to_string(store_.now() + 100)});
  }
  Advance(100);
  store_.Pulse();
  Machine& machine = store_.machine();
  EXPECT_EQ(machine.KeyCount(0), kKeys - kExpiredPerEntry);
  EXPECT_EQ(machine.stats().expired_keys.Get(), kExpiredPerEntry);
  EXPECT_EQ(Run({"KEYS", "*"}), "(empty array)");
  EXPECT_EQ(Run({"RANDOMKEY"}), "(nil)");
  EXPECT_EQ(Run({"SCAN", "0", "COUNT", "100000"}), "1) \"0\"\n2) (empty array)");
  for (size_t i = 0; i < kKeys; i += 100) {
    EXPECT_EQ(Run({"EXISTS", "k" + std::to_string(i)}), "(integer) 0");
  }
  // Order is (deadline, key): the greatest keys are still in the table here.
  EXPECT_EQ(Run({"SETNX", "k999", "new"}), "(integer) 1");
  EXPECT_EQ(Run({"PTTL", "k999"}), "(integer) -1");
  store_.Pulse();
  EXPECT_EQ(machine.KeyCount(0), 1U);
  EXPECT_EQ(machine.stats().expired_keys.Get(), kKeys);
}

TEST_F(Expiry, ADeadlineInThePastRemoves) {
  Run({"SET", "k", "v"});
  EXPECT_EQ(Run({"SET", "k", "w", "PXAT", "1"}), "OK");
  EXPECT_EQ(Run({"DBSIZE"}), "(integer) 0");
  Run({"SET", "k", "v"});
  EXPECT_EQ(Run({"EXPIRE", "k", "-1"}), "(integer) 1");
  EXPECT_EQ(Run({"DBSIZE"}), "(integer) 0");
  Run({"SET", "k", "v"});
  EXPECT_EQ(Run({"GETEX", "k", "EXAT", "1"}), "\"v\"");
  EXPECT_EQ(Run({"DBSIZE"}), "(integer) 0");
}

TEST_F(Expiry, EveryWriteForgetsExpiredKeysFirst) {
  const auto expired = [&] {
    Run({"FLUSHALL"});
    for (size_t i = 0; i < kExpiredPerEntry * 2; ++i) {
      Run({"SET", "a" + std::to_string(i), "v", "PX", "100"});
    }
    // The last one in order of keys: no entry before the one under test removes it.
    Run({"SET", "z", "1", "PX", "100"});
    Advance(100);
  };
  const auto expect = [&](const Words& words, std::string_view reply) {
    expired();
    EXPECT_EQ(Run(words), reply) << words[0];
  };
  expect({"INCR", "z"}, "(integer) 1");
  expect({"APPEND", "z", "x"}, "(integer) 1");
  expect({"GETSET", "z", "x"}, "(nil)");
  expect({"SET", "z", "x", "XX"}, "(nil)");
  expect({"SET", "z", "x", "KEEPTTL"}, "OK");
  EXPECT_EQ(Run({"TTL", "z"}), "(integer) -1");
  expect({"DEL", "z"}, "(integer) 0");
  expect({"RENAME", "z", "y"}, "(error) ERR no such key");
  expect({"COPY", "z", "y"}, "(integer) 0");
  expect({"PERSIST", "z"}, "(integer) 0");
  expect({"EXPIRE", "z", "10"}, "(integer) 0");
  expect({"MSETNX", "z", "x"}, "(integer) 1");
}

}  // namespace
}  // namespace kvorum::store
