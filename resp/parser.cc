// SPDX-License-Identifier: Apache-2.0
#include "resp/parser.h"

#include <algorithm>
#include <climits>
#include <cstring>

#include "resp/format.h"

namespace kvorum::resp {

namespace {

// Vectors that one huge request has grown are given back.
constexpr size_t kKeptArgs = 1024;
constexpr size_t kKeptTextBytes = 16 * kKiB;

constexpr bool IsBlank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\v' || c == '\f' || c == '\r';
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = ToLower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char Unescape(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'a':
      return '\a';
    default:
      return c;
  }
}

// Who speaks when the first bytes are no line of text: such clients wait for an answer of their own
// protocol and would send no end of line that an error could be the reply to.
std::string_view ForeignGreeting(std::string_view request) {
  if (request.starts_with("\x16\x03")) return "a TLS handshake";
  // A hello's length is less than 2^16 (docs/formats/peer.md). Only all eight bytes tell: what a
  // part of them looks like depends on how they arrive, and a line end among them makes it text.
  if (request.size() < 8 || !request.starts_with("KVRM")) return {};
  const std::string_view length = request.substr(4, 4);
  const bool small = length.ends_with(std::string_view("\0\0", 2));
  return small && length.find('\n') == std::string_view::npos ? "a peer's hello" : "";
}

// Appends the quoted text that starts at line[at] (behind the opening quote) and moves `at` behind
// the closing one. False if it is not closed or runs into the next word.
bool TakeQuoted(std::string_view line, char quote, size_t& at, std::string& text) {
  while (at < line.size()) {
    const char c = line[at];
    if (c == quote) {
      ++at;
      return at == line.size() || IsBlank(line[at]);
    }
    if (c == '\\' && at + 1 < line.size()) {
      if (quote == '\'') {
        if (line[at + 1] == '\'') ++at;
        text.push_back(line[at]);
        ++at;
        continue;
      }
      if (line[at + 1] == 'x' && at + 3 < line.size() && HexDigit(line[at + 2]) >= 0 &&
          HexDigit(line[at + 3]) >= 0) {
        text.push_back(static_cast<char>(HexDigit(line[at + 2]) * 16 + HexDigit(line[at + 3])));
        at += 4;
        continue;
      }
      text.push_back(Unescape(line[at + 1]));
      at += 2;
      continue;
    }
    text.push_back(c);
    ++at;
  }
  return false;
}

}  // namespace

bool SplitQuoted(std::string_view line, std::string& text, std::vector<size_t>& ends) {
  size_t at = 0;
  for (;;) {
    while (at < line.size() && IsBlank(line[at])) ++at;
    if (at == line.size()) return true;
    while (at < line.size() && !IsBlank(line[at])) {
      const char c = line[at++];
      if (c == '"' || c == '\'') {
        if (!TakeQuoted(line, c, at, text)) return false;
        break;
      }
      text.push_back(c);
    }
    ends.push_back(text.size());
  }
}

ParseResult Parser::Next(std::string_view buffer) {
  ParseResult result;
  wanted_bytes_ = kReadStepBytes;
  for (;;) {
    const std::string_view request = buffer.substr(result.consumed);
    if (request.empty()) return result;
    if (!in_request_) BeginRequest();
    switch (ParseOne(request)) {
      case Step::kMore:
        return result;
      case Step::kFailed:
        result.kind = ParseResult::Kind::kError;
        result.error = error_;
        return result;
      case Step::kForeign:
        result.kind = ParseResult::Kind::kForeign;
        result.error = error_;
        return result;
      case Step::kDone:
        break;
    }
    in_request_ = false;
    result.consumed += position_;
    if (argv_.empty()) continue;
    if (LooksLikeHttp()) {
      result.kind = ParseResult::Kind::kForeign;
      result.error = "POST or Host: commands";
      return result;
    }
    result.kind = ParseResult::Kind::kCommand;
    result.argv = argv_;
    return result;
  }
}

void Parser::BeginRequest() {
  if (slices_.capacity() > kKeptArgs) {
    slices_ = {};
    argv_ = {};
  }
  if (unescaped_.capacity() > kKeptTextBytes) unescaped_ = {};
  slices_.clear();
  argv_.clear();
  in_request_ = true;
  multibulk_ = false;
  position_ = 0;
  scanned_ = 0;
  args_left_ = 0;
  in_bulk_ = false;
  request_bytes_ = 0;
}

Parser::Step Parser::ParseOne(std::string_view request) {
  if (!multibulk_) {
    if (request[0] != '*') return ParseInline(request);
    const Step step = ParseMultibulkHeader(request);
    if (step != Step::kDone) return step;
    multibulk_ = true;
  }
  while (args_left_ > 0) {
    if (!in_bulk_) {
      const Step step = ParseBulkHeader(request);
      if (step != Step::kDone) return step;
    }
    const Step step = ParseBulkBody(request);
    if (step != Step::kDone) return step;
    --args_left_;
  }
  // Only now, because the buffer may have moved since the first argument was seen.
  for (const Slice& slice : slices_) argv_.push_back(request.substr(slice.offset, slice.size));
  return Step::kDone;
}

