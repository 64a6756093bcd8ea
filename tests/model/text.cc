// SPDX-License-Identifier: Apache-2.0
#include "tests/model/text.h"

#include <algorithm>
#include <array>

namespace kvorum::model {

namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool AllDigits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), IsDigit);
}

// The powers of ten between which an 80-bit long double lives.
constexpr int64_t kHighest = 4933;
constexpr int64_t kLowest = -4950;
constexpr size_t kFraction = 17;
constexpr size_t kLongestText = 5 * 1024;

struct Number {
  bool negative = false;
  std::string digits;    // without leading zeros; empty is 0
  int64_t exponent = 0;  // digits * 10^exponent
};

std::optional<int64_t> ReadExponent(std::string_view text) {
  bool negative = false;
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  if (!AllDigits(text)) return std::nullopt;
  int64_t value = 0;
  for (const char c : text) value = std::min<int64_t>(value * 10 + (c - '0'), 1'000'000);
  return negative ? -value : value;
}

std::optional<Number> ReadNumber(std::string_view text) {
  if (text.size() >= kLongestText) return std::nullopt;
  Number number;
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) {
    number.negative = text[0] == '-';
    text.remove_prefix(1);
  }
  const size_t e = text.find_first_of("eE");
  if (e != std::string_view::npos) {
    const auto exponent = ReadExponent(text.substr(e + 1));
    if (!exponent.has_value()) return std::nullopt;
    number.exponent = *exponent;
    text = text.substr(0, e);
  }
  const size_t point = text.find('.');
  number.digits = text.substr(0, point);
  if (point != std::string_view::npos) {
    number.digits += text.substr(point + 1);
    number.exponent -= static_cast<int64_t>(text.size() - point - 1);
  }
  if (!AllDigits(number.digits)) return std::nullopt;
  number.digits.erase(0, std::min(number.digits.find_first_not_of('0'), number.digits.size()));
  const int64_t top = static_cast<int64_t>(number.digits.size()) + number.exponent;
  if (number.digits.empty()) number.exponent = 0;
  if (!number.digits.empty() && (top > kHighest || top < kLowest)) return std::nullopt;
  return number;
}

// The digits of number * 10^-bottom, padded with zeros in front to `width`.
std::string Align(const Number& number, int64_t bottom, size_t width) {
  std::string out = number.digits;
  if (!out.empty()) out.append(static_cast<size_t>(number.exponent - bottom), '0');
  return std::string(width - out.size(), '0') + out;
}

std::string Plus(const std::string& a, const std::string& b) {
  std::string sum = a;
  int carry = 0;
  for (size_t i = a.size(); i-- > 0;) {
    const int digit = (a[i] - '0') + (b[i] - '0') + carry;
    sum[i] = static_cast<char>('0' + digit % 10);
    carry = digit / 10;
  }
  return sum;
}

// a >= b.
std::string Minus(const std::string& a, const std::string& b) {
  std::string difference = a;
  int borrow = 0;
  for (size_t i = a.size(); i-- > 0;) {
    int digit = (a[i] - '0') - (b[i] - '0') - borrow;
    borrow = digit < 0 ? 1 : 0;
    if (digit < 0) digit += 10;
    difference[i] = static_cast<char>('0' + digit);
  }
  return difference;
}

// Without its last `count` digits.
std::string Round(const std::string& digits, size_t count) {
  std::string kept = digits.substr(0, digits.size() - count);
  const std::string lost = digits.substr(digits.size() - count);
  const std::string half = count == 0 ? "" : "5" + std::string(count - 1, '0');
  const bool odd = (kept.back() - '0') % 2 == 1;
  if (lost < half || (lost == half && !odd) || count == 0) return kept;
  return Plus(kept, std::string(kept.size() - 1, '0') + "1");
}

}  // namespace

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::optional<int64_t> ToInteger(std::string_view text) {
  const bool negative = !text.empty() && text[0] == '-';
  const std::string_view digits = text.substr(negative ? 1 : 0);
  if (!AllDigits(digits) || digits.size() > 19) return std::nullopt;
  __int128 value = 0;
  for (const char c : digits) value = value * 10 + (c - '0');
  if (negative) value = -value;
  if (value < INT64_MIN || value > INT64_MAX) return std::nullopt;
  const auto result = static_cast<int64_t>(value);
  if (std::to_string(result) != text) return std::nullopt;
  return result;
}

