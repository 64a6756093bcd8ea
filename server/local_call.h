// SPDX-License-Identifier: Apache-2.0
//
// What the local command families share. A handler runs at once, on the node's thread, and writes
// exactly one reply; what it changes in the session holds from the next command on.
#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "resp/format.h"
#include "server/node.h"
#include "store/errors.h"

namespace kvorum::server {

using store::CommandRow;
using store::LocalCall;

// Most of what is answered here may be asked at any time, but not from a script.
inline constexpr uint32_t kFlagsLocal =
    store::kFlagNoScript | store::kFlagLoading | store::kFlagStale;

// The reply of a container's HELP, as Redis lays it out. `lines`: "GET <pattern>", "    Return...".
inline void ReplyHelp(LocalCall& call, std::span<const std::string_view> lines) {
  std::string title(call.argv[0]);
  std::transform(title.begin(), title.end(), title.begin(), resp::ToUpper);
  call.reply.Array(lines.size() + 3);
  call.reply.Simple(title + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
  for (const std::string_view line : lines) call.reply.Simple(line);
  call.reply.Simple("HELP");
  call.reply.Simple("    Prints this help.");
}

// argv[at] as an integer; nothing: the error was written.
inline std::optional<int64_t> IntegerArgument(LocalCall& call, size_t at,
                                              std::string_view error = store::kErrNotInteger) {
  const std::optional<int64_t> value = resp::ParseInteger(call.argv[at]);
  if (!value) call.reply.Error(error);
  return value;
}

// The count that may stand behind the name of a subcommand, at most `most`; nothing: the error was
// written.
inline std::optional<size_t> CountArgument(LocalCall& call, size_t by_default, size_t most) {
  if (call.argv.size() > 3) {
    store::ReplyWrongArity(call.row, call.reply);
    return std::nullopt;
  }
  if (call.argv.size() < 3) return by_default;
  const std::optional<int64_t> asked = IntegerArgument(call, 2);
  if (!asked) return std::nullopt;
  if (*asked < 0) {
    call.reply.Error("ERR value is out of range, must be positive");
    return std::nullopt;
  }
  return std::min(static_cast<size_t>(*asked), most);
}

// Whether a client may call itself, its library or the like so: it is shown in CLIENT LIST, whose
// fields are separated by blanks and lines.
inline bool IsPlainName(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '!' && c <= '~'; });
}

inline constexpr std::string_view kErrClientName =
    "ERR Client names cannot contain spaces, newlines or special characters.";

}  // namespace kvorum::server
