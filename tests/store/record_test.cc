// SPDX-License-Identifier: Apache-2.0
#include "store/record.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "store/slot_table.h"

namespace kvorum::store {
namespace {

// Owns its record.
class Kept {
 public:
  Kept(const std::string& key, const std::string& value, std::optional<UnixMs> deadline = {})
      : record_(Record::Create(heap_, key, Record::Encode(value), deadline, 7)) {}
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;
  ~Kept() { Record::Free(heap_, record_); }

  Record* operator->() { return record_; }
  void Rebuild(const std::string& key, std::optional<UnixMs> deadline) {
    record_ = Record::Rebuild(heap_, record_, key, deadline, 8);
  }
  // As APPEND does.
  void Append(const std::string& text) {
    const size_t size = Text().size();
    record_ = Record::Resize(heap_, record_, size + text.size());
    std::copy(text.begin(), text.end(), record_->MutableBytes() + size);
  }
  std::string Text() {
    Digits digits;
    return std::string(record_->Text(digits));
  }

 private:
  RecordHeap heap_;
  Record* record_;
};

TEST(Record, AShortKeyAndValueHaveEightBytesMore) {
  EXPECT_EQ(Kept("key:000000000001", std::string(64, 'v'))->AllocatedBytes(), 88U);
  EXPECT_EQ(Kept("key:000000000001", std::string(64, 'v'), 5)->AllocatedBytes(), 96U);
  EXPECT_EQ(Kept("counter", "12345")->AllocatedBytes(), 8 + 7 + 8U);
}

TEST(Record, LengthsAtTheEdgeOfTheShortForm) {
  for (const size_t key : {size_t{0}, size_t{65535}, size_t{65536}}) {
    for (const size_t value : {size_t{0}, size_t{65535}, size_t{65536}, size_t{70000}}) {
      for (const bool expires : {false, true}) {
        const std::optional<UnixMs> deadline = expires ? std::optional<UnixMs>(99) : std::nullopt;
        Kept record(std::string(key, 'k'), std::string(value, 'v'), deadline);
        const bool is_long = std::max(key, value) > 65535;
        EXPECT_EQ(record->AllocatedBytes(),
                  (is_long ? 16U : 8U) + (expires ? 8U : 0U) + key + value);
        EXPECT_EQ(record->key(), std::string(key, 'k'));
        EXPECT_EQ(record.Text(), std::string(value, 'v'));
        EXPECT_EQ(record->deadline(), deadline);
        EXPECT_EQ(record->epoch(), 7);
        record.Rebuild("other", 5);
        EXPECT_EQ(record->key(), "other");
        EXPECT_EQ(record.Text(), std::string(value, 'v'));
        EXPECT_EQ(record->deadline(), 5);
        EXPECT_EQ(record->epoch(), 8);
      }
    }
  }
}

// The short form has three bits for the room that a shorter value leaves.
TEST(Record, AShorterValueStaysInPlaceIfLittleIsWasted) {
  Kept record("key", std::string(30, 'a'));
  const size_t bytes = record->AllocatedBytes();
  EXPECT_TRUE(record->AssignInPlace(Record::Encode(std::string(23, 'b'))));
  EXPECT_EQ(record.Text(), std::string(23, 'b'));
  EXPECT_EQ(record->AllocatedBytes(), bytes);
  EXPECT_FALSE(record->AssignInPlace(Record::Encode(std::string(22, 'c'))));
  EXPECT_FALSE(record->AssignInPlace(Record::Encode(std::string(31, 'c'))));
  EXPECT_EQ(record.Text(), std::string(23, 'b'));
  EXPECT_TRUE(record->AssignInPlace(Record::Encode(std::string(30, 'd'))));
  EXPECT_EQ(record.Text(), std::string(30, 'd'));
  record.Rebuild("another key", std::nullopt);
  EXPECT_EQ(record.Text(), std::string(30, 'd'));
}

// An integer of one digit in the room of fifteen bytes: as text it would leave more than the short
// form can say.
TEST(Record, AnIntegerInTooLargeARoomIsAppendedTo) {
  Kept record("key", "fifteen bytes!!");
  ASSERT_TRUE(record->AssignInPlace(Record::Integer(7)));
  EXPECT_EQ(record->encoding(), Encoding::kInt);
  record.Append("x");
  EXPECT_EQ(record.Text(), "7x");
  EXPECT_EQ(record->EncodingName(), "raw");
}

TEST(Record, AppendReservesAhead) {
  for (const size_t start : {size_t{0}, size_t{1}, size_t{200}, size_t{65530}}) {
    std::string expected(start, 'a');
    Kept record("key", expected, 77);
    size_t moves = 0;
    size_t bytes = record->AllocatedBytes();
    for (int i = 0; i < 3000; ++i) {
      const std::string piece(1 + i % 5, static_cast<char>('a' + i % 26));
      record.Append(piece);
      expected += piece;
      if (record->AllocatedBytes() != bytes) ++moves;
      bytes = record->AllocatedBytes();
    }
    EXPECT_EQ(record.Text(), expected);
    EXPECT_LT(moves, 20U);
    EXPECT_EQ(record->key(), "key");
    EXPECT_EQ(record->deadline(), 77);
    EXPECT_EQ(record->epoch(), 7);
    // What is moved elsewhere keeps its room, however short the value is.
    record.Rebuild("elsewhere", std::nullopt);
    EXPECT_EQ(record.Text(), expected);
  }
}

// What this costs is a promise: 16 bytes of key and 64 of value.
TEST(Record, AKeyCostsAHundredBytes) {
  constexpr size_t kKeys = 200'000;
  const KeyHash hash(1);
  RecordHeap heap;
  SlotTable table;
  const std::string value(64, 'v');
  for (size_t i = 0; i < kKeys; ++i) {
    const std::string key = "key:" + std::to_string(100'000'000'000 + i);
    table.Insert(Record::Create(heap, key, {Encoding::kRaw, value, 0}, std::nullopt, 0), hash(key),
                 hash);
  }
  EXPECT_LT(heap.SlabBytes() + table.MemoryBytes(), 101 * kKeys);
  uint64_t from = 0;
  do {
    from = table.VisitPage(from, [&](Record* record) { Record::Free(heap, record); });
  } while (from != 0);
}

}  // namespace
}  // namespace kvorum::store
