// SPDX-License-Identifier: Apache-2.0
//
// The one list of the command families the state machine executes. A new family is added here and
// nowhere else.
#pragma once

#include <span>

#include "store/command.h"

namespace kvorum::store {

// Tables are constexpr and live for ever.
std::span<const std::span<const CommandRow>> StoreFamilies();

// One each, defined at the end of the family's own file.
std::span<const CommandRow> StringCommands();      // strings.cc: whole values
std::span<const CommandRow> StringPartCommands();  // string_parts.cc: APPEND, ranges, ...
std::span<const CommandRow> CounterCommands();     // counters.cc: INCR and its kind
std::span<const CommandRow> KeyCommands();         // keys.cc: DEL, RENAME, COPY, ...
std::span<const CommandRow> ExpiryCommands();      // expiry.cc
std::span<const CommandRow> IterationCommands();   // iteration.cc: SCAN, KEYS, RANDOMKEY
std::span<const CommandRow> DatabaseCommands();    // database_commands.cc: FLUSHALL, SWAPDB, ...
std::span<const CommandRow> ObjectCommands();      // object.cc: OBJECT and its subcommands

// What only entries hold and no client can name (feature.cc); in no family.
std::span<const CommandRow> LogOnlyCommands();

// An index of all of them, by opcode also of LogOnlyCommands, built on first use.
const CommandIndex& StoreIndex();

}  // namespace kvorum::store
