// SPDX-License-Identifier: Apache-2.0
#include "store/expiry_time.h"

#include <limits>
#include <string>

#include "resp/format.h"
#include "store/errors.h"

namespace kvorum::store {

void ReplyInvalidExpiry(std::string_view command, resp::Reply& reply) {
  std::string text = "ERR invalid expire time in '";
  text.append(command).append("' command");
  reply.Error(text);
}

bool ResolveExpiry(const ExpiryText& expiry, std::string_view command, UnixMs now,
                   resp::Reply& reply, UnixMs& deadline) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  const auto value = resp::ParseInteger(expiry.text);
  if (!value.has_value()) {
    reply.Error(kErrNotInteger);
    return false;
  }
  int64_t ms = *value;
  if (ms <= 0 || (expiry.seconds && ms > kMax / 1000)) {
    ReplyInvalidExpiry(command, reply);
    return false;
  }
  if (expiry.seconds) ms *= 1000;
  if (!expiry.absolute) {
    if (ms > kMax - now) {
      ReplyInvalidExpiry(command, reply);
      return false;
    }
    ms += now;
  }
  deadline = ms;
  return true;
}

}  // namespace kvorum::store
