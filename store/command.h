// SPDX-License-Identifier: Apache-2.0
//
// All that is known of a command, in one place: its row. COMMAND, COMMAND DOCS, key extraction, ACL
// categories, arity errors and the documentation page are computed from rows; nothing compares
// names to find behaviour. A row stands in its family's constexpr table, right behind its handler,
// and a row without docs, arity or (for a write) an opcode does not compile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "resp/reply.h"
#include "store/feature.h"
#include "store/limits.h"
#include "store/opcode.h"

namespace kvorum::store {

using Argv = std::span<const std::string_view>;

// Where a command runs: on the connection's node alone, at a read point, or through the log.
enum class Route : uint8_t { kLocal, kRead, kWrite };

// As COMMAND reports: positions in argv, `last` may count from the end (-1), first 0 = no keys.
struct KeySpec {
  int first = 0;
  int last = 0;
  int step = 0;
};

struct CommandDocs {
  std::string_view summary;
  std::string_view since;  // the Redis version that brought it
  std::string_view group;  // "string", "generic", "server", ...
  std::string_view complexity;
};

// The first part are the flags COMMAND prints; the second are ACL categories that follow neither
// from a flag nor from the group.
enum CommandFlag : uint32_t {
  kFlagWrite = 1U << 0,
  kFlagReadonly = 1U << 1,
  kFlagDenyOom = 1U << 2,
  kFlagAdmin = 1U << 3,
  kFlagPubsub = 1U << 4,
  kFlagNoScript = 1U << 5,
  kFlagBlocking = 1U << 6,
  kFlagLoading = 1U << 7,
  kFlagStale = 1U << 8,
  kFlagSkipMonitor = 1U << 9,
  kFlagSkipSlowlog = 1U << 10,
  kFlagAsking = 1U << 11,
  kFlagFast = 1U << 12,
  kFlagNoAuth = 1U << 13,
  kFlagMayReplicate = 1U << 14,
  kFlagNoMandatoryKeys = 1U << 15,
  kFlagMovableKeys = 1U << 16,
  kFlagAllowBusy = 1U << 17,
  kFlagNoMulti = 1U << 18,

  kAclKeyspace = 1U << 24,
  kAclDangerous = 1U << 25,
  kAclConnection = 1U << 26,
};

class Call;        // store/call.h: what a read or write handler works with
struct LocalCall;  // defined by whoever hosts connections
struct CommandRow;

using Handler = void (*)(Call&);
using LocalHandler = void (*)(LocalCall&);
// Whether the arguments make sense, as far as that can be told without the keyspace; run on the
// connection before a write is proposed, so that junk never enters the log. argv[0] is the name;
// the arity was checked. `level`: in force; what came with a later one is refused as a release that
// does not know it would. On false the error was written. The handler parses with the same code and
// therefore copes with junk as well.
using ArgumentCheck = bool (*)(Argv argv, FeatureLevel level, resp::Reply& error);

struct CommandRow {
  std::string_view name;  // lower case; "object|encoding" for a subcommand
  Opcode opcode = Opcode::kNone;
  int arity = 0;  // counts the name (and the subcommand); negative: at least that many
  Route route = Route::kLocal;
  uint32_t flags = 0;  // CommandFlag bits
  KeySpec keys;
  CommandDocs docs;
  Handler handler = nullptr;     // kRead and kWrite
  LocalHandler local = nullptr;  // kLocal
  ArgumentCheck check = nullptr;
  // A container (OBJECT) has rows below it and needs no handler of its own.
  const CommandRow* subcommand_rows = nullptr;
  size_t subcommand_count = 0;

