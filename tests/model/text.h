// SPDX-License-Identifier: Apache-2.0
//
// What the model needs to know about text: numbers, patterns and replies. Written a second time on
// purpose, in the most obvious way: the model must not share a mistake with resp/ or store/.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvorum::model {

std::string Lower(std::string_view text);

// Exactly the texts that an int64_t prints as.
std::optional<int64_t> ToInteger(std::string_view text);

// INCRBYFLOAT: the exact sum of two decimal numbers ("1", "-.5", "2e3"), rounded half to even to 17
// digits behind the point, without trailing zeros. nullopt: one of them is no finite number that a
// long double could hold, or the sum is none.
std::optional<std::string> AddDecimals(std::string_view a, std::string_view b);

// KEYS and SCAN MATCH: '*', '?', '[a-z]', '[^a]', '\'. An unclosed '[' ends with the pattern.
bool MatchesPattern(std::string_view pattern, std::string_view text);

// One reply, read back from its RESP2 bytes.
struct Reply {
  char type = 0;  // '+', '-', ':', '$', '*'; 0: not one whole reply
  bool null = false;
  std::string text;  // of '+', '-', ':' and '$'
  std::vector<Reply> elements;
};
Reply ReadReply(std::string_view bytes);

std::string Bulk(std::string_view bytes);
std::string Integer(int64_t value);

}  // namespace kvorum::model
