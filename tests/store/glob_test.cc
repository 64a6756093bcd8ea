// SPDX-License-Identifier: Apache-2.0
#include "store/glob.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "base/rng.h"

namespace kvorum::store {
namespace {

bool Matches(std::string_view pattern, std::string_view text) {
  return Glob(pattern).Matches(text);
}

TEST(Glob, Meaning) {
  for (const auto& [pattern, text] : {std::pair{"", ""},      {"*", ""},
                                      {"*", "abc"},           {"**", "abc"},
                                      {"a*", "abc"},          {"*c", "abc"},
                                      {"a*c", "ac"},          {"a?c", "abc"},
                                      {"h[ae]llo", "hello"},  {"h[^e]llo", "hallo"},
                                      {"h[a-c]llo", "hbllo"}, {"h[c-a]llo", "hbllo"},
                                      {"\\*", "*"},           {"a\\", "a\\"},
                                      {"[\\]]", "]"},         {"[a-]", "_"},
                                      {"a[bc", "ab"},         {"[^]", "x"},
                                      {"*ab*ab*", "xabyab"},  {"*a?*b", "aacb"}}) {
    EXPECT_TRUE(Matches(pattern, text)) << pattern << " " << text;
  }
  for (const auto& [pattern, text] : {std::pair{"", "a"},
                                      {"a", ""},
                                      {"?", ""},
                                      {"a*", "ba"},
                                      {"a?c", "ac"},
                                      {"h[^e]llo", "hello"},
                                      {"h[ae]llo", "hillo"},
                                      {"\\*", "a"},
                                      {"[]", "a"},
                                      {"*ab*ab*", "xab"},
                                      {"ab*ba", "aba"},
                                      {"[a-]", "-"},
                                      {"A", "a"}}) {
    EXPECT_FALSE(Matches(pattern, text)) << pattern << " " << text;
  }
}

// The plain meaning, by recursion: right and slow.
bool Slow(std::string_view p, std::string_view t) {
  if (p.empty()) return t.empty();
  if (p[0] == '*') return Slow(p.substr(1), t) || (!t.empty() && Slow(p, t.substr(1)));
  if (t.empty()) return false;
  if (p[0] == '?' || p[0] == t[0]) return Slow(p.substr(1), t.substr(1));
  return false;
}

TEST(Glob, AgreesWithTheObviousMatcher) {
  Rng rng(3);
  int matched = 0;
  for (int round = 0; round < 100000; ++round) {
    std::string pattern;
    std::string text;
    for (uint64_t n = rng.Below(7); n > 0; --n) pattern.push_back("ab*?*"[rng.Below(5)]);
    for (uint64_t n = rng.Below(8); n > 0; --n) text.push_back("ab"[rng.Below(2)]);
    const bool expected = Slow(pattern, text);
    ASSERT_EQ(Matches(pattern, text), expected) << pattern << " " << text;
    matched += expected ? 1 : 0;
  }
  EXPECT_GT(matched, 1000);
}

TEST(Glob, BadInput38StarsCostNothing) {
  std::string pattern;
  for (int i = 0; i < 1000; ++i) pattern += "*a";
  pattern += "*b";
  const std::string text(100000, 'a');
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(Matches(pattern, text));
  // A megabyte of pattern: long pieces, then many classes.
  const std::string piece = "*" + std::string(500000, 'a') + "b*";
  EXPECT_FALSE(Matches(piece, std::string(1000000, 'a')));
  std::string classes;
  for (int i = 0; i < 250000; ++i) classes += "[a]*";
  EXPECT_FALSE(Matches(classes, "aaaa"));
  EXPECT_TRUE(Matches(classes, std::string(250000, 'a')));
}

}  // namespace
}  // namespace kvorum::store
