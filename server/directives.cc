// SPDX-License-Identifier: Apache-2.0
#include "server/directives.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

#include "disk/limits.h"
#include "resp/format.h"
#include "resp/limits.h"
#include "server/cluster_nodes.h"
#include "store/limits.h"

namespace kvorum::server {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kGiB = uint64_t{1} << 30;
constexpr uint64_t kMaxBytes = std::numeric_limits<int64_t>::max();
constexpr uint64_t kMaxSeconds = 30ULL * 24 * 3600;
constexpr uint64_t kMaxMillis = 600'000;
constexpr uint64_t kMaxEntries = 1'000'000'000;

std::optional<uint64_t> ParseNumber(std::string_view text) {
  uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc() || stop != end) return std::nullopt;
  return value;
}

// Redis's units: k is 1000, kb is 1024.
std::optional<uint64_t> ParseBytes(std::string_view text) {
  constexpr std::pair<std::string_view, uint64_t> kUnits[] = {
      {"b", 1},        {"k", 1000},          {"kb", 1024}, {"m", 1'000'000},
      {"mb", 1 << 20}, {"g", 1'000'000'000}, {"gb", kGiB}, {"", 1}};
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::optional<uint64_t> number = ParseNumber(text.substr(0, digits));
  if (!number) return std::nullopt;
  for (const auto& [unit, factor] : kUnits) {
    if (!resp::EqualsIgnoreCase(text.substr(digits), unit)) continue;
    if (*number > kMaxBytes / factor) return std::nullopt;
    return *number * factor;
  }
  return std::nullopt;
}

std::string Between(uint64_t least, uint64_t most) {
  return "argument must be between " + std::to_string(least) + " and " + std::to_string(most) +
         " inclusive";
}

// ---- how a kind of field is read and written; Field is a pointer to a member of Config ---------

template <auto Field>
using Type = std::remove_reference_t<decltype(std::declval<Config&>().*Field)>;

template <auto Field, uint64_t kLeast, uint64_t kMost>
std::string SetNumber(Config& config, Words words) {
  static_assert(kMost <= std::numeric_limits<Type<Field>>::max());
  const std::optional<uint64_t> value = ParseNumber(words[0]);
  if (!value && !ParseNumber(words[0].substr(words[0].starts_with('-') ? 1 : 0))) {
    return "argument couldn't be parsed into an integer";
  }
  if (!value || *value < kLeast || *value > kMost) return Between(kLeast, kMost);
  config.*Field = static_cast<Type<Field>>(*value);
  return {};
}
template <auto Field>
std::string GetNumber(const Config& config) {
  return std::to_string(config.*Field);
}

template <auto Field, uint64_t kLeast, uint64_t kMost>
std::string SetBytes(Config& config, Words words) {
  const std::optional<uint64_t> value = ParseBytes(words[0]);
  if (!value) return "argument must be a memory value";
  if (*value < kLeast || *value > kMost) return Between(kLeast, kMost);
  config.*Field = *value;
  return {};
}

template <auto Field>
std::string SetYesNo(Config& config, Words words) {
  const bool yes = resp::EqualsIgnoreCase(words[0], "yes");
  if (!yes && !resp::EqualsIgnoreCase(words[0], "no")) return "argument must be 'yes' or 'no'";
  config.*Field = yes;
  return {};
}
template <auto Field>
std::string GetYesNo(const Config& config) {
  return config.*Field ? "yes" : "no";
}

template <auto Field>
std::string SetText(Config& config, Words words) {
  config.*Field = words[0];
  return {};
}
template <auto Field>
std::string GetText(const Config& config) {
  return config.*Field;
}

// ---- directives with a grammar of their own -----------------------------------------------------

std::string SetNodeId(Config& config, Words words) {
  const std::optional<uint64_t> value = ParseNumber(words[0]);
  if (!value || *value == 0) return "argument must be a number from 1 on";
  config.node_id = NodeId(*value);
  return {};
}
std::string GetNodeId(const Config& config) { return std::to_string(config.node_id.value()); }

std::string SetDir(Config& config, Words words) {
  if (words[0].empty()) return "argument must name a directory";
  config.dir = words[0];
  return {};
}

std::string SetBind(Config& config, Words words) {
  config.bind.assign(words.begin(), words.end());
  std::erase(config.bind, "");
  return config.bind.empty() ? "argument must name an address" : "";
}
std::string GetBind(const Config& config) {
  std::string text;
  for (const std::string& address : config.bind) text += (text.empty() ? "" : " ") + address;
  return text;
}

std::string SetLogLevel(Config& config, Words words) {
  for (const std::string_view level : {"debug", "verbose", "notice", "warning"}) {
    if (!resp::EqualsIgnoreCase(words[0], level)) continue;
    config.loglevel = level;
    return {};
  }
  return "argument(s) must be one of the following: debug, verbose, notice, warning";
}

std::string SetReadMode(Config& config, Words words) {
  const bool lease = resp::EqualsIgnoreCase(words[0], "lease");
  if (!lease && !resp::EqualsIgnoreCase(words[0], "quorum")) {
    return "argument(s) must be one of the following: lease, quorum";
  }
  config.lease_reads = lease;
  return {};
}
std::string GetReadMode(const Config& config) { return config.lease_reads ? "lease" : "quorum"; }

// What cannot be otherwise here, under the name that clients and old configuration files use.
struct Yes {
  static constexpr std::string_view kText = "yes";
};
struct No {
  static constexpr std::string_view kText = "no";
};
struct Nothing {
  static constexpr std::string_view kText = "";
};
struct Always {
  static constexpr std::string_view kText = "always";
};
struct NoEviction {
  static constexpr std::string_view kText = "noeviction";
};
template <class Value>
std::string SetFixed(Config& /*config*/, Words words) {
  if (resp::EqualsIgnoreCase(words[0], Value::kText)) return {};
  return "it is always '" + std::string(Value::kText) + "' here";
}
template <class Value>
std::string GetFixed(const Config& /*config*/) {
  return std::string(Value::kText);
}

constexpr bool kRuntime = true;

template <auto Field, uint64_t kLeast, uint64_t kMost>
constexpr Directive Number(std::string_view name, std::string_view doc, bool runtime = false) {
  return {name, doc, SetNumber<Field, kLeast, kMost>, GetNumber<Field>, runtime};
}
template <auto Field, uint64_t kLeast, uint64_t kMost>
constexpr Directive Bytes(std::string_view name, std::string_view doc, bool runtime = false) {
  return {name, doc, SetBytes<Field, kLeast, kMost>, GetNumber<Field>, runtime};
}
template <auto Field>
constexpr Directive Text(std::string_view name, std::string_view doc) {
  return {name, doc, SetText<Field>, GetText<Field>};
}
template <class Value>
constexpr Directive Fixed(std::string_view name, std::string_view doc) {
  return {name, doc, SetFixed<Value>, GetFixed<Value>};
}

using C = Config;

constexpr Directive kDirectives[] = {
    // identity and place
    {"node-id", "This node's number in cluster-nodes.", SetNodeId, GetNodeId},
    {"cluster-nodes",
     "All members: 1=host:port@peer-port 2=..., separated by blanks or commas. Empty: one node.",
     SetClusterNodes, GetClusterNodes, false, true},
    Text<&C::join>("join",
                   "host:port of any member: this node asks to be taken in at its first start."),
    Number<&C::cluster_id, 0, UINT64_MAX>(
        "cluster-id", "A number that the members of one cluster share. 0: made of their ids."),
    {"dir", "Where log, snapshots and identity live.", SetDir, GetText<&C::dir>},

    // sockets
    {"bind", "Addresses to listen on; '-' before one that may be missing.", SetBind, GetBind, false,
     true},
    Number<&C::port, 1, 65535>("port", "For cluster clients."),
    Number<&C::proxy_port, 0, 65535>("proxy-port",
                                     "For plain clients: every node serves them. 0: off."),
    Number<&C::raft_port, 0, 65535>("raft-port",
                                    "Where members listen for each other. 0: as in cluster-nodes."),
    Number<&C::metrics_port, 0, 65535>("metrics-port", "Prometheus metrics by HTTP. 0: off."),
    Text<&C::metrics_bind>("metrics-bind", "The address that metrics-port listens on."),
    Number<&C::maxclients, 1, 1'000'000>("maxclients", "Connections at a time.", kRuntime),
    Number<&C::tcp_backlog, 1, 65535>("tcp-backlog", "Connections waiting to be accepted."),
    Number<&C::io_threads, 1, 128>(
        "io-threads", "Threads that read from and write to clients; 1: none but the main one."),
    Number<&C::tcp_keepalive_s, 0, kMaxSeconds>(
        "tcp-keepalive", "Not 0: new connections are watched by TCP.", kRuntime),
    Number<&C::timeout_s, 0, kMaxSeconds>("timeout", "Idle clients are closed, s. 0: never.",
                                          kRuntime),
    Number<&C::request_timeout_s, 0, kMaxSeconds>(
        "request-timeout", "A request that has begun must end within, s. 0: never.", kRuntime),
    Number<&C::auth_timeout_s, 0, kMaxSeconds>(
        "auth-timeout", "Connections must authenticate within, s. 0: never.", kRuntime),
    {"requirepass", "The password of clients. Empty: none.", SetText<&C::requirepass>,
     GetText<&C::requirepass>, kRuntime, false, true},
    {"protected-mode", "Without a password, only this machine's clients.",
     SetYesNo<&C::protected_mode>, GetYesNo<&C::protected_mode>, kRuntime},
    Bytes<&C::proto_max_bulk_len, kMiB, resp::kMaxBulkBytes>(
        "proto-max-bulk-len", "The longest argument, bytes; for new connections.", kRuntime),
    Bytes<&C::client_query_buffer_limit, kMiB, kMaxBytes>(
        "client-query-buffer-limit", "Bytes of a client that wait to be executed.", kRuntime),
    Bytes<&C::output_hard_limit, kMiB, kMaxBytes>(
        "output-hard-limit", "A client with more unread bytes is closed.", kRuntime),
    Bytes<&C::output_soft_limit, 64 * 1024, kMaxBytes>(
        "output-soft-limit", "A client with more unread bytes is served no further.", kRuntime),
    Number<&C::output_soft_seconds, 0, kMaxSeconds>(
        "output-soft-seconds", "... and closed when it stays so, s. 0: never.", kRuntime),
    Text<&C::cluster_announce_hostname>("cluster-announce-hostname",
                                        "The host that clients are told of this node."),
    Text<&C::cluster_announce_ip>("cluster-announce-ip", "The same as an address."),
    Number<&C::cluster_announce_port, 0, 65535>("cluster-announce-port",
                                                "The port that clients are told. 0: port."),

    // consensus
    Number<&C::election_timeout_ms, 10, kMaxMillis>(
        "election-timeout",
        "Silence of the leader that starts an election, ms; up to twice it. More where round trips "
        "are long."),
    Number<&C::election_timeout_max_ms, 0, kMaxMillis>(
        "election-timeout-max", "And no more than that. 0: ten times election-timeout."),
    Number<&C::heartbeat_interval_ms, 1, kMaxMillis>("heartbeat-interval",
                                                     "The leader's pulse, ms."),
    Number<&C::lease_duration_ms, 1, kMaxMillis>(
        "lease-duration", "How long a majority's answer lets the leader read alone, ms."),
    Number<&C::clock_drift_percent, 1, 1000>(
        "clock-drift-percent", "How much faster the fastest clock may run than the slowest."),
    Number<&C::leader_priority, 0, 255>(
        "leader-priority", "A leader hands over to a voter that keeps up and has more of it.",
        kRuntime),
    {"read-mode", "lease: by the leader's lease. quorum: a majority is asked for every read.",
     SetReadMode, GetReadMode, kRuntime},
    Number<&C::election_park_timeout_ms, 0, kMaxMillis>(
        "election-park-timeout", "Commands wait for a leader, ms; then CLUSTERDOWN.", kRuntime),
    Number<&C::indoubt_timeout_ms, 100, kMaxMillis>(
        "indoubt-timeout", "The outcome of a write is looked for, ms; then INDOUBT.", kRuntime),
    Number<&C::feature_level_max, 0, UINT16_MAX>(
        "feature-level-max",
        "The cluster's feature level is not raised above it while this node is a member. 0: as far "
        "as this release can.",
        kRuntime),

    // disk
    Bytes<&C::wal_segment_bytes, kMiB, kGiB>("wal-segment-size", "A file of the log, bytes."),
    Bytes<&C::snapshot_log_bytes, kMiB, kMaxBytes>(
        "snapshot-log-size", "A log of so many bytes is cut behind a snapshot, at the earliest."),
    Number<&C::snapshot_log_percentage, 0, 1'000>(
        "snapshot-log-percentage",
        "Not before the log is so many percent of the data, so that much data is written down "
        "seldom. 0: snapshot-log-size alone counts."),
    Number<&C::snapshot_log_entries, 1'000, kMaxEntries>(
        "snapshot-log-entries", "A log of so many entries is cut behind a snapshot."),
    Bytes<&C::snapshot_rate, 0, kMaxBytes>(
        "snapshot-rate", "Snapshots go to followers with so many bytes a second. 0: no limit.",
        kRuntime),
    Bytes<&C::keep_log_bytes, 0, kMaxBytes>("keep-log-size",
                                            "Bytes of log kept for followers that lag."),
    Bytes<&C::min_free_disk_bytes, 0, kMaxBytes>(
        "min-free-disk", "With less than that free, writes are refused, bytes.", kRuntime),

    // store
    Number<&C::databases, 1, store::kDatabases>("databases", "Numbers that SELECT takes."),
    Bytes<&C::maxmemory, 0, kMaxBytes>("maxmemory", "Writes are refused above it, bytes. 0: never.",
                                       kRuntime),

    // logging
    {"loglevel", "debug, verbose, notice or warning.", SetLogLevel, GetText<&C::loglevel>,
     kRuntime},
    Text<&C::logfile>("logfile", "Empty: standard output."),

    // what other servers let one choose
    Fixed<NoEviction>("maxmemory-policy", "Nothing that was acknowledged is evicted."),
    Fixed<Yes>("appendonly", "There is always a log."),
    Fixed<Always>("appendfsync", "A write is acknowledged when a majority has it on disk."),
    Fixed<Nothing>("save", "Snapshots follow snapshot-log-size and snapshot-log-percentage."),
    Fixed<No>("daemonize", "It runs in the foreground."),
};

}  // namespace

