// SPDX-License-Identifier: Apache-2.0
#include "store/decimal.h"

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

#include "resp/format.h"

namespace kvorum::store {

namespace {

constexpr size_t kMaxTextBytes = 5 * 1024;  // Redis's MAX_LONG_DOUBLE_CHARS
constexpr int kFractionDigits = 17;
// Powers of ten between which an 80-bit long double is finite and not zero.
constexpr int kMaxTop = 4933;
constexpr int kMinTop = -4950;
constexpr int kExponentClamp = 100000;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool IsInfinity(std::string_view text) {
  return resp::EqualsIgnoreCase(text, "inf") || resp::EqualsIgnoreCase(text, "infinity");
}

// The exponent behind 'e'. nullopt if it is no integer.
std::optional<int> ParseExponent(std::string_view text) {
  const bool negative = !text.empty() && text[0] == '-';
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  if (text.empty() || !std::all_of(text.begin(), text.end(), IsDigit)) return std::nullopt;
  int value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc() || value > kExponentClamp) value = kExponentClamp;
  return negative ? -value : value;
}

// `digits` * 10^`exponent` as digits from 10^(top-1) down to 10^bottom.
std::string Spread(std::string_view digits, int exponent, int top, int bottom) {
  std::string out(static_cast<size_t>(top - bottom), '\0');
  const int first = top - (static_cast<int>(digits.size()) + exponent);
  for (size_t i = 0; i < digits.size(); ++i) {
    out[static_cast<size_t>(first) + i] = static_cast<char>(digits[i] - '0');
  }
  return out;
}

void AddTo(std::string& sum, const std::string& term) {
  int carry = 0;
  for (size_t i = sum.size(); i-- > 0;) {
    const int digit = sum[i] + term[i] + carry;
    sum[i] = static_cast<char>(digit % 10);
    carry = digit / 10;
  }
}

void SubtractFrom(std::string& sum, const std::string& term) {
  int borrow = 0;
  for (size_t i = sum.size(); i-- > 0;) {
    const int digit = sum[i] - term[i] - borrow;
    borrow = digit < 0 ? 1 : 0;
    sum[i] = static_cast<char>(digit + 10 * borrow);
  }
}

// Drops the last `count` digits, rounding to nearest, ties to even. The first digit absorbs carry.
void RoundOff(std::string& digits, size_t count) {
  if (count == 0) return;
  const size_t keep = digits.size() - count;
  const bool exact_half =
      digits[keep] == 5 && std::all_of(digits.begin() + static_cast<ptrdiff_t>(keep) + 1,
                                       digits.end(), [](char c) { return c == 0; });
  const bool up = exact_half ? digits[keep - 1] % 2 == 1 : digits[keep] >= 5;
  digits.resize(keep);
  for (size_t i = keep; up && i-- > 0;) {
    if (digits[i] < 9) {
      ++digits[i];
      break;
    }
    digits[i] = 0;
  }
}

}  // namespace

std::optional<Decimal> Decimal::Parse(std::string_view text) {
  if (text.empty() || text.size() >= kMaxTextBytes) return std::nullopt;
  Decimal value;
  value.negative_ = text[0] == '-';
  if (text[0] == '-' || text[0] == '+') text.remove_prefix(1);
  if (IsInfinity(text)) {
    value.infinite_ = true;
    return value;
  }
  bool any = false;
  bool fraction = false;
  size_t i = 0;
  for (; i < text.size() && (IsDigit(text[i]) || (text[i] == '.' && !fraction)); ++i) {
    if (text[i] == '.') {
      fraction = true;
      continue;
    }
    any = true;
    if (fraction) --value.exponent_;
    if (text[i] != '0' || !value.digits_.empty()) value.digits_.push_back(text[i]);
  }
  if (!any) return std::nullopt;
  if (i < text.size()) {
    if (text[i] != 'e' && text[i] != 'E') return std::nullopt;
    const auto exponent = ParseExponent(text.substr(i + 1));
    if (!exponent.has_value()) return std::nullopt;
    value.exponent_ += *exponent;
  }
  if (value.digits_.empty()) {
    value.exponent_ = 0;
  } else if (value.Top() > kMaxTop || value.Top() < kMinTop) {
    return std::nullopt;
  }
  return value;
}

std::optional<std::string> Decimal::Sum(const Decimal& a, const Decimal& b) {
  if (a.infinite_ || b.infinite_) return std::nullopt;
  // One digit more than either has, for the carry; at least the one before the point.
  const int top = std::max({a.Top(), b.Top(), 1}) + 1;
  const int bottom = std::min({a.exponent_, b.exponent_, -kFractionDigits});
  std::string sum = Spread(a.digits_, a.exponent_, top, bottom);
  std::string term = Spread(b.digits_, b.exponent_, top, bottom);
  bool negative = a.negative_;
  if (a.negative_ == b.negative_) {
    AddTo(sum, term);
  } else {
    if (sum < term) {
      std::swap(sum, term);
      negative = b.negative_;
    }
    SubtractFrom(sum, term);
  }
  RoundOff(sum, static_cast<size_t>(-kFractionDigits - bottom));

  const size_t point = static_cast<size_t>(top);
  size_t first = 0;
  while (first + 1 < point && sum[first] == 0) ++first;
  if (point - first > static_cast<size_t>(kMaxTop)) return std::nullopt;
  size_t end = sum.size();
  while (end > point && sum[end - 1] == 0) --end;
  std::string text;
  for (size_t i = first; i < end; ++i) {
    if (i == point) text.push_back('.');
    text.push_back(static_cast<char>('0' + sum[i]));
  }
  if (negative && text != "0") text.insert(text.begin(), '-');
  return text;
}

}  // namespace kvorum::store
