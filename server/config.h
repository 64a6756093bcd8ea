// SPDX-License-Identifier: Apache-2.0
//
// The directives of a node, parsed and checked. Filled once at start-up (server/config_load.h);
// what CONFIG SET may change at run time is changed on the reactor's thread only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.h"
#include "store/feature.h"

namespace kvorum::server {

// One member as `cluster-nodes` names it: id=host:port@peer-port.
struct NodeAddress {
  NodeId id;
  std::string host;
  uint16_t port = 0;       // clients
  uint16_t peer_port = 0;  // other members

  friend bool operator==(const NodeAddress&, const NodeAddress&) = default;
};

struct Config {
  // identity and place
  NodeId node_id{1};
  std::vector<NodeAddress> cluster_nodes;  // sorted by id; one entry for a group of one
  std::string join;                        // host:port of a member's client port; empty: no joiner
  uint64_t cluster_id = 0;                 // 0: computed from cluster_nodes' ids
  std::string dir = "./kvorum-data";

  // sockets
  std::vector<std::string> bind{"127.0.0.1", "-::1"};  // '-': no error when not available
  uint16_t port = 6379;
  uint16_t proxy_port = 0;    // 0: off
  uint16_t raft_port = 0;     // 0: the peer port that cluster-nodes gives this node
  uint16_t metrics_port = 0;  // 0: off
  std::string metrics_bind = "127.0.0.1";
  uint32_t maxclients = 10'000;
  uint32_t tcp_backlog = 511;
  uint32_t tcp_keepalive_s = 300;
  uint32_t io_threads = 1;          // with the reactor's
  uint32_t timeout_s = 0;           // idle clients; 0: never
  uint32_t request_timeout_s = 30;  // a request that has begun
  uint32_t auth_timeout_s = 10;     // unauthenticated connections
  std::string requirepass;
  bool protected_mode = true;
  uint64_t proto_max_bulk_len = 64ULL << 20;
  uint64_t client_query_buffer_limit = 1ULL << 30;
  uint64_t output_hard_limit = 64ULL << 20;
  uint64_t output_soft_limit = 16ULL << 20;
  uint32_t output_soft_seconds = 10;
  std::string cluster_announce_hostname;
  std::string cluster_announce_ip;
  uint16_t cluster_announce_port = 0;

  // consensus
  uint32_t election_timeout_ms = 150;
  uint32_t election_timeout_max_ms = 0;  // 0: ten times election_timeout_ms
  uint32_t heartbeat_interval_ms = 50;
  uint32_t lease_duration_ms = 10;
  uint32_t clock_drift_percent = 50;
  uint32_t leader_priority = 100;
  bool lease_reads = true;  // read-mode lease|quorum
  uint32_t election_park_timeout_ms = 5'000;
  uint32_t indoubt_timeout_ms = 5'000;
  uint16_t feature_level_max = 0;  // 0: what this release can

  // disk
  uint64_t wal_segment_bytes = 16ULL << 20;
  uint64_t snapshot_log_bytes = 128ULL << 20;
  uint32_t snapshot_log_percentage = 10;
  uint32_t snapshot_log_entries = 1'000'000;
  uint64_t snapshot_rate = 64ULL << 20;  // bytes a second to followers; 0: no limit
  uint64_t keep_log_bytes = 16ULL << 20;
  uint64_t min_free_disk_bytes = 64ULL << 20;

  // store
  uint32_t databases = 16;
  uint64_t maxmemory = 0;  // 0: no limit

  // logging
  std::string loglevel = "notice";  // debug, verbose, notice, warning
  std::string logfile;              // empty: standard output

  // What this release can: no directive. Less makes an older one of it, for tests.
  uint16_t feature_level_known = store::kFeatureLevel;

  // Where the directives came from, for CONFIG GET's sake and the start-up message.
  std::string config_file;

  [[nodiscard]] const NodeAddress* Find(NodeId id) const {
    for (const NodeAddress& node : cluster_nodes) {
      if (node.id == id) return &node;
    }
    return nullptr;
  }
};

inline uint32_t ElectionTimeoutMostMs(const Config& config) {
  if (config.election_timeout_max_ms != 0) return config.election_timeout_max_ms;
  return std::min<uint32_t>(10 * config.election_timeout_ms, 600'000);
}

}  // namespace kvorum::server
