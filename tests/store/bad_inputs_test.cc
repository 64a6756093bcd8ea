// SPDX-License-Identifier: Apache-2.0
//
// What a command gets for bad arguments; the numbers are those of the list of bad inputs.
#include <gtest/gtest.h>

#include <string>

#include "tests/store/fixture.h"
#include "tests/store/printable.h"

namespace kvorum::store {
namespace {

class BadInputs : public StoreTest {};

constexpr std::string_view kNotInteger = "(error) ERR value is not an integer or out of range";
constexpr std::string_view kSyntax = "(error) ERR syntax error";
constexpr std::string_view kTooLong =
    "(error) ERR string exceeds maximum allowed size (proto-max-bulk-len)";

TEST_F(BadInputs, Line20BytesAreKept) {
  const std::string bytes("\r\n\0\xff", 4);
  EXPECT_EQ(Run({"SET", bytes, bytes}), "OK");
  EXPECT_EQ(Run({"GET", bytes}), Quoted(bytes));
  EXPECT_EQ(Run({"KEYS", "*"}), "1) " + Quoted(bytes));
  store_.Reload();
  EXPECT_EQ(Run({"GET", bytes}), Quoted(bytes));
}

TEST_F(BadInputs, Line26ExpireTime) {
  for (const char* option : {"EX", "PX", "EXAT", "PXAT"}) {
    for (const char* time : {"0", "-1"}) {
      EXPECT_EQ(Run({"SET", "k", "v", option, time}),
                "(error) ERR invalid expire time in 'set' command");
    }
    EXPECT_EQ(Run({"SET", "k", "v", option, "abc"}), kNotInteger);
    EXPECT_EQ(Run({"SET", "k", "v", option, "9223372036854775808"}), kNotInteger);
  }
  EXPECT_EQ(Run({"SET", "k", "v", "EX", "9223372036854775807"}),
            "(error) ERR invalid expire time in 'set' command");
  // This one can only be told at the log's time.
  EXPECT_EQ(Run({"SET", "k", "v", "PX", "9223372036854775807"}),
            "(error) ERR invalid expire time in 'set' command");
  EXPECT_EQ(Run({"SETEX", "k", "0", "v"}), "(error) ERR invalid expire time in 'setex' command");
  EXPECT_EQ(Run({"PSETEX", "k", "-1", "v"}), "(error) ERR invalid expire time in 'psetex' command");
  EXPECT_EQ(Run({"GETEX", "k", "EX", "0"}), "(error) ERR invalid expire time in 'getex' command");
  EXPECT_EQ(Run({"EXPIRE", "k", "9223372036854775807"}),
            "(error) ERR invalid expire time in 'expire' command");
  EXPECT_EQ(Run({"EXPIRE", "k", "-9223372036854775808"}),
            "(error) ERR invalid expire time in 'expire' command");
  EXPECT_EQ(Run({"PEXPIRE", "k", "9223372036854775807"}),
            "(error) ERR invalid expire time in 'pexpire' command");
  EXPECT_EQ(Run({"EXISTS", "k"}), "(integer) 0");
}

TEST_F(BadInputs, Line27SetSyntax) {
  for (const Words& options : {Words{"NX", "XX"},
                               {"EX", "1", "PX", "1"},
                               {"FOO"},
                               {"EX"},
                               {"KEEPTTL", "EX", "1"},
                               {"EX", "1", "KEEPTTL"},
                               {"PERSIST"},
                               {"EX", "1", "EXAT", "1"},
                               {""}}) {
    Words words = {"SET", "k", "v"};
    words.insert(words.end(), options.begin(), options.end());
    EXPECT_EQ(Run(words), kSyntax);
  }
  EXPECT_EQ(Run({"GETEX", "k", "PERSIST", "EX", "1"}), kSyntax);
  EXPECT_EQ(Run({"GETEX", "k", "EX", "1", "PERSIST"}), kSyntax);
  EXPECT_EQ(Run({"GETEX", "k", "KEEPTTL"}), kSyntax);
  EXPECT_EQ(Run({"SET", "k", "v", "EX", "abc", "FOO"}), kSyntax);
}

TEST_F(BadInputs, Line28IncrOnText) {
  for (const char* text :
       {"abc", " 1", "1 ", "1.0", "", "+1", "01", "1234567890123456789012345678901234567890"}) {
    Run({"SET", "k", text});
    EXPECT_EQ(Run({"INCR", "k"}), kNotInteger) << text;
    EXPECT_EQ(Run({"GET", "k"}), Quoted(text));
  }
  Run({"DEL", "k"});
  EXPECT_EQ(Run({"INCRBY", "k", "abc"}), kNotInteger);
  EXPECT_EQ(Run({"DECRBY", "k", "1.5"}), kNotInteger);
  EXPECT_EQ(Run({"EXISTS", "k"}), "(integer) 0");
}

TEST_F(BadInputs, Line29And30Overflow) {
  Run({"SET", "k", "9223372036854775807"});
  EXPECT_EQ(Run({"INCR", "k"}), "(error) ERR increment or decrement would overflow");
  EXPECT_EQ(Run({"INCRBY", "k", "1"}), "(error) ERR increment or decrement would overflow");
  Run({"SET", "k", "-9223372036854775808"});
  EXPECT_EQ(Run({"DECR", "k"}), "(error) ERR increment or decrement would overflow");
  EXPECT_EQ(Run({"DECRBY", "k", "-9223372036854775808"}), "(error) ERR decrement would overflow");
  EXPECT_EQ(Run({"GET", "k"}), "\"-9223372036854775808\"");
}

TEST_F(BadInputs, Line31Floats) {
  Run({"SET", "k", "1"});
  EXPECT_EQ(Run({"INCRBYFLOAT", "k", "abc"}), "(error) ERR value is not a valid float");
  for (const char* infinite : {"inf", "+inf", "-inf"}) {
    EXPECT_EQ(Run({"INCRBYFLOAT", "k", infinite}),
              "(error) ERR increment would produce NaN or Infinity");
  }
  Run({"SET", "text", "abc"});
  EXPECT_EQ(Run({"INCRBYFLOAT", "text", "1"}), "(error) ERR value is not a valid float");
  EXPECT_EQ(Run({"GET", "k"}), "\"1\"");
}

TEST_F(BadInputs, Line32And33Setrange) {
  EXPECT_EQ(Run({"SETRANGE", "k", "-1", "v"}), "(error) ERR offset is out of range");
  EXPECT_EQ(Run({"SETRANGE", "k", "abc", "v"}), kNotInteger);
  EXPECT_EQ(Run({"SETRANGE", "k", "536870911", "vv"}), kTooLong);
  EXPECT_EQ(Run({"SETRANGE", "k", "9223372036854775807", "v"}), kTooLong);
  EXPECT_EQ(Run({"SETRANGE", "k", "536870911", ""}), "(integer) 0");
  EXPECT_EQ(Run({"EXISTS", "k"}), "(integer) 0");
}

TEST(BadInputsSmall, Line33AppendPastTheLimit) {
  MachineOptions options;
  options.max_string_bytes = 10;
  Store store(options);
  EXPECT_EQ(store.Run({"SET", "k", "123456789"}), "OK");
  EXPECT_EQ(store.Run({"APPEND", "k", "ab"}), kTooLong);
  EXPECT_EQ(store.Run({"APPEND", "k", "a"}), "(integer) 10");
  EXPECT_EQ(store.Run({"SETRANGE", "k", "10", "x"}), kTooLong);
  EXPECT_EQ(store.Run({"SETRANGE", "k", "9", "x"}), "(integer) 10");
}

TEST_F(BadInputs, Line35GetrangeExtremes) {
  Run({"SET", "k", "hello"});
  const char* const kMin = "-9223372036854775808";
  const char* const kMax = "9223372036854775807";
  EXPECT_EQ(Run({"GETRANGE", "k", kMin, kMax}), "\"hello\"");
  EXPECT_EQ(Run({"GETRANGE", "k", "0", kMax}), "\"hello\"");
  EXPECT_EQ(Run({"GETRANGE", "k", kMin, "-1"}), "\"hello\"");
  EXPECT_EQ(Run({"GETRANGE", "k", kMax, kMin}), "\"\"");
  EXPECT_EQ(Run({"GETRANGE", "k", kMin, kMin}), "\"h\"");
  EXPECT_EQ(Run({"GETRANGE", "k", kMax, kMax}), "\"\"");
  EXPECT_EQ(Run({"GETRANGE", "none", kMin, kMax}), "\"\"");
}

TEST_F(BadInputs, Line36MsetnxNamesAKeyTwice) {
  EXPECT_EQ(Run({"MSETNX", "a", "1", "a", "2"}), "(integer) 1");
  EXPECT_EQ(Run({"GET", "a"}), "\"2\"");
  EXPECT_EQ(Run({"MSETNX", "b", "1", "a", "2"}), "(integer) 0");
  EXPECT_EQ(Run({"EXISTS", "b"}), "(integer) 0");
}

TEST_F(BadInputs, Line37Scan) {
  for (const char* cursor : {"abc", "-1", "", " 1", "1x", "18446744073709551616"}) {
    EXPECT_EQ(Run({"SCAN", cursor}), "(error) ERR invalid cursor") << cursor;
  }
  EXPECT_EQ(Run({"SCAN", "0", "COUNT", "0"}), kSyntax);
  EXPECT_EQ(Run({"SCAN", "0", "COUNT", "x"}), kNotInteger);
  EXPECT_EQ(Run({"SCAN", "0", "MATCH"}), kSyntax);
  EXPECT_EQ(Run({"SCAN", "0", "FOO", "x"}), kSyntax);
  // A cursor we never gave out ends the iteration or starts somewhere: both are answers.
  Run({"SET", "k", "v"});
  EXPECT_EQ(Run({"SCAN", "18446744073709551615"}), "1) \"0\"\n2) (empty array)");
  EXPECT_EQ(Run({"SCAN", "9223372036854775807"}), "1) \"0\"\n2) (empty array)");
}

TEST_F(BadInputs, Line38KeysWithAThousandStars) {
  Run({"SET", std::string(100000, 'a'), "v"});
  std::string pattern;
  for (int i = 0; i < 1000; ++i) pattern += "*a";
  EXPECT_EQ(Run({"KEYS", pattern + "*b"}), "(empty array)");
  EXPECT_EQ(Run({"KEYS", std::string(1 << 20, '*') + "b"}), "(empty array)");
}

TEST_F(BadInputs, Line39DatabaseNumbers) {
  Run({"SET", "k", "v"});
  for (const char* number : {"99", "-1", "16"}) {
    EXPECT_EQ(Run({"MOVE", "k", number}), "(error) ERR DB index is out of range");
    EXPECT_EQ(Run({"COPY", "k", "k", "DB", number}), "(error) ERR DB index is out of range");
    EXPECT_EQ(Run({"SWAPDB", "0", number}), "(error) ERR DB index is out of range");
  }
  EXPECT_EQ(Run({"MOVE", "k", "abc"}), kNotInteger);
  EXPECT_EQ(Run({"COPY", "k", "j", "DB", "99999999999"}),
            "(error) ERR value is out of range, value must between -2147483648 and 2147483647");
  EXPECT_EQ(Run({"SWAPDB", "a", "0"}), "(error) ERR invalid first DB index");
  EXPECT_EQ(Run({"SWAPDB", "0", "b"}), "(error) ERR invalid second DB index");
  EXPECT_EQ(Run({"MOVE", "k", "0"}), "(error) ERR source and destination objects are the same");
}

}  // namespace
}  // namespace kvorum::store
