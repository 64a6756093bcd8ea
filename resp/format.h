// SPDX-License-Identifier: Apache-2.0
//
// Numbers as Redis reads and writes them. No locale is ever consulted: the state machine's results
// depend on these functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace kvorum::resp {

// Strict, as Redis's string2ll: an optional '-', no '+', no blank, no leading zero except "0"
// itself, no "-0", nothing after it, in the range of int64_t. So a text that parses is exactly the
// text FormatInteger writes.
std::optional<int64_t> ParseInteger(std::string_view text);

// As ParseInteger, for uint64_t; leading zeros are allowed (SCAN cursors).
std::optional<uint64_t> ParseUnsigned(std::string_view text);

// The whole text as a finite or infinite double ("inf", "+inf", "-infinity" in any case); no NaN,
// no blank, no hexadecimal.
std::optional<double> ParseDouble(std::string_view text);

inline constexpr size_t kIntegerChars = 20;  // "-9223372036854775808"
inline constexpr size_t kDoubleChars = 32;

// Write to `out`, which has room for kIntegerChars or kDoubleChars, and return a view of it.
std::string_view FormatInteger(int64_t value, char* out);
std::string_view FormatUnsigned(uint64_t value, char* out);
// The shortest text that reads back as the same double; "inf", "-inf", "nan".
std::string_view FormatDouble(double value, char* out);

// ASCII only, no locale.
constexpr char ToLower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
constexpr char ToUpper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }
constexpr bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (ToLower(a[i]) != ToLower(b[i])) return false;
  }
  return true;
}

}  // namespace kvorum::resp
