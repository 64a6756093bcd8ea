// SPDX-License-Identifier: Apache-2.0
#include "store/command.h"

#include <algorithm>
#include <cstdlib>

#include "base/check.h"
#include "resp/format.h"

namespace kvorum::store {

namespace {

struct NamedFlag {
  CommandFlag flag;
  std::string_view name;
};

constexpr NamedFlag kFlagNames[] = {
    {kFlagWrite, "write"},
    {kFlagReadonly, "readonly"},
    {kFlagDenyOom, "denyoom"},
    {kFlagAdmin, "admin"},
    {kFlagPubsub, "pubsub"},
    {kFlagNoScript, "noscript"},
    {kFlagBlocking, "blocking"},
    {kFlagLoading, "loading"},
    {kFlagStale, "stale"},
    {kFlagSkipMonitor, "skip_monitor"},
    {kFlagSkipSlowlog, "skip_slowlog"},
    {kFlagAsking, "asking"},
    {kFlagFast, "fast"},
    {kFlagNoAuth, "no_auth"},
    {kFlagMayReplicate, "may_replicate"},
    {kFlagNoMandatoryKeys, "no_mandatory_keys"},
    {kFlagMovableKeys, "movablekeys"},
    {kFlagAllowBusy, "allow_busy"},
    {kFlagNoMulti, "no_multi"},
};

struct GroupCategory {
  std::string_view group;
  std::string_view category;
};

constexpr GroupCategory kGroupCategories[] = {
    {"generic", "@keyspace"},
    {"string", "@string"},
    {"list", "@list"},
    {"set", "@set"},
    {"sorted-set", "@sortedset"},
    {"hash", "@hash"},
    {"bitmap", "@bitmap"},
    {"hyperloglog", "@hyperloglog"},
    {"geo", "@geo"},
    {"stream", "@stream"},
    {"pubsub", "@pubsub"},
    {"transactions", "@transaction"},
    {"scripting", "@scripting"},
    {"connection", "@connection"},
};

// As C's "%.*s" would print it: up to the first NUL, at most `limit` bytes.
std::string_view Printable(std::string_view text, size_t limit) {
  text = text.substr(0, text.find('\0'));
  return text.substr(0, limit);
}

}  // namespace

void FlagNames(const CommandRow& row, NameList& out) {
  for (const NamedFlag& named : kFlagNames) {
    if (row.Has(named.flag)) out.push_back(named.name);
  }
}

void AclCategories(const CommandRow& row, NameList& out) {
  for (const GroupCategory& entry : kGroupCategories) {
    if (entry.group == row.docs.group) out.push_back(entry.category);
  }
  const auto add = [&](bool wanted, std::string_view category) {
    if (wanted && std::find(out.begin(), out.end(), category) == out.end()) {
      out.push_back(category);
    }
  };
  add(row.Has(kAclKeyspace), "@keyspace");
  add(row.Has(kAclConnection), "@connection");
  add(row.Has(kFlagWrite), "@write");
  add(row.Has(kFlagReadonly), "@read");
  add(row.Has(kFlagAdmin), "@admin");
  add(row.Has(kFlagAdmin) || row.Has(kAclDangerous), "@dangerous");
  add(row.Has(kFlagPubsub), "@pubsub");
  add(row.Has(kFlagBlocking), "@blocking");
  add(row.Has(kFlagFast), "@fast");
  add(!row.Has(kFlagFast), "@slow");
}

void KeysOf(const CommandRow& row, Argv argv, KeyList& out) {
  const KeySpec& keys = row.keys;
  if (keys.first <= 0 || keys.step <= 0) return;
  const auto argc = static_cast<int64_t>(argv.size());
  const int64_t last = keys.last < 0 ? argc + keys.last : keys.last;
  for (int64_t i = keys.first; i <= last && i < argc; i += keys.step) {
    out.push_back(argv[static_cast<size_t>(i)]);
  }
}

bool CheckArity(const CommandRow& row, size_t argc) {
  const auto wanted = static_cast<size_t>(std::abs(row.arity));
  return row.arity > 0 ? argc == wanted : argc >= wanted;
}

void ReplyUnknownCommand(Argv argv, resp::Reply& reply) {
  std::string arguments;
  for (const std::string_view arg : argv.subspan(1)) {
    if (arguments.size() >= kErrorEchoBytes) break;
    const size_t room = kErrorEchoBytes - arguments.size();
    arguments.append("'").append(Printable(arg, room)).append("' ");
  }
  std::string text = "ERR unknown command '";
  text.append(Printable(argv[0], kErrorEchoBytes));
  text.append("', with args beginning with: ").append(arguments);
  reply.Error(text);
}

void ReplyUnknownSubcommand(const CommandRow& container, std::string_view word,
                            resp::Reply& reply) {
  std::string text = "ERR unknown subcommand '";
  text.append(Printable(word, kErrorEchoBytes)).append("'. Try ");
  for (const char c : container.name) text.push_back(resp::ToUpper(c));
  text.append(" HELP.");
  reply.Error(text);
}

void ReplyWrongArity(const CommandRow& row, resp::Reply& reply) {
  std::string text = "ERR wrong number of arguments for '";
  text.append(row.name).append("' command");
  reply.Error(text);
}

void CommandIndex::AddRow(const CommandRow& row) {
  if (row.subcommand_count == 0) {
    KV_CHECK_MSG((row.route == Route::kLocal) == (row.local != nullptr), row.name);
    KV_CHECK_MSG((row.route != Route::kLocal) == (row.handler != nullptr), row.name);
  }
  if (row.opcode == Opcode::kNone) return;
  const auto number = static_cast<size_t>(row.opcode);
  if (by_opcode_.size() <= number) by_opcode_.resize(number + 1);
  KV_CHECK_MSG(by_opcode_[number] == nullptr, row.name);
  by_opcode_[number] = &row;
}

void CommandIndex::Add(std::span<const CommandRow> family) {
  for (const CommandRow& row : family) {
    KV_CHECK_MSG(by_name_.emplace(row.name, &row).second, row.name);
    rows_.push_back(&row);
    AddRow(row);
    for (const CommandRow& below : row.subcommands()) AddRow(below);
  }
}

void CommandIndex::AddLogOnly(std::span<const CommandRow> rows) {
  for (const CommandRow& row : rows) AddRow(row);
}

const CommandRow* CommandIndex::Find(std::string_view name) const {
  char lower[kMaxCommandNameBytes];
  if (name.size() > sizeof(lower)) return nullptr;
  std::transform(name.begin(), name.end(), lower, resp::ToLower);
  const auto found = by_name_.find(std::string_view(lower, name.size()));
  return found == by_name_.end() ? nullptr : found->second;
}

const CommandRow* CommandIndex::FindSubcommand(const CommandRow& container, std::string_view word) {
  for (const CommandRow& row : container.subcommands()) {
    if (resp::EqualsIgnoreCase(row.ShortName(), word)) return &row;
  }
  return nullptr;
}

const CommandRow* CommandIndex::Find(Opcode opcode) const {
  const auto number = static_cast<size_t>(opcode);
  return number < by_opcode_.size() ? by_opcode_[number] : nullptr;
}

const CommandRow* CommandIndex::Resolve(Argv argv, resp::Reply& error) const {
  const CommandRow* row = Find(argv[0]);
  if (row == nullptr) {
    ReplyUnknownCommand(argv, error);
    return nullptr;
  }
  if (row->subcommand_count != 0 && argv.size() > 1) {
    const CommandRow* const below = FindSubcommand(*row, argv[1]);
    if (below == nullptr) {
      ReplyUnknownSubcommand(*row, argv[1], error);
      return nullptr;
    }
    row = below;
  }
  if (!CheckArity(*row, argv.size())) {
    ReplyWrongArity(*row, error);
    return nullptr;
  }
  return row;
}

}  // namespace kvorum::store