  [[nodiscard]] constexpr std::span<const CommandRow> subcommands() const {
    return {subcommand_rows, subcommand_count};
  }
  [[nodiscard]] constexpr bool Has(CommandFlag flag) const { return (flags & flag) != 0; }
  // "encoding" of "object|encoding"; the whole name when there is no '|'.
  [[nodiscard]] constexpr std::string_view ShortName() const {
    const size_t bar = name.find('|');
    return bar == std::string_view::npos ? name : name.substr(bar + 1);
  }
};

// Why a row is refused, or nullptr. Used at compile time by ValidRows below. Whether the handler of
// its route is there is checked when the index is built: with the undefined behaviour sanitizer g++
// does not take the address of a template for a constant (GCC bug 71962).
constexpr const char* RowFault(const CommandRow& row) {
  if (row.name.empty() || row.name.size() > kMaxCommandNameBytes) return "name";
  for (const char c : row.name) {
    if (c >= 'A' && c <= 'Z') return "name must be lower case";
  }
  if (row.arity == 0) return "arity";
  if (row.docs.summary.empty() || row.docs.since.empty() || row.docs.group.empty() ||
      row.docs.complexity.empty()) {
    return "docs";
  }
  if ((row.route == Route::kWrite) != (row.opcode != Opcode::kNone)) return "opcode";
  if ((row.route == Route::kWrite) != row.Has(kFlagWrite)) return "write flag";
  if (row.keys.first != 0 && row.keys.step == 0) return "key step";
  return nullptr;
}

// static_assert(ValidRows(kRows)) stands behind every table.
template <size_t N>
consteval bool ValidRows(const CommandRow (&rows)[N]) {
  for (const CommandRow& row : rows) {
    if (RowFault(row) != nullptr) return false;
  }
  return true;
}

// The flag names of COMMAND and the ACL categories of a row, in Redis's order and spelling
// ("readonly"; "@read"). Appends to `out`.
using NameList = absl::InlinedVector<std::string_view, 8>;
void FlagNames(const CommandRow& row, NameList& out);
void AclCategories(const CommandRow& row, NameList& out);

// Keys of a request that passed CheckArity; nothing for malformed positions.
using KeyList = absl::InlinedVector<std::string_view, 4>;
void KeysOf(const CommandRow& row, Argv argv, KeyList& out);

// Whether argv has a number of arguments that `row` takes.
[[nodiscard]] bool CheckArity(const CommandRow& row, size_t argc);

// Redis's own error texts (bad-input lines 21 to 24), client bytes cut and made harmless.
void ReplyUnknownCommand(Argv argv, resp::Reply& reply);
void ReplyUnknownSubcommand(const CommandRow& container, std::string_view word, resp::Reply& reply);
void ReplyWrongArity(const CommandRow& row, resp::Reply& reply);

// Finds rows by name. Built once at start-up and read-only afterwards, so that any thread may look
// up. Rows are borrowed: they live in constexpr tables.
class CommandIndex {
 public:
  // A name that is there already is a broken invariant.
  void Add(std::span<const CommandRow> family);
  // Found by opcode alone.
  void AddLogOnly(std::span<const CommandRow> rows);

  // Any case, no allocation. Not for subcommands.
  [[nodiscard]] const CommandRow* Find(std::string_view name) const;
  [[nodiscard]] static const CommandRow* FindSubcommand(const CommandRow& container,
                                                        std::string_view word);
  // nullptr for an unknown opcode.
  [[nodiscard]] const CommandRow* Find(Opcode opcode) const;

  // The row that runs this request (the subcommand's row, for a container), after the checks for
  // unknown command, unknown subcommand and arity. nullptr: the error was written.
  [[nodiscard]] const CommandRow* Resolve(Argv argv, resp::Reply& error) const;

  // In the order they were added.
  [[nodiscard]] std::span<const CommandRow* const> rows() const { return rows_; }

 private:
  void AddRow(const CommandRow& row);

  std::vector<const CommandRow*> rows_;
  std::vector<const CommandRow*> by_opcode_;
  absl::flat_hash_map<std::string_view, const CommandRow*> by_name_;
};

}  // namespace kvorum::store
