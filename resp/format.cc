// SPDX-License-Identifier: Apache-2.0
#include "resp/format.h"

#include <charconv>
#include <cmath>
#include <system_error>

namespace kvorum::resp {

std::optional<int64_t> ParseInteger(std::string_view text) {
  if (text.empty() || text.size() > kIntegerChars) return std::nullopt;
  const size_t digits = text[0] == '-' ? 1 : 0;
  if (digits == text.size()) return std::nullopt;
  // One text per number: "0" and nothing else begins with a zero.
  if (text[digits] == '0' && text.size() > 1) return std::nullopt;
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stopped != end) return std::nullopt;
  return value;
}

std::optional<uint64_t> ParseUnsigned(std::string_view text) {
  uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stopped != end) return std::nullopt;
  return value;
}

std::optional<double> ParseDouble(std::string_view text) {
  if (!text.empty() && text[0] == '+') {
    text.remove_prefix(1);
    if (!text.empty() && text[0] == '-') return std::nullopt;
  }
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stopped != end || std::isnan(value)) return std::nullopt;
  return value;
}

std::string_view FormatInteger(int64_t value, char* out) {
  const auto result = std::to_chars(out, out + kIntegerChars, value);
  return {out, static_cast<size_t>(result.ptr - out)};
}

std::string_view FormatUnsigned(uint64_t value, char* out) {
  const auto result = std::to_chars(out, out + kIntegerChars, value);
  return {out, static_cast<size_t>(result.ptr - out)};
}

std::string_view FormatDouble(double value, char* out) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  const auto result = std::to_chars(out, out + kDoubleChars, value);
  return {out, static_cast<size_t>(result.ptr - out)};
}

}  // namespace kvorum::resp
