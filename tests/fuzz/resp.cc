// SPDX-License-Identifier: Apache-2.0
//
// The request parser. A stream in pieces gives what it gives in one piece; the limits hold; what
// was understood, written as RESP, is understood the same.
//
// Input: limits, a seed for the cuts, the stream.
#include <algorithm>
#include <vector>

#include "base/check.h"
#include "base/rng.h"
#include "resp/parser.h"
#include "tests/fuzz/fuzz.h"
#include "tests/model/choices.h"

namespace kvorum::fuzz {
namespace {

using resp::ParseResult;

struct Outcome {
  std::vector<std::vector<std::string>> commands;
  ParseResult::Kind end = ParseResult::Kind::kNeedMore;
  std::string error;
  bool in_request = false;
  size_t consumed = 0;

  friend bool operator==(const Outcome&, const Outcome&) = default;
};

resp::ParserLimits DrawLimits(model::ByteChoices& in) {
  resp::ParserLimits limits;
  limits.authenticated = in.Below(4) != 0;
  if (in.Below(2) == 0) return limits;
  limits.max_bulk_bytes = in.Below(64);
  limits.max_args = 1 + in.Below(16);
  limits.max_inline_bytes = 16 + in.Below(64);
  limits.max_argument_bytes_total = in.Below(2048);
  return limits;
}

void CheckLimits(const resp::ParserLimits& limits, const ParseResult& result) {
  size_t bytes = 0;
  for (const std::string_view arg : result.argv) {
    KV_CHECK(arg.size() <= std::max(limits.max_bulk_bytes, limits.max_inline_bytes));
    bytes += arg.size() + resp::kArgumentOverheadBytes;
  }
  KV_CHECK(!result.argv.empty());
  KV_CHECK(bytes <= limits.max_argument_bytes_total);
  KV_CHECK(result.argv.size() <= std::max(limits.max_args, limits.max_inline_bytes));
}

// `next_piece`: how many more bytes arrive, at least 1.
template <class NextPiece>
Outcome ParseAll(std::string_view stream, const resp::ParserLimits& limits, NextPiece next_piece) {
  resp::Parser parser(limits);
  Outcome outcome;
  size_t begin = 0;  // of what is not consumed, in the stream
  size_t end = 0;    // of what has arrived
  while (true) {
    // At another place after each arrival, and of its own size: a byte read behind it is seen.
    const std::vector<char> buffer(stream.begin() + static_cast<ptrdiff_t>(begin),
                                   stream.begin() + static_cast<ptrdiff_t>(end));
    std::string_view rest(buffer.data(), buffer.size());
    while (true) {
      const ParseResult result = parser.Next(rest);
      KV_CHECK(result.consumed <= rest.size());
      KV_CHECK(parser.WantedBytes() >= 1);
      outcome.end = result.kind;
      begin += result.consumed;
      if (result.kind == ParseResult::Kind::kNeedMore) break;
      if (result.kind != ParseResult::Kind::kCommand) {
        KV_CHECK(!result.error.empty());
        outcome.error = result.error;
        return outcome;  // how much of the rest had arrived means nothing
      }
      CheckLimits(limits, result);
      outcome.commands.emplace_back(result.argv.begin(), result.argv.end());
      rest.remove_prefix(result.consumed);
    }
    if (end == stream.size()) break;
    end += std::min(next_piece(), stream.size() - end);
  }
  outcome.in_request = parser.InRequest();
  outcome.consumed = begin;
  return outcome;
}

void CheckRoundTrip(const Outcome& outcome) {
  std::string stream;
  for (const auto& command : outcome.commands) {
    stream += "*" + std::to_string(command.size()) + "\r\n";
    for (const std::string& arg : command) {
      stream += "$" + std::to_string(arg.size()) + "\r\n" + arg + "\r\n";
    }
  }
  const Outcome again = ParseAll(stream, {}, [&] { return stream.size(); });
  KV_CHECK(again.commands == outcome.commands);
  KV_CHECK(again.end == ParseResult::Kind::kNeedMore && !again.in_request);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  model::ByteChoices in(View(data, size));
  const resp::ParserLimits limits = DrawLimits(in);
  const uint64_t longest = 1 + in.Below(64);
  Rng rng(in.Below(256));
  const std::string_view stream = in.rest();
  int pieces_left = 64;  // then the rest at once: more would only take longer
  const auto whole = ParseAll(stream, limits, [&] { return stream.size(); });
  const auto pieces = ParseAll(
      stream, limits, [&] { return --pieces_left < 0 ? stream.size() : 1 + rng.Below(longest); });
  KV_CHECK(whole == pieces);
  CheckRoundTrip(whole);
  return 0;
}

}  // namespace kvorum::fuzz