std::span<const Directive> Directives() { return kDirectives; }

const Directive* FindDirective(std::string_view name) {
  for (const Directive& directive : kDirectives) {
    if (resp::EqualsIgnoreCase(directive.name, name)) return &directive;
  }
  return nullptr;
}

std::string FaultOf(const Config& config) {
  const auto text = [](uint64_t number) { return std::to_string(number); };
  if (config.election_timeout_ms <= 2 * uint64_t{config.heartbeat_interval_ms}) {
    return "election-timeout (" + text(config.election_timeout_ms) +
           " ms) must be more than twice heartbeat-interval (" +
           text(config.heartbeat_interval_ms) + " ms)";
  }
  if (ElectionTimeoutMostMs(config) < config.election_timeout_ms) {
    return "election-timeout-max must not be below election-timeout";
  }
  // What a member promises with a lease; it must be over long before an election is due.
  const uint64_t promise_ms =
      uint64_t{config.lease_duration_ms} * (100 + config.clock_drift_percent) / 100;
  if (2 * promise_ms >= config.election_timeout_ms) {
    return "lease-duration stretched by clock-drift-percent (" + text(promise_ms) +
           " ms) must be less than half of election-timeout (" + text(config.election_timeout_ms) +
           " ms)";
  }
  if (config.output_soft_limit > config.output_hard_limit) {
    return "output-soft-limit must not exceed output-hard-limit";
  }
  if (config.client_query_buffer_limit <= config.proto_max_bulk_len) {
    return "client-query-buffer-limit must exceed proto-max-bulk-len";
  }
  if (config.keep_log_bytes > config.snapshot_log_bytes) {
    return "keep-log-size must not exceed snapshot-log-size";
  }
  return ClusterFaultOf(config);
}

}  // namespace kvorum::server
