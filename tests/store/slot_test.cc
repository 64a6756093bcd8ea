// SPDX-License-Identifier: Apache-2.0
#include "store/slot.h"

#include <gtest/gtest.h>

namespace kvorum::store {
namespace {

// The check value of CRC-16/XMODEM, and slots as Redis Cluster's own clients compute them.
TEST(Slot, KnownValues) {
  EXPECT_EQ(Crc16("123456789"), 0x31C3);
  EXPECT_EQ(Crc16(""), 0);
  // Bit by bit, for every length around the slices that are taken at once.
  std::string bytes;
  for (int length = 0; length < 40; ++length) {
    unsigned crc = 0;
    for (const char c : bytes) {
      crc ^= static_cast<unsigned>(static_cast<uint8_t>(c)) << 8;
      for (int bit = 0; bit < 8; ++bit)
        crc = (crc & 0x8000U) != 0 ? (crc << 1) ^ 0x1021U : crc << 1;
    }
    EXPECT_EQ(Crc16(bytes), crc & 0xFFFFU) << length;
    bytes += static_cast<char>(length * 37 + 200);
  }
  EXPECT_EQ(SlotOf("foo"), 12182);
  EXPECT_EQ(SlotOf("bar"), 5061);
  EXPECT_EQ(SlotOf("hello"), 866);
  EXPECT_EQ(SlotOf(""), 0);
}

TEST(Slot, HashTags) {
  EXPECT_EQ(HashTag("{user1000}.following"), "user1000");
  EXPECT_EQ(SlotOf("{user1000}.following"), SlotOf("{user1000}.followers"));
  EXPECT_EQ(HashTag("foo{}{bar}"), "foo{}{bar}");
  EXPECT_EQ(HashTag("foo{{bar}}zap"), "{bar");
  EXPECT_EQ(HashTag("foo{bar}{zap}"), "bar");
  EXPECT_EQ(HashTag("{open"), "{open");
  EXPECT_EQ(HashTag("}{x}"), "x");
}

}  // namespace
}  // namespace kvorum::store
