// SPDX-License-Identifier: Apache-2.0
//
// The arithmetic of INCRBYFLOAT: decimal, exact, rounded once to 17 digits behind the point.
//
// Redis adds in long double and prints with "%.17Lf". A long double has 64 bits of mantissa on
// x86-64, 113 on aarch64 and 53 elsewhere, so replicas on different machines would disagree.
// Decimal addition gives the same digits everywhere. It gives Redis's digits too, but for the noise
// Redis shows where 17 digits behind the point are more than 64 bits hold: 5.6 + 5000 is 5005.6
// here and 5005.60000000000000009 there.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace kvorum::store {

// sign * digits * 10^exponent, or an infinity.
class Decimal {
 public:
  // "12", "-1.5", ".5", "3e-2", "inf", "+Infinity". No blanks, no NaN, no hexadecimal; nullopt also
  // for a text of 5 KiB or more and for what a long double could not hold.
  static std::optional<Decimal> Parse(std::string_view text);

  // The sum as INCRBYFLOAT replies: no exponent, no trailing zeros, never "-0". nullopt: infinite
  // or undefined.
  static std::optional<std::string> Sum(const Decimal& a, const Decimal& b);

 private:
  [[nodiscard]] int Top() const { return static_cast<int>(digits_.size()) + exponent_; }

  bool negative_ = false;
  bool infinite_ = false;
  std::string digits_;  // no leading zero; empty for 0
  int exponent_ = 0;
};

}  // namespace kvorum::store
