// SPDX-License-Identifier: Apache-2.0
//
// Bytes to requests: RESP multibulk and inline commands.
//
// The parser owns no input. The caller keeps a buffer that grows at its end; the parser remembers
// offsets relative to the first byte of the unfinished request, so the buffer may move between two
// calls and a large incomplete request is never scanned twice. Arguments are views into the
// caller's buffer, nothing is copied (an inline request with quotes is the exception: unescaping
// needs a place, which the parser owns).
//
//   buffer:  [ consumed bytes | unfinished request ......... ]
//              drop these       state_ and offsets refer to here
//
// What differs from Redis, on purpose: a count line must end in CR LF, and a payload must be
// followed by CR LF (Redis skips two bytes unseen), because a peer that disagrees about where a
// request ends is a request smuggler; and a request has a budget of argument bytes.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "resp/limits.h"

namespace kvorum::resp {

// Changeable at any time between two calls of Parser::Next; an unfinished request is measured
// against the new limits from its next argument on.
struct ParserLimits {
  size_t max_bulk_bytes = kDefaultBulkBytes;
  size_t max_args = kMaxArgs;
  size_t max_inline_bytes = kMaxInlineBytes;
  // Bytes of all arguments of one request plus kArgumentOverheadBytes for each.
  size_t max_argument_bytes_total = kDefaultRequestBytes;
  // False: Redis's limits for strangers apply as well (10 arguments, 16 KiB a bulk).
  bool authenticated = true;
};

struct ParseResult {
  enum class Kind : unsigned char {
    kNeedMore,  // no complete request; append bytes and call again
    kCommand,   // argv is one request, never empty
    kError,     // reply "ERR " + error, then close: the stream cannot be trusted any more
    kForeign,   // another protocol's words, `error` says whose: close without a reply. A web
                // browser can be made to say POST or Host: to us
  };
  Kind kind = Kind::kNeedMore;
  // Bytes at the front of the buffer that are done with, whatever the kind (empty requests are
  // skipped, so it may be non-zero with kNeedMore too). argv may point into them: drop them only
  // after argv was used, and before the next call.
  size_t consumed = 0;
  // kCommand: valid until the buffer moves or the next call.
  std::span<const std::string_view> argv;
  // kError: "Protocol error: ...", without the "ERR ". Valid until the next call.
  // kForeign: what was said.
  std::string_view error;
};

// One per connection, that connection's thread only.
class Parser {
 public:
  explicit Parser(ParserLimits limits = {}) : limits_(limits) {}

  // `buffer` starts with the first byte that was not reported as consumed. After kError or kForeign
  // the parser must not be used again.
  ParseResult Next(std::string_view buffer);

  // How many bytes to make room for in the next read, at least 1: what the unfinished bulk still
  // lacks, but never more than has already arrived of it or kReadStepBytes, whichever is larger. So
  // an announced 512 MiB costs 64 KiB until the client has really sent something, and a buffer
  // grows at most twofold.
  [[nodiscard]] size_t WantedBytes() const { return wanted_bytes_; }

  // True while a request has begun and not ended (for the partial-request timeout).
  [[nodiscard]] bool InRequest() const { return in_request_; }

  [[nodiscard]] const ParserLimits& limits() const { return limits_; }
  void SetLimits(const ParserLimits& limits) { limits_ = limits; }

 private:
  enum class Step : unsigned char { kDone, kMore, kFailed, kForeign };
  struct Slice {
    size_t offset;
    size_t size;
  };

  Step ParseOne(std::string_view request);
  Step ParseInline(std::string_view request);
  Step ParseMultibulkHeader(std::string_view request);
  Step ParseBulkHeader(std::string_view request);
  Step ParseBulkBody(std::string_view request);
  Step FindLine(std::string_view request, std::string_view too_big, std::string_view& line);
  Step SplitInline(std::string_view line);
  Step Budget(size_t argument_bytes);
  Step Fail(std::string_view text);
  [[nodiscard]] bool LooksLikeHttp() const;
  void BeginRequest();

  ParserLimits limits_;

  // State of the unfinished request; offsets are relative to its first byte.
  bool in_request_ = false;
  bool multibulk_ = false;
  size_t position_ = 0;   // next byte to parse
  size_t scanned_ = 0;    // bytes already searched for the end of a line
  size_t args_left_ = 0;  // of the multibulk
  bool in_bulk_ = false;  // its length is known
  size_t bulk_bytes_ = 0;
  size_t request_bytes_ = 0;  // spent of the budget
  std::vector<Slice> slices_;

  std::vector<std::string_view> argv_;
  std::string unescaped_;  // arguments of an inline request that has quotes
  std::string error_;
  size_t wanted_bytes_ = kReadStepBytes;
};

// Splits a line as Redis's sdssplitargs does: blanks separate, "..." understands \n \r \t \b \a
// \xHH and backslash quoting, '...' understands \'. The arguments are appended to `text` one after
// another; argument i ends at ends[i]. False for unbalanced quotes or a closing quote that is not
// followed by a blank.
bool SplitQuoted(std::string_view line, std::string& text, std::vector<size_t>& ends);

}  // namespace kvorum::resp
