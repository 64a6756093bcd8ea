// SPDX-License-Identifier: Apache-2.0
//
// The server as such: INFO, CONFIG, ROLE, TIME, SHUTDOWN.
#include <spdlog/spdlog.h>

#include <utility>
#include <vector>

#include "server/config_load.h"
#include "server/info.h"
#include "server/local_call.h"
#include "server/local_families.h"
#include "store/options.h"

namespace kvorum::server {
namespace {

void Info(LocalCall& call) {
  call.reply.Verbatim("txt", InfoText(call.node, call.session.kind, call.argv.subspan(1)));
}

// ---- CONFIG -----------------------------------------------------------------------------------

void ConfigGetCommand(LocalCall& call) {
  std::vector<std::pair<std::string, std::string>> found;
  for (const std::string_view pattern : call.argv.subspan(2)) {
    for (auto& pair : ConfigGet(call.node.config(), pattern)) {
      if (std::find(found.begin(), found.end(), pair) == found.end()) {
        found.push_back(std::move(pair));
      }
    }
  }
  call.reply.Map(found.size());
  for (const auto& [name, value] : found) {
    call.reply.Bulk(name);
    call.reply.Bulk(value);
  }
}

spdlog::level::level_enum SpdlogLevel(const Config& config) {
  if (config.loglevel == "debug" || config.loglevel == "verbose") return spdlog::level::debug;
  return config.loglevel == "warning" ? spdlog::level::warn : spdlog::level::info;
}

// Most directives are read where they are used; these are kept elsewhere as well.
void Spread(Node& node) {
  const Config& config = node.config();
  node.member().SetLeaseReads(config.lease_reads);
  node.member().SetPriority(static_cast<uint8_t>(config.leader_priority));
  node.member().SetSnapshotRate(config.snapshot_rate);
  node.member().SetIndoubtTimeout(Micros{config.indoubt_timeout_ms} * 1000);
  spdlog::set_level(SpdlogLevel(config));
  if (!config.requirepass.empty()) return;
  // With the password gone, nobody has to give one, and nobody could.
  for (const auto& [id, session] : node.sessions()) {
    session->authenticated = true;
    resp::ParserLimits limits = session->parser.limits();
    limits.authenticated = true;
    session->parser.SetLimits(limits);
  }
}

void ConfigSetCommand(LocalCall& call) {
  if (call.argv.size() % 2 != 0) return store::ReplyWrongArity(call.row, call.reply);
  std::vector<std::pair<std::string_view, std::string_view>> pairs;
  for (size_t i = 2; i < call.argv.size(); i += 2) {
    pairs.emplace_back(call.argv[i], call.argv[i + 1]);
  }
  std::string why;
  if (!ConfigSet(call.node.config(), pairs, &why)) return call.reply.Error("ERR " + why);
  Spread(call.node);
  call.reply.Ok();
}

void ConfigResetStat(LocalCall& call) {
  call.node.ResetStats();
  call.reply.Ok();
}

void ConfigRewrite(LocalCall& call) {
  call.reply.Error("ERR The server is running without a config file");
}

void ConfigHelp(LocalCall& call) {
  static constexpr std::string_view kLines[] = {
      "GET <pattern>",
      "    Return parameters matching the glob-like <pattern> and their values.",
      "SET <directive> <value>",
      "    Set the configuration <directive> to <value>.",
      "RESETSTAT",
      "    Reset statistics reported by the INFO command.",
      "REWRITE",
      "    Rewrite the configuration file."};
  ReplyHelp(call, kLines);
}

// ---- ROLE, TIME, SHUTDOWN -----------------------------------------------------------------------

void WriteReplicas(LocalCall& call, const raft::Core& core) {
  std::vector<NodeId> replicas;
  for (const NodeId id : core.configuration().Members()) {
    if (core.ProgressOf(id) != nullptr && call.node.wire().IsConnected(id)) replicas.push_back(id);
  }
  call.reply.Array(replicas.size());
  for (const NodeId id : replicas) {
    const Address address = call.node.AddressOf(id);
    call.reply.Array(3);
    call.reply.Bulk(address.host);
    call.reply.BulkInteger(address.port);
    call.reply.BulkInteger(static_cast<int64_t>(core.ProgressOf(id)->match().value()));
  }
}

void Role(LocalCall& call) {
  const raft::Core& core = call.node.member().core();
  const auto offset = static_cast<int64_t>(core.log().last_index().value());
  if (core.IsLeader()) {
    call.reply.Array(3);
    call.reply.Bulk("master");
    call.reply.Integer(offset);
    return WriteReplicas(call, core);
  }
  const Address address = call.node.AddressOf(call.node.last_leader());
  const bool known = core.leader() != NodeId();
  call.reply.Array(5);
  call.reply.Bulk("slave");
  call.reply.Bulk(address.host);
  call.reply.Integer(address.port);
  call.reply.Bulk(!known ? "connect" : call.node.member().restoring() ? "sync" : "connected");
  call.reply.Integer(offset);
}

void Time(LocalCall& call) {
  const UnixMs now = call.node.now().wall_ms;
  call.reply.Array(2);
  call.reply.BulkInteger(now / 1000);
  call.reply.BulkInteger(now % 1000 * 1000);
}

// Whatever is asked: what was acknowledged is on disk, what is owed is answered first, and the
// leadership is handed on if there is somebody to take it.
void Shutdown(LocalCall& call) {
  bool save = false;
  bool nosave = false;
  bool abort = false;
  store::Options options(call.argv, 1);
  while (options.Next()) {
    if (options.Is("save")) {
      save = true;
    } else if (options.Is("nosave")) {
      nosave = true;
    } else if (options.Is("abort")) {
      abort = true;
    } else if (!options.Is("now") && !options.Is("force")) {
      options.Syntax();
    }
  }
  if ((save && nosave) || (abort && call.argv.size() > 2)) options.Syntax();
  if (!options.Finish(call.reply)) return;
  if (abort) {
    return call.reply.Error(call.node.draining() ? "ERR The shutdown cannot be stopped any more"
                                                 : "ERR No shutdown in progress.");
  }
  call.session.closing = true;
  call.node.host().RequestShutdown();
}

constexpr uint32_t kFlagsAdmin = kFlagsLocal | store::kFlagAdmin;

constexpr CommandRow kConfigRows[] = {
    {.name = "config|get",
     .arity = -3,
     .flags = kFlagsAdmin,
     .docs = {"Returns the effective values of configuration parameters.", "2.0.0", "server",
              "O(N) when N is the number of configuration parameters provided"},
     .local = ConfigGetCommand},
    {.name = "config|set",
     .arity = -4,
     .flags = kFlagsAdmin,
     .docs = {"Sets configuration parameters in-flight.", "2.0.0", "server",
              "O(N) when N is the number of configuration parameters provided"},
     .local = ConfigSetCommand},
    {.name = "config|resetstat",
     .arity = 2,
     .flags = kFlagsAdmin,
     .docs = {"Resets the server's statistics.", "2.0.0", "server", "O(1)"},
     .local = ConfigResetStat},
    {.name = "config|rewrite",
     .arity = 2,
     .flags = kFlagsAdmin,
     .docs = {"Persists the effective configuration to file. Not supported: always an error.",
              "2.8.0", "server", "O(1)"},
     .local = ConfigRewrite},
    {.name = "config|help",
     .arity = 2,
     .flags = store::kFlagLoading | store::kFlagStale,
     .docs = {"Returns helpful text about the different subcommands.", "5.0.0", "server", "O(1)"},
     .local = ConfigHelp},
};
static_assert(store::ValidRows(kConfigRows));

constexpr CommandRow kRows[] = {
    {.name = "info",
     .arity = -1,
     .flags = store::kFlagLoading | store::kFlagStale | store::kAclDangerous,
     .docs = {"Returns information and statistics about the server.", "1.0.0", "server", "O(1)"},
     .local = Info},
    {.name = "config",
     .arity = -2,
     .docs = {"A container for server configuration commands.", "2.0.0", "server",
              "Depends on subcommand."},
     .subcommand_rows = kConfigRows,
     .subcommand_count = std::size(kConfigRows)},
    {.name = "role",
     .arity = 1,
     .flags = kFlagsLocal | store::kFlagFast | store::kAclDangerous,
     .docs = {"Returns the replication role.", "2.8.12", "server", "O(1)"},
     .local = Role},
    {.name = "time",
     .arity = 1,
     .flags = store::kFlagLoading | store::kFlagStale | store::kFlagFast,
     .docs = {"Returns the server time.", "2.6.0", "server", "O(1)"},
     .local = Time},
    {.name = "shutdown",
     .arity = -1,
     .flags = kFlagsAdmin | store::kFlagNoMulti | store::kFlagAllowBusy,
     .docs = {"Answers what is owed, hands the leadership on and stops the server.", "1.0.0",
              "server", "O(1)"},
     .local = Shutdown},
};
static_assert(store::ValidRows(kRows));

}  // namespace

std::span<const CommandRow> ServerCommands() { return kRows; }

}  // namespace kvorum::server
