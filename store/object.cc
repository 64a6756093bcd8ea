// SPDX-License-Identifier: Apache-2.0
//
// OBJECT: how a value is kept.
#include <array>

#include "store/call.h"
#include "store/families.h"

namespace kvorum::store {

namespace {

// Null for a key that is not there; then the reply is written.
const Record* FindOrNull(Call& call) {
  const Record* const record = call.Find(call.Arg(2));
  if (record == nullptr) call.reply.Null();
  return record;
}

void EncodingOf(Call& call) {
  if (const Record* const record = FindOrNull(call)) call.reply.Bulk(record->EncodingName());
}

void Freq(Call& call) {
  if (FindOrNull(call) == nullptr) return;
  call.reply.Error(
      "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note "
      "that when switching between policies at runtime LRU and LFU data will take some time to "
      "adjust.");
}

void Idletime(Call& call) {
  if (FindOrNull(call) != nullptr) call.reply.Integer(0);
}

// A value belongs to one key.
void Refcount(Call& call) {
  if (FindOrNull(call) != nullptr) call.reply.Integer(1);
}

void Help(Call& call) {
  constexpr std::array<std::string_view, 13> kLines = {
      "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "ENCODING <key>",
      "    Return the kind of internal representation used in order to store the value",
      "    associated with a <key>.",
      "FREQ <key>",
      "    Return the access frequency index of the <key>. Not tracked: always an error.",
      "IDLETIME <key>",
      "    Return the idle time of the <key>. No access time is kept: always 0.",
      "REFCOUNT <key>",
      "    Return the number of references of the value associated with the specified",
      "    <key>.",
      "HELP",
      "    Prints this help."};
  call.reply.Array(kLines.size());
  for (const std::string_view line : kLines) call.reply.Simple(line);
}

constexpr CommandRow kSubcommands[] = {
    {.name = "object|encoding",
     .arity = 3,
     .route = Route::kRead,
     .flags = kFlagReadonly,
     .keys = {2, 2, 1},
     .docs = {"Returns the internal encoding of a Redis object.", "2.2.3", "generic", "O(1)"},
     .handler = EncodingOf},
    {.name = "object|freq",
     .arity = 3,
     .route = Route::kRead,
     .flags = kFlagReadonly,
     .keys = {2, 2, 1},
     .docs = {"Returns the logarithmic access frequency counter of a Redis object. Not tracked: an "
              "error for every key that exists.",
              "4.0.0", "generic", "O(1)"},
     .handler = Freq},
    {.name = "object|idletime",
     .arity = 3,
     .route = Route::kRead,
     .flags = kFlagReadonly,
     .keys = {2, 2, 1},
     .docs = {"Returns the time since the last access to a Redis object. No access time is kept: 0 "
              "for every key that exists.",
              "2.2.3", "generic", "O(1)"},
     .handler = Idletime},
    {.name = "object|refcount",
     .arity = 3,
     .route = Route::kRead,
     .flags = kFlagReadonly,
     .keys = {2, 2, 1},
     .docs = {"Returns the reference count of a value of a key.", "2.2.3", "generic", "O(1)"},
     .handler = Refcount},
    {.name = "object|help",
     .arity = 2,
     .route = Route::kRead,
     .flags = kFlagReadonly | kFlagLoading | kFlagStale,
     .docs = {"Returns helpful text about the different subcommands.", "6.2.0", "generic", "O(1)"},
     .handler = Help},
};
static_assert(ValidRows(kSubcommands));

constexpr CommandRow kRows[] = {
    {.name = "object",
     .arity = -2,
     .route = Route::kRead,
     .docs = {"A container for object introspection commands.", "2.2.3", "generic",
              "Depends on subcommand."},
     .subcommand_rows = kSubcommands,
     .subcommand_count = std::size(kSubcommands)},
};
static_assert(ValidRows(kRows));

}  // namespace

std::span<const CommandRow> ObjectCommands() { return kRows; }

}  // namespace kvorum::store
