// SPDX-License-Identifier: Apache-2.0
#include "server/info.h"

#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "metrics/process.h"
#include "resp/format.h"
#include "server/boot.h"
#include "server/version.h"

namespace kvorum::server {
namespace {

class Lines {
 public:
  template <class Value>
  void Add(std::string_view name, const Value& value) {
    text_.append(name).append(":");
    if constexpr (std::is_arithmetic_v<Value>) {
      text_ += std::to_string(value);
    } else {
      text_ += value;
    }
    text_ += "\r\n";
  }
  template <class Tag>
  void Add(std::string_view name, const Strong<Tag>& value) {
    Add(name, value.value());
  }
  void Title(std::string_view name) {
    if (!text_.empty()) text_ += "\r\n";
    text_.append("# ").append(name).append("\r\n");
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

struct Scene {
  const Node& node;
  PortKind kind;
  metrics::Process process;

  [[nodiscard]] const raft::Core& core() const { return node.member().core(); }
  [[nodiscard]] bool cluster() const { return kind != PortKind::kProxy; }
  [[nodiscard]] int64_t uptime_s() const {
    return (node.now().boot_us - node.started_at()) / 1'000'000;
  }
};

// Two digits behind the point, whatever the locale.
std::string Fixed(double value) {
  char digits[64];
  const auto end =
      std::to_chars(digits, digits + sizeof(digits), value, std::chars_format::fixed, 2);
  return {digits, end.ptr};
}

std::string Human(uint64_t bytes) {
  constexpr std::pair<uint64_t, std::string_view> kUnits[] = {
      {uint64_t{1} << 40, "T"}, {uint64_t{1} << 30, "G"}, {1 << 20, "M"}, {1 << 10, "K"}};
  for (const auto& [unit, name] : kUnits) {
    if (bytes >= unit) {
      return Fixed(static_cast<double>(bytes) / static_cast<double>(unit)) + std::string(name);
    }
  }
  return std::to_string(bytes) + "B";
}

void Server(const Scene& scene, Lines& lines) {
  utsname name{};
  uname(&name);
  const Config& config = scene.node.config();
  lines.Add("redis_version", kRedisVersion);
  lines.Add("redis_git_sha1", "00000000");
  lines.Add("redis_git_dirty", 0);
  lines.Add("redis_build_id", "0000000000000000");
  lines.Add("redis_mode", scene.cluster() ? "cluster" : "standalone");
  lines.Add("os", std::string(name.sysname) + " " + name.release + " " + name.machine);
  lines.Add("arch_bits", 8 * sizeof(void*));
  lines.Add("multiplexing_api", "epoll");
  lines.Add("process_id", getpid());
  lines.Add("process_supervised", "no");
  lines.Add("run_id", ClusterNodeName(ClusterIdOf(config), config.node_id));
  lines.Add("tcp_port", scene.cluster() ? config.port : config.proxy_port);
  lines.Add("server_time_usec", scene.node.now().wall_ms * 1000);
  lines.Add("uptime_in_seconds", scene.uptime_s());
  lines.Add("uptime_in_days", scene.uptime_s() / 86'400);
  lines.Add("config_file", config.config_file);
}

void Clients(const Scene& scene, Lines& lines) {
  size_t blocked = 0;
  size_t largest_input = 0;
  size_t largest_output = 0;
  for (const auto& [id, session] : scene.node.sessions()) {
    if (session->stall == Stall::kWait) ++blocked;
    largest_input = std::max(largest_input, session->input.size());
    largest_output = std::max(largest_output, session->output.size());
  }
  lines.Add("connected_clients", scene.node.stats().connections.Get());
  lines.Add("cluster_connections",
            std::max<size_t>(scene.core().configuration().Members().size(), 1) - 1);
  lines.Add("maxclients", scene.node.config().maxclients);
  lines.Add("client_recent_max_input_buffer", largest_input);
  lines.Add("client_recent_max_output_buffer", largest_output);
  lines.Add("blocked_clients", blocked);
  lines.Add("tracking_clients", 0);
  lines.Add("parked_clients", scene.node.stats().parked.Get());
}

void Memory(const Scene& scene, Lines& lines) {
  const size_t used = scene.node.machine().MemoryBytes();
  const auto resident = static_cast<uint64_t>(scene.process.resident_bytes);
  const uint64_t total =
      static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  lines.Add("used_memory", used);
  lines.Add("used_memory_human", Human(used));
  lines.Add("used_memory_rss", resident);
  lines.Add("used_memory_rss_human", Human(resident));
  lines.Add("used_memory_dataset", used);
  lines.Add("total_system_memory", total);
  lines.Add("total_system_memory_human", Human(total));
  lines.Add("maxmemory", scene.node.config().maxmemory);
  lines.Add("maxmemory_human", Human(scene.node.config().maxmemory));
  lines.Add("maxmemory_policy", "noeviction");
  lines.Add("mem_fragmentation_ratio",
            Fixed(used == 0 ? 1.0 : static_cast<double>(resident) / static_cast<double>(used)));
  lines.Add("mem_raft_log", scene.core().log().bytes());
}

void Persistence(const Scene& scene, Lines& lines) {
  const replica::SnapshotTaker& taker = scene.node.member().taker();
  const int64_t finished_at = taker.stats().finished_at.Get();
  const int64_t age_s = (scene.node.now().boot_us - finished_at) / 1'000'000;
  lines.Add("loading", 0);
  lines.Add("async_loading", scene.node.member().restoring() ? 1 : 0);
  lines.Add("rdb_changes_since_last_save",
            scene.node.member().applied() -
                std::min(scene.node.member().applied(), scene.core().snapshot().index));
  lines.Add("rdb_bgsave_in_progress", taker.running() ? 1 : 0);
  lines.Add("rdb_last_save_time", finished_at == 0 ? 0 : scene.node.now().wall_ms / 1000 - age_s);
  lines.Add("rdb_last_bgsave_status", "ok");
  lines.Add("rdb_saves", taker.stats().taken.Get());
  lines.Add("aof_enabled", 1);
  lines.Add("aof_rewrite_in_progress", 0);
  lines.Add("aof_rewrite_scheduled", 0);
  lines.Add("aof_last_bgrewrite_status", "ok");
  lines.Add("aof_last_write_status", scene.node.disk_full() ? "err" : "ok");
  lines.Add("aof_current_size", scene.core().log().bytes());
}

void Stats(const Scene& scene, Lines& lines) {
  const NodeStats& stats = scene.node.stats();
  const StatsBase& base = scene.node.stats_base();
  const store::MachineStats& machine = scene.node.machine().stats();
  lines.Add("total_connections_received", stats.connections_total.Get() - base.connections_total);
  lines.Add("total_commands_processed", stats.commands.Get() - base.commands);
  lines.Add("total_net_input_bytes", stats.bytes_in.Get() - base.bytes_in);
  lines.Add("total_net_output_bytes", stats.bytes_out.Get() - base.bytes_out);
  lines.Add("rejected_connections", stats.connections_rejected.Get() - base.connections_rejected);
  lines.Add("expired_keys", machine.expired_keys.Get() - base.expired_keys);
  lines.Add("evicted_keys", 0);
  lines.Add("evicted_clients", 0);
  lines.Add("keyspace_hits", machine.keyspace_hits.Get() - base.keyspace_hits);
  lines.Add("keyspace_misses", machine.keyspace_misses.Get() - base.keyspace_misses);
  lines.Add("pubsub_channels", 0);
  lines.Add("pubsub_patterns", 0);
  lines.Add("pubsubshard_channels", 0);
  lines.Add("latest_fork_usec", 0);
  lines.Add("total_forks", 0);
}

void AddFollowers(const Scene& scene, Lines& lines) {
  size_t number = 0;
  std::vector<std::pair<std::string, std::string>> followers;
  for (const NodeId id : scene.core().configuration().Members()) {
    const raft::Progress* progress = scene.core().ProgressOf(id);
    if (progress == nullptr || !scene.node.wire().IsConnected(id)) continue;
    const Address address = scene.node.AddressOf(id);
    const Micros lag_s = (scene.node.now().boot_us - progress->last_heard()) / 1'000'000;
    followers.emplace_back("slave" + std::to_string(number++),
                           "ip=" + address.host + ",port=" + std::to_string(address.port) +
                               ",state=online,offset=" + std::to_string(progress->match().value()) +
                               ",lag=" + std::to_string(lag_s));
  }
  lines.Add("connected_slaves", followers.size());
  for (const auto& [name, value] : followers) lines.Add(name, value);
}

void Replication(const Scene& scene, Lines& lines) {
  const raft::Core& core = scene.core();
  const Index last = core.log().last_index();
  lines.Add("role", core.IsLeader() ? "master" : "slave");
  if (core.IsLeader()) {
    AddFollowers(scene, lines);
  } else {
    const NodeId leader = scene.node.last_leader();
    const bool up = core.leader() != NodeId() && scene.node.wire().IsConnected(core.leader());
    const Address address = scene.node.AddressOf(leader);
    lines.Add("master_host", address.host);
    lines.Add("master_port", address.port);
    lines.Add("master_link_status", up ? "up" : "down");
    lines.Add("master_last_io_seconds_ago", up ? 0 : -1);
    lines.Add("master_sync_in_progress", scene.node.member().restoring() ? 1 : 0);
    lines.Add("slave_repl_offset", last);
    lines.Add("slave_priority", 100);
    lines.Add("slave_read_only", 1);
    lines.Add("replica_announced", 1);
    lines.Add("connected_slaves", 0);
  }
  const std::string replication_id = ClusterNodeName(ClusterIdOf(scene.node.config()), NodeId());
  lines.Add("master_failover_state",
            core.IsTransferring() ? "failover-in-progress" : "no-failover");
  lines.Add("master_replid", replication_id);
  lines.Add("master_replid2", std::string(40, '0'));
  lines.Add("master_repl_offset", last);
  lines.Add("second_repl_offset", -1);
  lines.Add("repl_backlog_active", 1);
  lines.Add("repl_backlog_size", core.log().bytes());
  lines.Add("repl_backlog_first_byte_offset", core.log().base_index() + 1);
  lines.Add("repl_backlog_histlen", last - core.log().base_index());
}

void Cpu(const Scene& /*scene*/, Lines& lines) {
  const auto seconds = [](const timeval& time) {
    return std::to_string(time.tv_sec) + "." + std::to_string(1'000'000 + time.tv_usec).substr(1);
  };
  rusage self{};
  rusage children{};
  getrusage(RUSAGE_SELF, &self);
  getrusage(RUSAGE_CHILDREN, &children);
  lines.Add("used_cpu_sys", seconds(self.ru_stime));
  lines.Add("used_cpu_user", seconds(self.ru_utime));
  lines.Add("used_cpu_sys_children", seconds(children.ru_stime));
  lines.Add("used_cpu_user_children", seconds(children.ru_utime));
}

void AddCommandStats(const Scene& scene, const store::CommandRow& row, Lines& lines) {
  const CommandStats* stats = scene.node.StatsOf(row);
  const auto found = scene.node.stats_base().by_command.find(&row);
  const StatsBase::Command base =
      found == scene.node.stats_base().by_command.end() ? StatsBase::Command{} : found->second;
  if (stats == nullptr) return;
  const uint64_t calls = stats->calls.Get() - base.calls;
  const uint64_t us = stats->us.SumUs() - base.us;
  const uint64_t rejected = stats->rejected.Get() - base.rejected;
  if (calls == 0 && rejected == 0) return;
  const double each = calls == 0 ? 0.0 : static_cast<double>(us) / static_cast<double>(calls);
  lines.Add("cmdstat_" + std::string(row.name),
            "calls=" + std::to_string(calls) + ",usec=" + std::to_string(us) + ",usec_per_call=" +
                Fixed(each) + ",rejected_calls=" + std::to_string(rejected) + ",failed_calls=0");
}

void Commandstats(const Scene& scene, Lines& lines) {
  for (const store::CommandRow* row : scene.node.commands().rows()) {
    AddCommandStats(scene, *row, lines);
    for (const store::CommandRow& below : row->subcommands()) AddCommandStats(scene, below, lines);
  }
}

// The kinds of error that are counted apart.
void Errorstats(const Scene& scene, Lines& lines) {
  const NodeStats& stats = scene.node.stats();
  const StatsBase& base = scene.node.stats_base();
  const std::pair<std::string_view, uint64_t> errors[] = {
      {"CLUSTERDOWN", stats.park_timeouts.Get() - base.park_timeouts},
      {"INDOUBT", stats.indoubt.Get() - base.indoubt},
      {"MOVED", stats.redirected.Get() - base.redirected}};
  for (const auto& [name, count] : errors) {
    if (count != 0) lines.Add("errorstat_" + std::string(name), "count=" + std::to_string(count));
  }
}

void Cluster(const Scene& scene, Lines& lines) {
  lines.Add("cluster_enabled", scene.cluster() ? 1 : 0);
}

void Keyspace(const Scene& scene, Lines& lines) {
  const store::Machine& machine = scene.node.machine();
  for (int number = 0; number < machine.options().databases; ++number) {
    const size_t keys = machine.KeyCount(number);
    if (keys == 0) continue;
    lines.Add("db" + std::to_string(number),
              "keys=" + std::to_string(keys) +
                  ",expires=" + std::to_string(machine.ExpiryCount(number)) + ",avg_ttl=0");
  }
}

void Kvorum(const Scene& scene, Lines& lines) {
  const replica::Member& member = scene.node.member();
  const raft::Core& core = scene.core();
  const raft::RoleKind role = core.role();
  lines.Add("kvorum_version", kVersion);
  lines.Add("kvorum_node_id", core.id());
  lines.Add("kvorum_role", role == raft::RoleKind::kLeader      ? "leader"
                           : role == raft::RoleKind::kCandidate ? "candidate"
                                                                : "follower");
  lines.Add("kvorum_serves", member.Serves() ? 1 : 0);
  lines.Add("kvorum_term", core.term());
  lines.Add("kvorum_leader", core.leader());
  lines.Add("kvorum_voters", core.configuration().voters.size());
  lines.Add("kvorum_commit_index", core.commit());
  lines.Add("kvorum_applied_index", member.applied());
  lines.Add("kvorum_last_index", core.log().last_index());
  lines.Add("kvorum_durable_index", core.log().durable_index());
  lines.Add("kvorum_snapshot_index", core.snapshot().index);
  lines.Add("kvorum_read_mode", scene.node.config().lease_reads ? "lease" : "quorum");
  lines.Add("kvorum_proposals_pending", member.proposals_pending());
  lines.Add("kvorum_proposals_committed", member.stats().proposals_committed.Get());
  lines.Add("kvorum_proposals_failed", member.stats().proposals_failed.Get());
  lines.Add("kvorum_carried_pending", scene.node.carried_pending());
  lines.Add("kvorum_forwarded", scene.node.stats().forwarded.Get());
  lines.Add("kvorum_indoubt", scene.node.stats().indoubt.Get());
}

struct Section {
  std::string_view name;
  std::string_view title;
  bool by_default;
  void (*write)(const Scene&, Lines&);
};
constexpr Section kSections[] = {{"server", "Server", true, Server},
                                 {"clients", "Clients", true, Clients},
                                 {"memory", "Memory", true, Memory},
                                 {"persistence", "Persistence", true, Persistence},
                                 {"stats", "Stats", true, Stats},
                                 {"replication", "Replication", true, Replication},
                                 {"cpu", "CPU", true, Cpu},
                                 {"commandstats", "Commandstats", false, Commandstats},
                                 {"errorstats", "Errorstats", true, Errorstats},
                                 {"cluster", "Cluster", true, Cluster},
                                 {"keyspace", "Keyspace", true, Keyspace},
                                 {"kvorum", "Kvorum", true, Kvorum}};

bool Wanted(const Section& section, std::span<const std::string_view> names) {
  if (names.empty()) return section.by_default;
  return std::any_of(names.begin(), names.end(), [&](std::string_view name) {
    return resp::EqualsIgnoreCase(name, section.name) || resp::EqualsIgnoreCase(name, "all") ||
           resp::EqualsIgnoreCase(name, "everything") ||
           (section.by_default && resp::EqualsIgnoreCase(name, "default"));
  });
}

}  // namespace

std::string InfoText(const Node& node, PortKind kind, std::span<const std::string_view> sections) {
  const Scene scene{node, kind, metrics::ReadProcess()};
  Lines lines;
  for (const Section& section : kSections) {
    if (!Wanted(section, sections)) continue;
    lines.Title(section.title);
    section.write(scene, lines);
  }
  return lines.Take();
}

}  // namespace kvorum::server
