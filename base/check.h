// SPDX-License-Identifier: Apache-2.0
//
// KV_CHECK: a broken invariant ends the process, in release builds too. A server that has stopped
// understanding its own state must not acknowledge anything else. Never used for what the outside
// world can cause (disk, network, clients): that is a Status or a reply.
#pragma once

#include <string_view>

namespace kvorum {

// Writes file, line, expression and message to stderr and aborts. Any thread.
[[noreturn]] void CheckFailed(const char* file, int line, const char* expression,
                              std::string_view message);

}  // namespace kvorum

#define KV_CHECK(condition)                                      \
  do {                                                           \
    if (!(condition)) [[unlikely]]                               \
      ::kvorum::CheckFailed(__FILE__, __LINE__, #condition, {}); \
  } while (false)

#define KV_CHECK_MSG(condition, message)                              \
  do {                                                                \
    if (!(condition)) [[unlikely]]                                    \
      ::kvorum::CheckFailed(__FILE__, __LINE__, #condition, message); \
  } while (false)
