// SPDX-License-Identifier: Apache-2.0
#include "benchmark/load/replies.h"

#include <charconv>
#include <cstdint>
#include <string>

#include "benchmark/load/keys.h"

namespace kvorum::load {
namespace {

bool ParseLength(std::string_view text, int64_t& value) {
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  return failure == std::errc() && end == text.data() + text.size() && value >= -1 &&
         value <= int64_t{1} << 32;
}

}  // namespace

ReplyState ScanReply(std::string_view buffer, Reply& reply) {
  size_t at = 0;
  // Elements that are still to come: an aggregate adds its own.
  for (int64_t open = 1; open > 0; --open) {
    const size_t end = buffer.find("\r\n", at);
    if (end == buffer.npos) return ReplyState::kIncomplete;
    if (end == at) return ReplyState::kNoResp;
    const char kind = buffer[at];
    const std::string_view line = buffer.substr(at + 1, end - at - 1);
    const bool first = at == 0;
    if (first) reply = {.bytes = 0, .kind = kind, .null = kind == '_', .line = line};
    at = end + 2;
    int64_t length = 0;
    switch (kind) {
      case '+':
      case '-':
      case ':':
      case ',':
      case '#':
      case '_':
      case '(':
        break;
      case '$':
      case '=':
      case '!':
        if (!ParseLength(line, length)) return ReplyState::kNoResp;
        if (length < 0) {
          if (first) reply.null = true;
        } else {
          at += static_cast<size_t>(length) + 2;
          if (at > buffer.size()) return ReplyState::kIncomplete;
        }
        break;
      case '*':
      case '~':
      case '>':
      case '%':
        if (!ParseLength(line, length)) return ReplyState::kNoResp;
        if (first && length < 0) reply.null = true;
        if (length > 0) open += kind == '%' ? 2 * length : length;
        break;
      default:
        return ReplyState::kNoResp;
    }
  }
  reply.bytes = at;
  return ReplyState::kComplete;
}

std::string_view ErrorWord(std::string_view line) { return line.substr(0, line.find(' ')); }

std::optional<Moved> ParseMoved(std::string_view line, std::string_view asked_host) {
  if (ErrorWord(line) != "MOVED") return std::nullopt;
  line.remove_prefix(std::min<size_t>(6, line.size()));
  const size_t blank = line.find(' ');
  if (blank == line.npos) return std::nullopt;
  Moved moved;
  const auto [end, failure] = std::from_chars(line.data(), line.data() + blank, moved.slot);
  if (failure != std::errc() || end != line.data() + blank || moved.slot >= kSlots) {
    return std::nullopt;
  }
  std::string address(line.substr(blank + 1));
  if (address.starts_with(':')) address.insert(0, asked_host);
  if (!ParseAddress(address, moved.to)) return std::nullopt;
  return moved;
}

}  // namespace kvorum::load
