// SPDX-License-Identifier: Apache-2.0
//
// Which series a node exports, and its HTTP pages: /metrics, /livez, /readyz, /version.
//
// Counters are read where they are. What is no counter (role, term, indexes, per-peer progress) is
// copied into gauges by Publish on the reactor's thread.
#pragma once

#include <map>
#include <memory>

#include "disk/wal.h"
#include "metrics/catalog.h"
#include "metrics/http_endpoint.h"
#include "server/node.h"
#include "server/peer_links.h"
#include "server/wal_thread.h"

namespace kvorum::server {

class Exporter {
 public:
  // Everything is borrowed.
  Exporter(const Config& config, const Node& node, const WalThread& wal_thread,
           const disk::Wal& wal, const PeerLinks& links);
  // Nothing is started when metrics-port is 0.
  Status Start();
  void Stop() { http_.Stop(); }
  // Reactor's thread; cheap enough for every turn, called a few times a second.
  void Publish();

 private:
  struct PeerGauges {
    Gauge round_trip_us;
    Gauge inflight_messages;
    Gauge inflight_bytes;
    Gauge lag_entries;
    Gauge match_index;
    Gauge connected;
  };

  void AddConsensus();
  void AddDisk();
  void AddClients();
  void AddCommands();
  void AddPeers();
  void AddPeer(NodeId peer);
  void FollowPeers();
  void AddPages();

  const Config& config_;
  const Node& node_;
  const WalThread& wal_thread_;
  const disk::Wal& wal_;
  const PeerLinks& links_;
  metrics::Catalog catalog_;
  metrics::HttpEndpoint http_;

  Gauge role_;  // 0 follower, 1 candidate, 2 leader
  Gauge is_leader_;
  Gauge has_leader_;
  Gauge ready_;
  Gauge term_;
  Gauge commit_index_;
  Gauge applied_index_;
  Gauge last_index_;
  Gauge snapshot_index_;
  Gauge proposals_pending_;
  Gauge uncommitted_bytes_;
  Gauge log_bytes_;
  Gauge feature_level_;
  Gauge feature_level_supported_;
  Gauge election_timeout_us_;
  Gauge snapshot_age_us_;
  Gauge store_bytes_;
  Gauge keys_;
  Gauge expiring_keys_;
  Gauge carried_pending_;
  std::map<NodeId, std::unique_ptr<PeerGauges>> peers_;
};

}  // namespace kvorum::server
