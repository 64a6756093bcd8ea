// SPDX-License-Identifier: Apache-2.0
#include "store/decimal.h"

#include <gtest/gtest.h>

#include <string>

namespace kvorum::store {
namespace {

std::string Sum(std::string_view a, std::string_view b) {
  const auto x = Decimal::Parse(a);
  const auto y = Decimal::Parse(b);
  if (!x.has_value() || !y.has_value()) return "invalid";
  return Decimal::Sum(*x, *y).value_or("infinite");
}

TEST(Decimal, SumsAsRedisPrintsThem) {
  EXPECT_EQ(Sum("10.50", "0.1"), "10.6");
  EXPECT_EQ(Sum("3.0e3", "200"), "3200");
  EXPECT_EQ(Sum("5.0e3", "2.0e2"), "5200");
  EXPECT_EQ(Sum("1", "-1.1"), "-0.1");
  EXPECT_EQ(Sum("0.1", "0.2"), "0.3");
  EXPECT_EQ(Sum("17179869184", "1.5"), "17179869185.5");
  EXPECT_EQ(Sum("1", "-1"), "0");
  EXPECT_EQ(Sum("-0", "0"), "0");
  EXPECT_EQ(Sum("0", "-0.00000000000000000001"), "0");
  EXPECT_EQ(Sum(".5", "5."), "5.5");
  EXPECT_EQ(Sum("9.99", "0.01"), "10");
  EXPECT_EQ(Sum("-9.99", "0.01"), "-9.98");
  EXPECT_EQ(Sum("1e20", "0"), "100000000000000000000");
  EXPECT_EQ(Sum("+1E+2", "1e-2"), "100.01");
}

TEST(Decimal, RoundsOnceTo17DigitsTiesToEven) {
  EXPECT_EQ(Sum("0.000000000000000015", "0"), "0.00000000000000002");
  EXPECT_EQ(Sum("0.000000000000000025", "0"), "0.00000000000000002");
  EXPECT_EQ(Sum("0.000000000000000025", "0.0000000000000000000001"), "0.00000000000000003");
  EXPECT_EQ(Sum("0.999999999999999999", "0"), "1");
  EXPECT_EQ(Sum("1e-40", "1"), "1");
}

TEST(Decimal, ExactWhereALongDoubleIsNot) {
  EXPECT_EQ(Sum("100000000000000000000", "0.5"), "100000000000000000000.5");
  EXPECT_EQ(Sum("5.6", "5.0e3"), "5005.6");
}

TEST(Decimal, BadInput31) {
  for (const char* text : {"", "abc", "1x", "1e", "1e+", "--1", "+-1", ".", "-", " 1", "1 ", "nan",
                           "0x10", "1e99999", "1e-99999", "1.2.3", "1e1.5"}) {
    EXPECT_EQ(Sum(text, "1"), "invalid") << text;
  }
  EXPECT_EQ(Sum(std::string(5 * 1024, '1'), "1"), "invalid");
  for (const char* text : {"inf", "+inf", "-Infinity", "INF"}) {
    EXPECT_EQ(Sum(text, "1"), "infinite") << text;
  }
  EXPECT_EQ(Sum("9e4932", "9e4932"), "infinite");
  EXPECT_EQ(Sum("0e99999", "1"), "1");
}

}  // namespace
}  // namespace kvorum::store
