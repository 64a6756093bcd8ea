// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/rng.h"
#include "resp/format.h"
#include "store/families.h"
#include "store/slot.h"
#include "tests/store/fixture.h"

namespace kvorum::store {
namespace {

struct Page {
  uint64_t next = 0;
  std::vector<std::string> keys;
};

// One SCAN, its reply taken apart without the printable form.
Page Scan(Machine& machine, uint64_t cursor, int64_t count) {
  const std::string cursor_text = std::to_string(cursor);
  const std::string count_text = std::to_string(count);
  const std::vector<std::string_view> argv = {"SCAN", cursor_text, "COUNT", count_text};
  std::string out;
  resp::Reply reply(&out);
  machine.Read(*StoreIndex().Find("scan"), argv, 0, 0, reply);
  std::vector<std::string> words;
  std::string_view rest = out;
  while (!rest.empty()) {
    const size_t end = rest.find("\r\n");
    if (rest[0] != '$' && rest[0] != '*') words.emplace_back(rest.substr(0, end));
    rest.remove_prefix(end + 2);
  }
  Page page;
  page.next = resp::ParseUnsigned(words[0]).value();
  page.keys.assign(words.begin() + 1, words.end());
  return page;
}

// Keys of one slot and of all, so that directories and empty slots are both crossed.
std::string KeyName(uint64_t i) { return (i % 2 == 0 ? "{tag}" : "k") + std::to_string(i); }

TEST(Scan, WhatStaysIsReturnedExactlyOnceWhateverElseHappens) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    Rng rng(seed);
    Store store;
    std::set<std::string> always;
    for (uint64_t i = 0; i < 600; ++i) {
      always.insert(KeyName(i));
      store.Run({"SET", KeyName(i), "v"});
    }
    std::map<std::string, int> seen;
    uint64_t cursor = 0;
    bool growing = seed % 2 == 0;
    do {
      const Page page = Scan(store.machine(), cursor, 10);
      EXPECT_LE(page.keys.size(), 10U + 64U);
      for (const std::string& key : page.keys) ++seen[key];
      cursor = page.next;
      for (int i = 0; i < 30; ++i) {
        const std::string other = KeyName(1000 + rng.Below(3000));
        if (rng.OneIn(growing ? 9 : 1, 10)) {
          store.Run({"SET", other, "v"});
        } else {
          store.Run({"DEL", other});
        }
      }
      if (rng.OneIn(1, 20)) growing = !growing;
      // A restart in the middle, or another node with the same seed: the cursor is still good.
      if (rng.OneIn(1, 30)) store.Reload();
    } while (cursor != 0);
    for (const std::string& key : always) EXPECT_EQ(seen[key], 1) << key;
  }
}

TEST(Scan, CountBoundsTheWork) {
  Store store;
  for (uint64_t i = 0; i < 2000; ++i) store.Run({"SET", KeyName(i), "v"});
  size_t calls = 0;
  uint64_t cursor = 0;
  do {
    cursor = Scan(store.machine(), cursor, 100).next;
    ++calls;
  } while (cursor != 0);
  EXPECT_GE(calls, 2000U / (100 + 32));
  EXPECT_LE(calls, 2000U / 100 + 1);
}

TEST(Scan, AnEmptyTypeIsATypeThatNothingHas) {
  Store store;
  store.Run({"SET", "k", "v"});
  EXPECT_EQ(store.Run({"SCAN", "0", "TYPE", "STRING"}), store.Run({"SCAN", "0"}));
  EXPECT_EQ(store.Run({"SCAN", "0", "TYPE", ""}), store.Run({"SCAN", "0", "TYPE", "list"}));
  EXPECT_NE(store.Run({"SCAN", "0", "TYPE", ""}), store.Run({"SCAN", "0"}));
}

TEST(Slots, CountAndKeys) {
  Store store;
  for (int i = 0; i < 100; ++i) store.Run({"SET", "{tag}" + std::to_string(i), "v"});
  store.Run({"SET", "other", "v"});
  const uint16_t slot = SlotOf("tag");
  EXPECT_EQ(store.machine().CountKeysInSlot(slot), 100U);
  EXPECT_EQ(store.machine().CountKeysInSlot(static_cast<uint16_t>(slot + 1)), 0U);
  EXPECT_EQ(store.machine().CountKeysInSlot(20000), 0U);
  std::string out;
  resp::Reply reply(&out);
  store.machine().KeysInSlot(slot, 7, reply);
  EXPECT_TRUE(out.starts_with("*7\r\n"));
  out.clear();
  store.machine().KeysInSlot(slot, 1000, reply);
  EXPECT_TRUE(out.starts_with("*100\r\n"));
  out.clear();
  store.machine().KeysInSlot(20000, 1000, reply);
  EXPECT_EQ(out, "*0\r\n");
}

}  // namespace
}  // namespace kvorum::store