std::optional<std::string> AddDecimals(std::string_view a, std::string_view b) {
  const auto x = ReadNumber(a);
  const auto y = ReadNumber(b);
  if (!x.has_value() || !y.has_value()) return std::nullopt;
  const int64_t bottom = std::min({x->exponent, y->exponent, -static_cast<int64_t>(kFraction)});
  const int64_t top = std::max({static_cast<int64_t>(x->digits.size()) + x->exponent,
                                static_cast<int64_t>(y->digits.size()) + y->exponent, int64_t{1}});
  const auto width = static_cast<size_t>(top - bottom) + 2;
  const std::string left = Align(*x, bottom, width);
  const std::string right = Align(*y, bottom, width);
  std::string sum;
  bool negative = x->negative;
  if (x->negative == y->negative) {
    sum = Plus(left, right);
  } else {
    sum = left < right ? Minus(right, left) : Minus(left, right);
    if (left < right) negative = y->negative;
  }
  sum = Round(sum, static_cast<size_t>(-bottom) - kFraction);
  std::string whole = sum.substr(0, sum.size() - kFraction);
  std::string fraction = sum.substr(sum.size() - kFraction);
  whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size() - 1));
  fraction.erase(fraction.find_last_not_of('0') + 1);
  if (whole.size() > static_cast<size_t>(kHighest)) return std::nullopt;
  std::string text = fraction.empty() ? whole : whole + "." + fraction;
  return negative && text != "0" ? "-" + text : text;
}

namespace {

using Class = std::array<bool, 256>;

// One character of a pattern: the bytes it takes. `at` moves behind it.
Class TakeSymbol(std::string_view pattern, size_t& at) {
  Class set{};
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(pattern[i]); };
  if (pattern[at] == '?') {
    set.fill(true);
    ++at;
    return set;
  }
  if (pattern[at] != '[') {
    if (pattern[at] == '\\' && at + 1 < pattern.size()) ++at;
    set[byte(at++)] = true;
    return set;
  }
  ++at;
  const bool negated = at < pattern.size() && pattern[at] == '^';
  if (negated) ++at;
  while (at < pattern.size() && pattern[at] != ']') {
    const size_t left = pattern.size() - at;
    if (pattern[at] == '\\' && left >= 2) {
      set[byte(at + 1)] = true;
      at += 2;
    } else if (left >= 3 && pattern[at + 1] == '-') {
      const unsigned a = byte(at);
      const unsigned b = byte(at + 2);
      for (unsigned c = std::min(a, b); c <= std::max(a, b); ++c) set[c] = true;
      at += 3;
    } else {
      set[byte(at++)] = true;
    }
  }
  if (at < pattern.size()) ++at;  // the ']'
  if (negated) {
    for (bool& in : set) in = !in;
  }
  return set;
}

}  // namespace

bool MatchesPattern(std::string_view pattern, std::string_view text) {
  // reach[i]: what was read of the pattern matches the first i bytes.
  std::vector<char> reach(text.size() + 1, 0);
  reach[0] = 1;
  for (size_t at = 0; at < pattern.size();) {
    if (pattern[at] == '*') {
      ++at;
      for (size_t i = 1; i <= text.size(); ++i) reach[i] = reach[i] != 0 || reach[i - 1] != 0;
      continue;
    }
    const Class set = TakeSymbol(pattern, at);
    for (size_t i = text.size(); i > 0; --i) {
      reach[i] = reach[i - 1] != 0 && set[static_cast<uint8_t>(text[i - 1])];
    }
    reach[0] = 0;
  }
  return reach[text.size()] != 0;
}

namespace {

std::optional<Reply> TakeReply(std::string_view& bytes) {
  const size_t end = bytes.find("\r\n");
  if (bytes.empty() || end == std::string_view::npos) return std::nullopt;
  Reply reply;
  reply.type = bytes[0];
  reply.text = bytes.substr(1, end - 1);
  bytes.remove_prefix(end + 2);
  if (reply.type == '+' || reply.type == '-') return reply;
  const auto number = ToInteger(reply.text);
  if (!number.has_value()) return std::nullopt;
  if (reply.type == ':') return reply;
  reply.null = *number == -1;
  reply.text.clear();
  if (reply.null) return reply;
  if (*number < 0) return std::nullopt;
  const auto count = static_cast<size_t>(*number);
  if (reply.type == '$') {
    if (bytes.size() < 2 || count > bytes.size() - 2) return std::nullopt;
    reply.text = bytes.substr(0, count);
    if (bytes.substr(count, 2) != "\r\n") return std::nullopt;
    bytes.remove_prefix(count + 2);
    return reply;
  }
  if (reply.type != '*') return std::nullopt;
  for (size_t i = 0; i < count; ++i) {
    auto element = TakeReply(bytes);
    if (!element.has_value()) return std::nullopt;
    reply.elements.push_back(*std::move(element));
  }
  return reply;
}

}  // namespace

Reply ReadReply(std::string_view bytes) {
  auto reply = TakeReply(bytes);
  if (!reply.has_value() || !bytes.empty()) return {};
  return *std::move(reply);
}

std::string Bulk(std::string_view bytes) {
  std::string out = "$" + std::to_string(bytes.size()) + "\r\n";
  out.append(bytes).append("\r\n");
  return out;
}

std::string Integer(int64_t value) { return ":" + std::to_string(value) + "\r\n"; }

}  // namespace kvorum::model
