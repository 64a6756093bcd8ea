// SPDX-License-Identifier: Apache-2.0
//
// COMMAND: everything in here is computed from the rows.
#include <vector>

#include "server/local_call.h"
#include "server/local_families.h"
#include "store/glob.h"

namespace kvorum::server {
namespace {

using store::CommandIndex;
using store::KeySpec;
using store::NameList;

// "get", "client|id", in any case.
const CommandRow* FindRow(const CommandIndex& index, std::string_view name) {
  const size_t bar = std::min(name.find('|'), name.size());
  const CommandRow* row = index.Find(name.substr(0, bar));
  if (row == nullptr || bar == name.size()) return row;
  return CommandIndex::FindSubcommand(*row, name.substr(bar + 1));
}

void WriteNames(resp::Reply& reply, const NameList& names) {
  reply.Set(names.size());
  for (const std::string_view name : names) reply.Simple(name);
}

// How a command uses its keys, as far as its row tells.
void WriteKeyFlags(resp::Reply& reply, const CommandRow& row) {
  const bool write = row.Has(store::kFlagWrite);
  reply.Set(2);
  reply.Simple(write ? "RW" : "RO");
  reply.Simple(write ? "update" : "access");
}

void WriteKeySpecs(resp::Reply& reply, const CommandRow& row) {
  const KeySpec& keys = row.keys;
  if (keys.first == 0) return reply.Set(0);
  reply.Set(1);
  reply.Map(3);
  reply.Bulk("flags");
  WriteKeyFlags(reply, row);
  reply.Bulk("begin_search");
  reply.Map(2);
  reply.Bulk("type");
  reply.Bulk("index");
  reply.Bulk("spec");
  reply.Map(1);
  reply.Bulk("index");
  reply.Integer(keys.first);
  reply.Bulk("find_keys");
  reply.Map(2);
  reply.Bulk("type");
  reply.Bulk("range");
  reply.Bulk("spec");
  reply.Map(3);
  reply.Bulk("lastkey");  // counted from the first key, or from the end
  reply.Integer(keys.last < 0 ? keys.last : keys.last - keys.first);
  reply.Bulk("keystep");
  reply.Integer(keys.step);
  reply.Bulk("limit");
  reply.Integer(0);
}

void WriteEntry(resp::Reply& reply, const CommandRow& row) {
  NameList flags;
  NameList categories;
  store::FlagNames(row, flags);
  store::AclCategories(row, categories);
  reply.Array(10);
  reply.Bulk(row.name);
  reply.Integer(row.arity);
  WriteNames(reply, flags);
  reply.Integer(row.keys.first);
  reply.Integer(row.keys.last);
  reply.Integer(row.keys.step);
  WriteNames(reply, categories);
  reply.Set(0);  // hints for proxies
  WriteKeySpecs(reply, row);
  if (row.subcommand_count == 0) return reply.Set(0);
  reply.Array(row.subcommand_count);
  for (const CommandRow& below : row.subcommands()) WriteEntry(reply, below);
}

void WriteAll(LocalCall& call) {
  const auto rows = call.node.commands().rows();
  call.reply.Array(rows.size());
  for (const CommandRow* row : rows) WriteEntry(call.reply, *row);
}

void Count(LocalCall& call) {
  call.reply.Integer(static_cast<int64_t>(call.node.commands().rows().size()));
}

void Info(LocalCall& call) {
  if (call.argv.size() == 2) return WriteAll(call);
  call.reply.Array(call.argv.size() - 2);
  for (const std::string_view name : call.argv.subspan(2)) {
    const CommandRow* row = FindRow(call.node.commands(), name);
    if (row == nullptr) {
      call.reply.NullArray();
    } else {
      WriteEntry(call.reply, *row);
    }
  }
}

void WriteDocs(resp::Reply& reply, const CommandRow& row) {
  reply.Bulk(row.name);
  reply.Map(row.subcommand_count == 0 ? 4 : 5);
  const std::pair<std::string_view, std::string_view> fields[] = {
      {"summary", row.docs.summary},
      {"since", row.docs.since},
      {"group", row.docs.group},
      {"complexity", row.docs.complexity}};
  for (const auto& [name, text] : fields) {
    reply.Bulk(name);
    reply.Bulk(text);
  }
  if (row.subcommand_count == 0) return;
  reply.Bulk("subcommands");
  reply.Map(row.subcommand_count);
  for (const CommandRow& below : row.subcommands()) WriteDocs(reply, below);
}

void Docs(LocalCall& call) {
  std::vector<const CommandRow*> rows;
  if (call.argv.size() == 2) {
    rows.assign(call.node.commands().rows().begin(), call.node.commands().rows().end());
  }
  for (const std::string_view name : call.argv.subspan(2)) {
    if (const CommandRow* row = FindRow(call.node.commands(), name)) rows.push_back(row);
  }
  call.reply.Map(rows.size());
  for (const CommandRow* row : rows) WriteDocs(call.reply, *row);
}

template <class Predicate>
void WriteNamesIf(LocalCall& call, const Predicate& wanted) {
  std::vector<std::string_view> names;
  for (const CommandRow* row : call.node.commands().rows()) {
    if (wanted(*row)) names.push_back(row->name);
    for (const CommandRow& below : row->subcommands()) {
      if (wanted(below)) names.push_back(below.name);
    }
  }
  call.reply.Array(names.size());
  for (const std::string_view name : names) call.reply.Bulk(name);
}

void List(LocalCall& call) {
  const store::Argv argv = call.argv;
  if (argv.size() == 2) return WriteNamesIf(call, [](const CommandRow&) { return true; });
  if (argv.size() != 5 || !resp::EqualsIgnoreCase(argv[2], "filterby")) {
    return call.reply.Error(store::kErrSyntax);
  }
  if (resp::EqualsIgnoreCase(argv[3], "module")) return call.reply.Array(0);
  if (resp::EqualsIgnoreCase(argv[3], "aclcat")) {
    return WriteNamesIf(call, [&](const CommandRow& row) {
      NameList categories;
      store::AclCategories(row, categories);
      return std::any_of(categories.begin(), categories.end(), [&](std::string_view category) {
        return resp::EqualsIgnoreCase(category.substr(1), argv[4]);
      });
    });
  }
  if (resp::EqualsIgnoreCase(argv[3], "pattern")) {
    std::string pattern(argv[4]);
    std::transform(pattern.begin(), pattern.end(), pattern.begin(), resp::ToLower);
    const store::Glob glob(pattern);
    return WriteNamesIf(call, [&](const CommandRow& row) { return glob.Matches(row.name); });
  }
  call.reply.Error(store::kErrSyntax);
}

// The row that would run the request behind COMMAND GETKEYS, and its keys.
const CommandRow* KeysOfRequest(LocalCall& call, store::KeyList& keys) {
  const store::Argv request = call.argv.subspan(2);
  const CommandRow* row = call.node.commands().Find(request[0]);
  if (row != nullptr && row->subcommand_count != 0 && request.size() > 1) {
    row = CommandIndex::FindSubcommand(*row, request[1]);
  }
  if (row == nullptr) {
    call.reply.Error("ERR Invalid command specified");
    return nullptr;
  }
  if (row->keys.first == 0) {
    call.reply.Error("ERR The command has no key arguments");
    return nullptr;
  }
  if (!store::CheckArity(*row, request.size())) {
    call.reply.Error("ERR Invalid number of arguments specified for command");
    return nullptr;
  }
  store::KeysOf(*row, request, keys);
  if (!keys.empty()) return row;
  call.reply.Error("ERR Invalid arguments specified for command");
  return nullptr;
}

void GetKeys(LocalCall& call) {
  store::KeyList keys;
  if (KeysOfRequest(call, keys) == nullptr) return;
  call.reply.Array(keys.size());
  for (const std::string_view key : keys) call.reply.Bulk(key);
}

void GetKeysAndFlags(LocalCall& call) {
  store::KeyList keys;
  const CommandRow* row = KeysOfRequest(call, keys);
  if (row == nullptr) return;
  call.reply.Array(keys.size());
  for (const std::string_view key : keys) {
    call.reply.Array(2);
    call.reply.Bulk(key);
    WriteKeyFlags(call.reply, *row);
  }
}

void Help(LocalCall& call) {
  static constexpr std::string_view kLines[] = {
      "(no subcommand)",
      "    Return details about all Redis commands.",
      "COUNT",
      "    Return the total number of commands in this Redis server.",
      "LIST",
      "    Return a list of all commands in this Redis server.",
      "INFO [<command-name> ...]",
      "    Return details about multiple Redis commands.",
      "    If no command names are given, documentation details for all",
      "    commands are returned.",
      "DOCS [<command-name> ...]",
      "    Return documentation details about multiple Redis commands.",
      "    If no command names are given, documentation details for all",
      "    commands are returned.",
      "GETKEYS <full-command>",
      "    Return the keys from a full Redis command.",
      "GETKEYSANDFLAGS <full-command>",
      "    Return the keys and the access flags from a full Redis command."};
  ReplyHelp(call, kLines);
}

constexpr uint32_t kFlags = store::kFlagLoading | store::kFlagStale | store::kAclConnection;
constexpr std::string_view kEach = "O(N) where N is the number of commands to look up";

constexpr CommandRow kSubcommands[] = {
    {.name = "command|count",
     .arity = 2,
     .flags = kFlags,
     .docs = {"Returns a count of commands.", "2.8.13", "server", "O(1)"},
     .local = Count},
    {.name = "command|info",
     .arity = -2,
     .flags = kFlags,
     .docs = {"Returns information about one, multiple or all commands.", "2.8.13", "server",
              kEach},
     .local = Info},
    {.name = "command|docs",
     .arity = -2,
     .flags = kFlags,
     .docs = {"Returns documentary information about one, multiple or all commands.", "7.0.0",
              "server", kEach},
     .local = Docs},
    {.name = "command|list",
     .arity = -2,
     .flags = kFlags,
     .docs = {"Returns a list of command names.", "7.0.0", "server",
              "O(N) where N is the total number of Redis commands"},
     .local = List},
    {.name = "command|getkeys",
     .arity = -3,
     .flags = kFlags,
     .docs = {"Extracts the key names from an arbitrary command.", "2.8.13", "server",
              "O(N) where N is the number of arguments to the command"},
     .local = GetKeys},
    {.name = "command|getkeysandflags",
     .arity = -3,
     .flags = kFlags,
     .docs = {"Extracts the key names and access flags for an arbitrary command.", "7.0.0",
              "server", "O(N) where N is the number of arguments to the command"},
     .local = GetKeysAndFlags},
    {.name = "command|help",
     .arity = 2,
     .flags = kFlags,
     .docs = {"Returns helpful text about the different subcommands.", "5.0.0", "server", "O(1)"},
     .local = Help},
};
static_assert(store::ValidRows(kSubcommands));

constexpr CommandRow kRows[] = {
    {.name = "command",
     .arity = -1,
     .flags = kFlags,
     .docs = {"Returns detailed information about all commands.", "2.8.13", "server",
              "O(N) where N is the total number of Redis commands"},
     .local = WriteAll,
     .subcommand_rows = kSubcommands,
     .subcommand_count = std::size(kSubcommands)},
};
static_assert(store::ValidRows(kRows));

}  // namespace

std::span<const CommandRow> IntrospectionCommands() { return kRows; }

}  // namespace kvorum::server
