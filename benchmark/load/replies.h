// SPDX-License-Identifier: Apache-2.0
//
// Where a reply ends, and what it was: as much RESP as a load generator needs. Of a client's side;
// resp/ is the server's.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "benchmark/load/options.h"

namespace kvorum::load {

struct Reply {
  size_t bytes = 0;       // of the whole reply
  char kind = 0;          // its first byte: + - : $ * ...
  bool null = false;      // $-1, *-1, _
  std::string_view line;  // its first line, without kind and CR LF
};

enum class ReplyState : unsigned char { kComplete, kIncomplete, kNoResp };

// Looks at the front of `buffer`.
ReplyState ScanReply(std::string_view buffer, Reply& reply);

// The first word of an error: what errors are counted by.
std::string_view ErrorWord(std::string_view line);

// "MOVED <slot> <host>:<port>"; nothing when it is not that. An empty host means the host that was
// asked.
struct Moved {
  size_t slot = 0;
  Address to;
};
std::optional<Moved> ParseMoved(std::string_view line, std::string_view asked_host);

}  // namespace kvorum::load
