// SPDX-License-Identifier: Apache-2.0
#include "store/slot_table.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/rng.h"

namespace kvorum::store {
namespace {

class Table {
 public:
  ~Table() {
    for (auto& [key, record] : model_) Record::Free(heap_, record);
  }
  void Insert(const std::string& key) {
    if (table_.Find(key, hash_(key)) != nullptr) return;
    Record* const record = Record::Create(heap_, key, Record::Integer(1), std::nullopt, 0);
    table_.Insert(record, hash_(key), hash_);
    model_[key] = record;
  }
  void Erase(const std::string& key) {
    Record** const place = table_.Find(key, hash_(key));
    ASSERT_EQ(place != nullptr, model_.contains(key));
    if (place == nullptr) return;
    ASSERT_EQ(*place, model_[key]);
    Record* const record = *place;
    table_.Erase(place, hash_(key), hash_);
    model_.erase(key);
    Record::Free(heap_, record);
  }
  // Everything in the model is found and visited once, in hash order of pages.
  void Verify() const {
    ASSERT_EQ(table_.size(), model_.size());
    for (const auto& [key, record] : model_) {
      Record** const place = table_.Find(key, hash_(key));
      ASSERT_NE(place, nullptr) << key;
      ASSERT_EQ(*place, record);
    }
    std::set<std::string> seen;
    uint64_t from = 0;
    do {
      const uint64_t start = from;
      from = table_.VisitPage(from, [&](Record* record) {
        EXPECT_TRUE(seen.insert(std::string(record->key())).second);
        EXPECT_GE(hash_(record->key()), start);
      });
      ASSERT_TRUE(from == 0 || from > start);
    } while (from != 0);
    ASSERT_EQ(seen.size(), model_.size());
  }
  [[nodiscard]] size_t size() const { return model_.size(); }
  [[nodiscard]] size_t MemoryBytes() const { return table_.MemoryBytes(); }

 private:
  KeyHash hash_{99};
  RecordHeap heap_;
  SlotTable table_;
  std::unordered_map<std::string, Record*> model_;
};

TEST(SlotTable, AgreesWithAnUnorderedMap) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Rng rng(seed);
    Table table;
    const uint64_t keys = uint64_t{10} << (seed % 10);
    for (int step = 0; step < 20000; ++step) {
      const std::string key = std::to_string(rng.Below(keys));
      // Waves of growth and decay, so that splits and merges both happen.
      const bool grow = (step / 4000) % 2 == 0;
      rng.OneIn(grow ? 3 : 1, 4) ? table.Insert(key) : table.Erase(key);
      if (step % 997 == 0) table.Verify();
    }
    table.Verify();
  }
}

TEST(SlotTable, AnEmptySlotCostsEightBytesAndGivesAllBack) {
  Table table;
  for (int i = 0; i < 50000; ++i) table.Insert(std::to_string(i));
  table.Verify();
  EXPECT_LT(table.MemoryBytes(), 50000 * 14U);
  for (int i = 0; i < 50000; ++i) {
    table.Erase(std::to_string(i));
    if (i % 10007 == 0) table.Verify();
  }
  EXPECT_EQ(table.MemoryBytes(), 0U);
}

TEST(SlotTable, DecaysWithItsKeys) {
  Table table;
  for (int i = 0; i < 50000; ++i) table.Insert(std::to_string(i));
  const size_t full = table.MemoryBytes();
  for (int i = 0; i < 49000; ++i) table.Erase(std::to_string(i));
  table.Verify();
  EXPECT_LT(table.MemoryBytes(), full / 15);
}

// Keys whose hashes share their upper bits: a directory deep enough to tell them apart would be
// almost empty, so their page grows instead.
TEST(SlotTable, AFloodOfSimilarHashesGrowsOnePage) {
  const KeyHash hash(99);
  Table table;
  const uint64_t prefix = hash("0") >> 54;
  for (uint64_t i = 0; table.size() < 3000; ++i) {
    const std::string key = std::to_string(i);
    if (hash(key) >> 54 == prefix) table.Insert(key);
  }
  table.Verify();
  EXPECT_LT(table.MemoryBytes(), 3000 * 14U);
}

}  // namespace
}  // namespace kvorum::store
