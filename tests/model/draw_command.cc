// SPDX-License-Identifier: Apache-2.0
#include "tests/model/draw_command.h"

#include <array>
#include <iterator>
#include <span>
#include <string_view>

namespace kvorum::model {

namespace {

using Words = std::vector<std::string>;

std::string_view Pick(Choices& choices, std::span<const std::string_view> from) {
  return from[choices.Below(from.size())];
}

std::string Key(Choices& choices) {
  constexpr std::string_view kKeys[] = {"a",  "b",     "c",  "{t}1", "{t}2", "key-with-a-long-name",
                                        "[x", "x\\*y", "?d", ""};
  const uint64_t which = choices.Below(14);
  return std::string(which < std::size(kKeys) ? kKeys[which] : kKeys[which % 4]);
}

std::string Number(Choices& choices) {
  constexpr std::string_view kNumbers[] = {"9223372036854775807",
                                           "-9223372036854775808",
                                           "9223372036854775808",
                                           "8190",
                                           "9223372036854775",
                                           "-9223372036854776",
                                           "1700000000000",
                                           "1700000001",
                                           "007",
                                           "-0",
                                           "+1",
                                           "1 ",
                                           "",
                                           "x",
                                           "1e2"};
  const uint64_t which = choices.Below(40);
  if (which < std::size(kNumbers)) return std::string(kNumbers[which]);
  if (which < 20) return std::to_string(-static_cast<int64_t>(choices.Below(40)));
  return std::to_string(choices.Below(which < 30 ? 20 : 400));
}

std::string Float(Choices& choices) {
  constexpr std::string_view kFloats[] = {"0.1",
                                          "-.5",
                                          "5.",
                                          "1e3",
                                          "3.0e-3",
                                          "-0",
                                          "1e-18",
                                          "5e-18",
                                          "0.000000000000000005",
                                          "inf",
                                          "nan",
                                          "+2",
                                          "1e4932",
                                          "-9e4932",
                                          "1e5000",
                                          "123456789012345678901234567890.5",
                                          ".",
                                          "1e",
                                          "99999999999999999.99999999999999999",
                                          "-1.00000000000000001"};
  if (choices.OneIn(3)) return Number(choices);
  return std::string(Pick(choices, kFloats));
}

std::string Text(Choices& choices) {
  switch (choices.Below(6)) {
    case 0:
      return Number(choices);
    case 1: {  // one draw a statement: compilers order arguments differently
      const auto letter = static_cast<char>('a' + choices.Below(3));
      return std::string(choices.Below(100), letter);
    }
    case 2:
      return std::string("\r\n\0$5", choices.Below(6));
    case 3:
      return Float(choices);
    default:
      return std::to_string(choices.Below(1000));
  }
}

std::string Database(Choices& choices) {
  if (choices.OneIn(8)) return Number(choices);
  return std::to_string(choices.Below(3));
}

std::string Pattern(Choices& choices) {
  constexpr std::string_view kPatterns[] = {"*",    "?",     "*t*",  "{t}[0-9]", "[a-b]",
                                            "[^a]", "[b-a]", "\\[x", "[x",       "x\\*y",
                                            "**y",  "[^",    "?\\",  "*-*-",     ""};
  return std::string(Pick(choices, kPatterns));
}

// Every third letter in capitals, now and then.
std::string Word(Choices& choices, std::string_view word) {
  std::string out(word);
  if (!choices.OneIn(4)) return out;
  for (size_t i = 0; i < out.size(); i += 3) {
    if (out[i] >= 'a' && out[i] <= 'z') out[i] = static_cast<char>(out[i] - 'a' + 'A');
  }
  return out;
}

// Options of any command; a number behind those that take one, mostly.
void AddOptions(Choices& choices, std::span<const std::string_view> options, Words& words) {
  constexpr std::string_view kTypes[] = {"String", "string", "list", ""};
  for (uint64_t left = choices.Below(4); left > 0; --left) {
    const std::string_view option = Pick(choices, options);
    words.push_back(Word(choices, option));
    if (choices.OneIn(12)) continue;
    if (option == "ex" || option == "px" || option == "count") words.push_back(Number(choices));
    if (option == "exat") words.push_back(std::to_string(1'700'000'000 + choices.Below(3)));
    if (option == "pxat") words.push_back(std::to_string(1'700'000'000'000 + choices.Below(2000)));
    if (option == "ifeq") words.push_back(Text(choices));
    if (option == "db") words.push_back(Database(choices));
    if (option == "match") words.push_back(Pattern(choices));
    if (option == "type") words.emplace_back(Pick(choices, kTypes));
  }
}

// What follows the name: k key, v value, n number, f float, d database, p pattern, t expiry time;
// '+' repeats what is in front of it; a letter in capitals stands for options.
struct Shape {
  std::string_view name;
  std::string_view arguments;
};

constexpr std::array kShapes = {
    Shape{"get", "k"},        Shape{"set", "kv"},         Shape{"set", "kvS"},
    Shape{"set", "kvS"},      Shape{"setnx", "kv"},       Shape{"setex", "ktv"},
    Shape{"psetex", "ktv"},   Shape{"getset", "kv"},      Shape{"getdel", "k"},
    Shape{"getex", "kG"},     Shape{"mget", "kkk"},       Shape{"mset", "kvkv"},
    Shape{"msetnx", "kvkv"},  Shape{"append", "kv"},      Shape{"strlen", "k"},
    Shape{"getrange", "knn"}, Shape{"substr", "knn"},     Shape{"setrange", "knv"},
    Shape{"incr", "k"},       Shape{"decr", "k"},         Shape{"incrby", "kn"},
    Shape{"decrby", "kn"},    Shape{"incrbyfloat", "kf"}, Shape{"incrbyfloat", "kf"},
    Shape{"del", "kk"},       Shape{"unlink", "k"},       Shape{"exists", "kkk"},
    Shape{"touch", "kk"},     Shape{"type", "k"},         Shape{"rename", "kk"},
    Shape{"renamenx", "kk"},  Shape{"copy", "kkC"},       Shape{"copy", "kkC"},
    Shape{"move", "kd"},      Shape{"expire", "ktE"},     Shape{"pexpire", "ktE"},
    Shape{"expireat", "kaE"}, Shape{"pexpireat", "kbE"},  Shape{"ttl", "k"},
    Shape{"pttl", "k"},       Shape{"expiretime", "k"},   Shape{"pexpiretime", "k"},
    Shape{"persist", "k"},    Shape{"scan", "cX"},        Shape{"keys", "p"},
    Shape{"randomkey", ""},   Shape{"dbsize", ""},        Shape{"flushdb", "F"},
    Shape{"flushall", "F"},   Shape{"swapdb", "dd"},      Shape{"object", "ok"},
};

void AddArgument(Choices& choices, char kind, Words& words) {
  constexpr std::string_view kSet[] = {"nx", "xx",   "get",  "keepttl", "ex",
                                       "px", "exat", "pxat", "ifeq"};
  constexpr std::string_view kGetex[] = {"persist", "ex", "px", "exat", "pxat", "keepttl"};
  constexpr std::string_view kExpire[] = {"nx", "xx", "gt", "lt", "zz"};
  constexpr std::string_view kCopy[] = {"replace", "db", "replace", "db", "x"};
  constexpr std::string_view kScan[] = {"count", "match", "type", "novalues"};
  constexpr std::string_view kFlush[] = {"async", "sync", "now"};
  constexpr std::string_view kObject[] = {"encoding", "freq", "idletime", "refcount", "help", "x"};
  switch (kind) {
    case 'k':
      return words.push_back(Key(choices));
    case 'v':
      return words.push_back(Text(choices));
    case 'n':
    case 't':
      return words.push_back(Number(choices));
    case 'a':
      return words.push_back(std::to_string(1'700'000'000 + choices.Below(3)));
    case 'b':
      return words.push_back(std::to_string(1'700'000'000'000 + choices.Below(2000)));
    case 'f':
      return words.push_back(Float(choices));
    case 'd':
      return words.push_back(Database(choices));
    case 'p':
      return words.push_back(Pattern(choices));
    case 'c':
      return words.push_back(choices.OneIn(5) ? Number(choices) : "0");
    case 'o':
      return words.push_back(Word(choices, Pick(choices, kObject)));
    case 'S':
      return AddOptions(choices, kSet, words);
    case 'G':
      return AddOptions(choices, kGetex, words);
    case 'E':
      return AddOptions(choices, kExpire, words);
    case 'C':
      return AddOptions(choices, kCopy, words);
    case 'X':
      return AddOptions(choices, kScan, words);
    default:
      if (choices.OneIn(3)) words.push_back(Word(choices, Pick(choices, kFlush)));
  }
}

}  // namespace

Words DrawCommand(Choices& choices) {
  const Shape& shape = kShapes[choices.Below(kShapes.size())];
  // Emptying everything all the time would leave nothing to test.
  if (shape.arguments == "F" && !choices.OneIn(8)) return {"set", Key(choices), Text(choices)};
  Words words = {Word(choices, shape.name)};
  for (const char kind : shape.arguments) AddArgument(choices, kind, words);
  if (choices.OneIn(60)) words.emplace_back("superfluous");
  if (words.size() > 1 && choices.OneIn(60)) words.pop_back();
  return words;
}

}  // namespace kvorum::model
