// SPDX-License-Identifier: Apache-2.0
#include "base/coding.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

#include "base/rng.h"

namespace kvorum {
namespace {

using std::string_literals::operator""s;

std::string Varint(uint64_t value) {
  std::string out;
  PutVarint(out, value);
  return out;
}

TEST(Coding, FixedNumbersAreLittleEndian) {
  std::string out;
  PutU8(out, 0x01);
  PutU16(out, 0x0203);
  PutU32(out, 0x04050607);
  PutU64(out, 0x08090A0B0C0D0E0F);
  EXPECT_EQ(out, "\x01\x03\x02\x07\x06\x05\x04\x0F\x0E\x0D\x0C\x0B\x0A\x09\x08");
  Reader reader(out);
  EXPECT_EQ(reader.U8(), 0x01);
  EXPECT_EQ(reader.U16(), 0x0203);
  EXPECT_EQ(reader.U32(), 0x04050607U);
  EXPECT_EQ(reader.U64(), 0x08090A0B0C0D0E0FULL);
  EXPECT_TRUE(reader.Done());
}

TEST(Coding, VarintsHaveTheBytesOfLeb128) {
  EXPECT_EQ(Varint(0), "\x00"s);
  EXPECT_EQ(Varint(1), "\x01");
  EXPECT_EQ(Varint(127), "\x7F");
  EXPECT_EQ(Varint(128), "\x80\x01");
  EXPECT_EQ(Varint(300), "\xAC\x02");
  EXPECT_EQ(Varint(std::numeric_limits<uint64_t>::max()),
            "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01");
}

TEST(Coding, VarintsOfEveryLengthComeBack) {
  Rng rng(1);
  for (unsigned bits = 0; bits <= 64; ++bits) {
    for (int i = 0; i < 50; ++i) {
      const uint64_t value = bits == 0 ? 0 : rng.Next() >> (64 - bits);
      const std::string bytes = Varint(value);
      Reader reader(bytes);
      ASSERT_EQ(reader.Varint(), value);
      ASSERT_TRUE(reader.Done());
    }
  }
}

TEST(Coding, VarintsOfMoreThan64BitsAreRefused) {
  // The tenth byte may hold one bit only, and there is no eleventh.
  for (const std::string& bytes :
       {"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02"s,
        "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"s, std::string(64, '\xFF')}) {
    Reader reader(bytes);
    EXPECT_EQ(reader.Varint(), 0U);
    EXPECT_FALSE(reader.ok());
  }
}

TEST(Coding, CutVarintsAreRefused) {
  const std::string whole = Varint(std::numeric_limits<uint64_t>::max());
  for (size_t length = 0; length < whole.size(); ++length) {
    Reader reader(std::string_view(whole).substr(0, length));
    EXPECT_EQ(reader.Varint(), 0U);
    EXPECT_FALSE(reader.ok()) << length;
  }
}

TEST(Coding, StringsHoldAnyBytes) {
  std::string out;
  PutString(out, "");
  PutString(out, "a\0\r\n\xFF"s);
  PutString(out, std::string(300, 'x'));
  Reader reader(out);
  EXPECT_EQ(reader.String(), "");
  EXPECT_EQ(reader.String(), "a\0\r\n\xFF"s);
  EXPECT_EQ(reader.String(), std::string(300, 'x'));
  EXPECT_TRUE(reader.Done());
}

TEST(Coding, AStringLongerThanTheInputIsRefusedWithoutReadingIt) {
  std::string out;
  PutVarint(out, std::numeric_limits<uint64_t>::max());
  out += "abc";
  Reader reader(out);
  EXPECT_EQ(reader.String(), "");
  EXPECT_FALSE(reader.ok());
}

// A decoder reads all of its fields and asks once: after an error nothing may come from bytes that
// happen to be left.
TEST(Coding, TheFirstErrorIsKept) {
  const std::string bytes("\x01\x02\x03", 3);
  Reader reader(bytes);
  EXPECT_EQ(reader.U32(), 0U);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.U8(), 0);
  EXPECT_EQ(reader.Varint(), 0U);
  EXPECT_EQ(reader.Take(1), "");
  EXPECT_EQ(reader.Take(0), "");
  EXPECT_EQ(reader.remaining(), 0U);
  EXPECT_FALSE(reader.ok());
  EXPECT_FALSE(reader.Done());
}

TEST(Coding, DoneMeansNothingIsLeftOver) {
  const std::string bytes("\x01\x02", 2);
  Reader reader(bytes);
  EXPECT_FALSE(reader.Done());
  reader.U8();
  EXPECT_TRUE(reader.ok());
  EXPECT_FALSE(reader.Done());
  reader.U8();
  EXPECT_TRUE(reader.Done());
}

TEST(Coding, PatchingTouchesFourBytes) {
  std::string out = "abcdefgh";
  PatchU32(out, 2, 0x34333231);
  EXPECT_EQ(out, "ab1234gh");
}

}  // namespace
}  // namespace kvorum
