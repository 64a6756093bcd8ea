// SPDX-License-Identifier: Apache-2.0
//
// EX, PX, EXAT and PXAT: from what the client wrote to an absolute deadline. A relative time is
// made absolute against the log's time when the command is applied, so that all replicas get the
// same deadline.
#pragma once

#include <string_view>

#include "base/time.h"
#include "resp/reply.h"

namespace kvorum::store {

struct ExpiryText {
  std::string_view text;
  bool seconds = false;   // else milliseconds
  bool absolute = false;  // else from now on
};

// False, and the error written, for what is not an integer, not positive or too large. `command`
// is the name the error repeats. With now 0 it is the check before proposing: what passes then can
// still overflow later.
bool ResolveExpiry(const ExpiryText& expiry, std::string_view command, UnixMs now,
                   resp::Reply& reply, UnixMs& deadline);

// "ERR invalid expire time in '<command>' command"
void ReplyInvalidExpiry(std::string_view command, resp::Reply& reply);

}  // namespace kvorum::store
