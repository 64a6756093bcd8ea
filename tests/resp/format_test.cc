// SPDX-License-Identifier: Apache-2.0
#include "resp/format.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace kvorum::resp {
namespace {

TEST(Format, IntegersAreStrictAsRedis) {
  EXPECT_EQ(ParseInteger("0"), 0);
  EXPECT_EQ(ParseInteger("-1"), -1);
  EXPECT_EQ(ParseInteger("9223372036854775807"), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(ParseInteger("-9223372036854775808"), std::numeric_limits<int64_t>::min());
  for (const char* text : {"", "-", "+1", " 1", "1 ", "01", "-0", "-01", "00", "1.0", "1e3", "0x1",
                           "9223372036854775808", "-9223372036854775809",
                           "1111111111111111111111111111111111111111"}) {
    EXPECT_FALSE(ParseInteger(text).has_value()) << text;
  }
  EXPECT_FALSE(ParseInteger(std::string_view("1\0", 2)).has_value());
}

TEST(Format, ParsedIntegersPrintAsTheyWere) {
  char out[kIntegerChars];
  for (const char* text :
       {"0", "-1", "42", "9223372036854775807", "-9223372036854775808", "1000000"}) {
    EXPECT_EQ(FormatInteger(*ParseInteger(text), out), text);
  }
}

TEST(Format, Unsigned) {
  char out[kIntegerChars];
  EXPECT_EQ(ParseUnsigned("18446744073709551615"), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(FormatUnsigned(std::numeric_limits<uint64_t>::max(), out), "18446744073709551615");
  for (const char* text : {"", "-1", "abc", "18446744073709551616", "1 "}) {
    EXPECT_FALSE(ParseUnsigned(text).has_value()) << text;
  }
}

TEST(Format, Doubles) {
  EXPECT_EQ(ParseDouble("1.5"), 1.5);
  EXPECT_EQ(ParseDouble("+2"), 2.0);
  EXPECT_EQ(ParseDouble("-1e3"), -1000.0);
  EXPECT_EQ(ParseDouble("inf"), std::numeric_limits<double>::infinity());
  EXPECT_EQ(ParseDouble("-INFINITY"), -std::numeric_limits<double>::infinity());
  for (const char* text : {"", "nan", "abc", "1.5x", " 1", "+-1", "++1", "1e999"}) {
    EXPECT_FALSE(ParseDouble(text).has_value()) << text;
  }
  char out[kDoubleChars];
  EXPECT_EQ(FormatDouble(3.0, out), "3");
  EXPECT_EQ(FormatDouble(0.1, out), "0.1");
  EXPECT_EQ(FormatDouble(-2.5, out), "-2.5");
  EXPECT_EQ(FormatDouble(std::numeric_limits<double>::infinity(), out), "inf");
  EXPECT_EQ(FormatDouble(-std::numeric_limits<double>::infinity(), out), "-inf");
  EXPECT_EQ(FormatDouble(std::numeric_limits<double>::quiet_NaN(), out), "nan");
  EXPECT_EQ(ParseDouble(FormatDouble(-1.7976931348623157e308, out)), -1.7976931348623157e308);
}

}  // namespace
}  // namespace kvorum::resp