// Finds the CR LF that ends the line at position_ and moves behind it.
Parser::Step Parser::FindLine(std::string_view request, std::string_view too_big,
                              std::string_view& line) {
  const size_t from = std::max(position_, scanned_);
  const size_t cr = request.find('\r', from);
  const size_t line_end = cr == std::string_view::npos ? request.size() : cr;
  if (line_end - position_ > limits_.max_inline_bytes) return Fail(too_big);
  scanned_ = line_end;
  if (line_end + 1 >= request.size()) return Step::kMore;
  line = request.substr(position_, line_end - position_);
  // A line that ends otherwise is not a number: an empty one is refused by the caller.
  if (request[line_end + 1] != '\n') line = line.substr(0, 1);
  position_ = line_end + 2;
  scanned_ = position_;
  return Step::kDone;
}

Parser::Step Parser::ParseMultibulkHeader(std::string_view request) {
  std::string_view line;
  const Step step = FindLine(request, "Protocol error: too big mbulk count string", line);
  if (step != Step::kDone) return step;
  const auto count = ParseInteger(line.substr(1));
  if (!count.has_value() || *count > INT_MAX ||
      (*count > 0 && static_cast<size_t>(*count) > limits_.max_args)) {
    return Fail("Protocol error: invalid multibulk length");
  }
  if (*count > static_cast<int64_t>(kUnauthenticatedArgs) && !limits_.authenticated) {
    return Fail("Protocol error: unauthenticated multibulk length");
  }
  args_left_ = *count > 0 ? static_cast<size_t>(*count) : 0;
  return Step::kDone;
}

Parser::Step Parser::ParseBulkHeader(std::string_view request) {
  if (position_ == request.size()) return Step::kMore;
  if (request[position_] != '$') {
    return Fail(std::string("Protocol error: expected '$', got '") + request[position_] + "'");
  }
  std::string_view line;
  const Step step = FindLine(request, "Protocol error: too big bulk count string", line);
  if (step != Step::kDone) return step;
  const auto size = ParseInteger(line.substr(1));
  if (!size.has_value() || *size < 0 || *size > static_cast<int64_t>(kMaxBulkBytes)) {
    return Fail("Protocol error: invalid bulk length");
  }
  // A stranger learns what the limit of strangers is, not what this server's limit is.
  if (*size > static_cast<int64_t>(kUnauthenticatedBulkBytes) && !limits_.authenticated) {
    return Fail("Protocol error: unauthenticated bulk length");
  }
  if (static_cast<size_t>(*size) > limits_.max_bulk_bytes) {
    return Fail("Protocol error: invalid bulk length");
  }
  bulk_bytes_ = static_cast<size_t>(*size);
  in_bulk_ = true;
  return Budget(bulk_bytes_);
}

Parser::Step Parser::ParseBulkBody(std::string_view request) {
  const size_t arrived = request.size() - position_;
  const size_t needed = bulk_bytes_ + 2;
  if (arrived < needed) {
    wanted_bytes_ = std::min(needed - arrived, std::max(arrived, kReadStepBytes));
    return Step::kMore;
  }
  if (request[position_ + bulk_bytes_] != '\r' || request[position_ + bulk_bytes_ + 1] != '\n') {
    return Fail("Protocol error: expected CRLF after bulk");
  }
  slices_.push_back({position_, bulk_bytes_});
  position_ += needed;
  scanned_ = position_;
  in_bulk_ = false;
  return Step::kDone;
}

Parser::Step Parser::ParseInline(std::string_view request) {
  if (const std::string_view greeting = ForeignGreeting(request); !greeting.empty()) {
    error_ = greeting;
    return Step::kForeign;
  }
  const size_t lf = request.find('\n', scanned_);
  const size_t line_end = lf == std::string_view::npos ? request.size() : lf;
  if (line_end > limits_.max_inline_bytes) return Fail("Protocol error: too big inline request");
  scanned_ = line_end;
  if (lf == std::string_view::npos) return Step::kMore;
  position_ = lf + 1;
  std::string_view line = request.substr(0, lf);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return SplitInline(line);
}

Parser::Step Parser::SplitInline(std::string_view line) {
  if (line.find_first_of("\"'") == std::string_view::npos) {
    size_t at = 0;
    for (;;) {
      while (at < line.size() && IsBlank(line[at])) ++at;
      if (at == line.size()) break;
      const size_t start = at;
      while (at < line.size() && !IsBlank(line[at])) ++at;
      argv_.push_back(line.substr(start, at - start));
    }
  } else {
    unescaped_.clear();
    std::vector<size_t> ends;
    if (!SplitQuoted(line, unescaped_, ends)) {
      return Fail("Protocol error: unbalanced quotes in request");
    }
    size_t start = 0;
    for (const size_t end : ends) {
      argv_.push_back(std::string_view(unescaped_).substr(start, end - start));
      start = end;
    }
  }
  if (argv_.size() > limits_.max_args) return Fail("Protocol error: invalid multibulk length");
  for (const std::string_view arg : argv_) {
    if (const Step step = Budget(arg.size()); step != Step::kDone) return step;
  }
  return Step::kDone;
}

Parser::Step Parser::Budget(size_t argument_bytes) {
  request_bytes_ += argument_bytes + kArgumentOverheadBytes;
  if (request_bytes_ > limits_.max_argument_bytes_total) {
    return Fail("Protocol error: request exceeds the argument budget");
  }
  return Step::kDone;
}

Parser::Step Parser::Fail(std::string_view text) {
  error_ = text;
  return Step::kFailed;
}

bool Parser::LooksLikeHttp() const {
  return EqualsIgnoreCase(argv_[0], "post") || EqualsIgnoreCase(argv_[0], "host:");
}

}  // namespace kvorum::resp
