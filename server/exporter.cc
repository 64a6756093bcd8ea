// SPDX-License-Identifier: Apache-2.0
#include "server/exporter.h"

#include <set>

#include "server/version.h"

namespace kvorum::server {
namespace {

constexpr const char* kPeerLabel = "peer";

}  // namespace

Exporter::Exporter(const Config& config, const Node& node, const WalThread& wal_thread,
                   const disk::Wal& wal, const PeerLinks& links)
    : config_(config), node_(node), wal_thread_(wal_thread), wal_(wal), links_(links) {
  catalog_.AddProcess();
  catalog_.AddInfo(
      "kvorum_build_info", "Version of the running server.",
      {{"version", std::string(kVersion)}, {"redis_version", std::string(kRedisVersion)}});
  AddConsensus();
  AddDisk();
  AddClients();
  AddCommands();
  AddPeers();
  AddPages();
}

Status Exporter::Start() {
  Publish();
  if (config_.metrics_port == 0) return Status::Ok();
  return http_.Start(config_.metrics_bind, config_.metrics_port);
}

void Exporter::AddConsensus() {
  const raft::Core::Stats& raft = node_.member().core().stats();
  const replica::MemberStats& member = node_.member().stats();
  catalog_.Add("kvorum_raft_elections_started_total", "Elections this node has started.",
               raft.elections_started);
  catalog_.Add("kvorum_raft_elections_won_total", "Elections this node has won.",
               raft.elections_won);
  catalog_.Add("kvorum_raft_leader_changes_total", "Leaders this node has seen take over.",
               raft.leader_changes);
  catalog_.Add("kvorum_raft_matches_lost_total",
               "Times that a follower no longer had entries that it had acknowledged.",
               raft.matches_lost);
  catalog_.Add("kvorum_raft_role", "0 follower, 1 candidate, 2 leader.", role_);
  catalog_.Add("kvorum_raft_is_leader", "1 on the leader.", is_leader_);
  catalog_.Add("kvorum_raft_has_leader", "1 while a leader is known.", has_leader_);
  catalog_.Add("kvorum_raft_term", "Current term.", term_);
  catalog_.Add("kvorum_feature_level", "Feature level in force.", feature_level_);
  catalog_.Add("kvorum_feature_level_supported", "The highest that this release can do.",
               feature_level_supported_);
  catalog_.Add("kvorum_raft_commit_index", "Highest committed log index.", commit_index_);
  catalog_.Add("kvorum_raft_applied_index", "Highest applied log index.", applied_index_);
  catalog_.Add("kvorum_raft_last_index", "Highest log index.", last_index_);
  catalog_.Add("kvorum_raft_snapshot_index", "Log index of the newest snapshot.", snapshot_index_);
  catalog_.Add("kvorum_raft_log_bytes", "Payload bytes of the log that is kept in memory.",
               log_bytes_);
  catalog_.Add("kvorum_raft_election_timeout_seconds",
               "Silence of the leader that starts an election, as it was measured.",
               election_timeout_us_, {}, 1e-6);
  catalog_.Add("kvorum_raft_uncommitted_bytes", "Proposed and not committed bytes.",
               uncommitted_bytes_);
  catalog_.Add("kvorum_proposals_pending", "Proposals that wait to be applied.",
               proposals_pending_);
  catalog_.Add("kvorum_proposals_committed_total", "Proposals of this node that were committed.",
               member.proposals_committed);
  catalog_.Add("kvorum_proposals_failed_total",
               "Proposals of this node that were lost or in doubt.", member.proposals_failed);
  catalog_.Add("kvorum_entries_applied_total", "Log entries applied.", member.entries_applied);
  catalog_.Add("kvorum_time_pulses_total", "Entries proposed only to let keys expire.",
               member.pulses_proposed);
  catalog_.Add("kvorum_reads_total", "Reads by how they were made linearizable.",
               member.reads_by_lease, {{"mode", "lease"}});
  catalog_.Add("kvorum_reads_total", "Reads by how they were made linearizable.",
               member.reads_by_quorum, {{"mode", "quorum"}});
  catalog_.Add("kvorum_reads_total", "Reads by how they were made linearizable.",
               member.reads_by_leader, {{"mode", "leader"}});
  catalog_.Add("kvorum_leases_dropped_total", "Leases given up because clocks disagreed.",
               member.leases_dropped);
  catalog_.Add("kvorum_leadership_handed_over_total",
               "Times this node gave its leadership up by itself.", member.handed_over_disk,
               {{"why", "disk"}});
  catalog_.Add("kvorum_leadership_handed_over_total",
               "Times this node gave its leadership up by itself.", member.handed_over_loop,
               {{"why", "loop"}});
  catalog_.Add("kvorum_leadership_handed_over_total",
               "Times this node gave its leadership up by itself.", member.handed_over_wish,
               {{"why", "priority"}});
  catalog_.Add("kvorum_commit_latency_seconds", "From proposal to commit.", member.commit_us);
  catalog_.Add("kvorum_apply_latency_seconds", "Applying one log entry.", member.apply_us);
}

void Exporter::AddDisk() {
  const disk::WalStats& wal = wal_.stats();
  const replica::TakerStats& taker = node_.member().taker().stats();
  catalog_.Add("kvorum_wal_fsync_latency_seconds", "One sync of the write-ahead log.",
               wal_thread_.sync_us());
  catalog_.Add("kvorum_wal_appended_bytes_total", "Bytes appended to the write-ahead log.",
               wal.appended_bytes);
  catalog_.Add("kvorum_wal_appended_batches_total", "Batches appended to the write-ahead log.",
               wal.appended_batches);
  catalog_.Add("kvorum_wal_syncs_total", "Syncs of the write-ahead log.", wal.syncs);
  catalog_.Add("kvorum_wal_segments", "Segment files in use.", wal.segments);
  catalog_.Add("kvorum_wal_bytes", "Bytes of segment files, spare ones included.", wal.disk_bytes);
  catalog_.Add("kvorum_snapshots_total", "Snapshots written.", taker.taken);
  catalog_.Add("kvorum_snapshot_failures_total", "Snapshots that could not be written.",
               taker.failed);
  catalog_.Add("kvorum_snapshot_bytes", "Content of the newest snapshot written in this life.",
               taker.bytes);
  catalog_.Add("kvorum_snapshot_age_seconds",
               "Since the newest snapshot was written; 0 before the first.", snapshot_age_us_, {},
               1e-6);
}

void Exporter::AddClients() {
  const NodeStats& stats = node_.stats();
  catalog_.Add("kvorum_connected_clients", "Open client connections.", stats.connections);
  catalog_.Add("kvorum_connections_received_total", "Client connections accepted.",
               stats.connections_total);
  catalog_.Add("kvorum_connections_rejected_total", "Client connections refused.",
               stats.connections_rejected);
  catalog_.Add("kvorum_parked_clients", "Clients that wait for a leader.", stats.parked);
  catalog_.Add("kvorum_parked_total", "Times a client had to wait for a leader.",
               stats.parked_total);
  catalog_.Add("kvorum_park_timeouts_total", "Commands answered CLUSTERDOWN.", stats.park_timeouts);
  catalog_.Add("kvorum_redirected_total", "Commands answered MOVED.", stats.redirected);
  catalog_.Add("kvorum_forwarded_total", "Commands carried to the leader.", stats.forwarded);
  catalog_.Add("kvorum_forwards_resent_total", "Carried commands that were decided anew.",
               stats.forwards_resent);
  catalog_.Add("kvorum_forwards_from_log_total",
               "Carried commands whose reply came from this node's own log.",
               stats.forwards_from_log);
  const ConsistencyWatch::Stats& watch = node_.watch().stats();
  catalog_.Add("kvorum_state_comparisons_total",
               "Parts of the state, of other nodes, that the leader found equal to its own.",
               watch.compared);
  catalog_.Add("kvorum_state_divergences_total",
               "Parts of the state in which nodes differed at one log index.", watch.divergences);
  catalog_.Add("kvorum_forwards_pending", "Carried commands without an outcome yet.",
               carried_pending_);
  catalog_.Add("kvorum_indoubt_total", "Writes whose outcome could not be learned.", stats.indoubt);
  catalog_.Add("kvorum_commands_processed_total", "Commands that passed the gates.",
               stats.commands);
  catalog_.Add("kvorum_received_bytes_total", "Bytes received from clients.", stats.bytes_in);
  catalog_.Add("kvorum_sent_bytes_total", "Bytes sent to clients.", stats.bytes_out);
  catalog_.Add("kvorum_protocol_errors_total", "Streams that were no RESP.", stats.protocol_errors);
  catalog_.Add("kvorum_keys", "Keys, expired ones that were not removed yet included.", keys_);
  catalog_.Add("kvorum_expiring_keys", "Keys with a time to live.", expiring_keys_);
  catalog_.Add("kvorum_store_bytes", "Bytes of keys, values and tables, as asked of the allocator.",
               store_bytes_);
  const store::MachineStats& machine = node_.machine().stats();
  catalog_.Add("kvorum_expired_keys_total", "Keys removed because their time had come.",
               machine.expired_keys);
  catalog_.Add("kvorum_keyspace_hits_total", "Reads that found their key.", machine.keyspace_hits);
  catalog_.Add("kvorum_keyspace_misses_total", "Reads that did not.", machine.keyspace_misses);
}

void Exporter::AddCommands() {
  const auto add = [this](const store::CommandRow& row) {
    if (row.subcommand_count != 0) return;
    const CommandStats* stats = node_.StatsOf(row);
    const metrics::Labels labels{{"command", std::string(row.name)}};
    catalog_.Add("kvorum_commands_total", "Calls by command.", stats->calls, labels);
    catalog_.Add("kvorum_commands_rejected_total", "Calls refused before execution, by command.",
                 stats->rejected, labels);
    catalog_.Add("kvorum_command_latency_seconds",
                 "From the turn a command was taken up in to its reply, by command.", stats->us,
                 labels);
  };
  for (const store::CommandRow* row : node_.commands().rows()) {
    add(*row);
    for (const store::CommandRow& subcommand : row->subcommands()) add(subcommand);
  }
}

void Exporter::AddPeers() {
  catalog_.Add("kvorum_peer_sent_bytes_total", "Bytes sent to peers.", links_.stats().bytes_sent);
  catalog_.Add("kvorum_peer_received_bytes_total", "Bytes received from peers.",
               links_.stats().bytes_received);
  catalog_.Add("kvorum_peer_dropped_messages_total", "Messages that found no link or no room.",
               links_.stats().dropped);
  catalog_.Add("kvorum_peer_rejected_total", "Inbound links that were refused.",
               links_.stats().rejected);
}

void Exporter::AddPeer(NodeId peer) {
  auto& gauges = peers_[peer] = std::make_unique<PeerGauges>();
  const metrics::Labels labels{{kPeerLabel, std::to_string(peer.value())}};
  catalog_.Add("kvorum_peer_connected", "1 while both links to the peer are up.", gauges->connected,
               labels);
  catalog_.Add("kvorum_peer_round_trip_seconds", "Heartbeat round trip, on the leader.",
               gauges->round_trip_us, labels, 1e-6);
  catalog_.Add("kvorum_peer_inflight_messages", "AppendEntries not acknowledged, on the leader.",
               gauges->inflight_messages, labels);
  catalog_.Add("kvorum_peer_inflight_bytes", "Payload bytes not acknowledged, on the leader.",
               gauges->inflight_bytes, labels);
  catalog_.Add("kvorum_peer_lag_entries", "Entries the peer has not got durably, on the leader.",
               gauges->lag_entries, labels);
  catalog_.Add("kvorum_peer_match_index", "What the peer has got durably, on the leader.",
               gauges->match_index, labels);
}

// A series for everybody this node speaks to now: members that come later too, none for those that
// have gone.
void Exporter::FollowPeers() {
  std::set<NodeId> now;
  for (const NodeAddress& peer : node_.Peers()) now.insert(peer.id);
  for (const NodeId id : now) {
    if (!peers_.contains(id)) AddPeer(id);
  }
  for (auto it = peers_.begin(); it != peers_.end();) {
    if (now.contains(it->first)) {
      ++it;
      continue;
    }
    catalog_.Remove(kPeerLabel, std::to_string(it->first.value()));
    it = peers_.erase(it);
  }
}

void Exporter::AddPages() {
  http_.Handle("/metrics", [this] {
    return metrics::HttpReply{200, catalog_.Text(), "text/plain; version=0.0.4; charset=utf-8"};
  });
  http_.Handle("/livez", [] { return metrics::HttpReply{200, "ok\n"}; });
  http_.Handle("/readyz", [this] {
    return ready_.Get() != 0 ? metrics::HttpReply{200, "ok\n"}
                             : metrics::HttpReply{503, "no leader is known\n"};
  });
  http_.Handle("/version", [] {
    return metrics::HttpReply{200,
                              "{\"version\":\"" + std::string(kVersion) +
                                  "\",\"redis_version\":\"" + std::string(kRedisVersion) + "\"}\n",
                              "application/json"};
  });
}

void Exporter::Publish() {
  const replica::Member& member = node_.member();
  const raft::Core& core = member.core();
  const auto signed_value = [](uint64_t value) { return static_cast<int64_t>(value); };
  role_.Set(static_cast<int64_t>(core.role()));
  is_leader_.Set(core.IsLeader() ? 1 : 0);
  has_leader_.Set(core.leader() != NodeId() ? 1 : 0);
  // It can serve itself, or it can reach somebody who can.
  const bool reaches =
      core.leader() != NodeId() && !core.IsLeader() && links_.IsConnected(core.leader());
  ready_.Set(member.Serves() || reaches ? 1 : 0);
  term_.Set(signed_value(core.term().value()));
  commit_index_.Set(signed_value(core.commit().value()));
  applied_index_.Set(signed_value(member.applied().value()));
  last_index_.Set(signed_value(core.log().last_index().value()));
  snapshot_index_.Set(signed_value(core.snapshot().index.value()));
  proposals_pending_.Set(signed_value(member.proposals_pending()));
  uncommitted_bytes_.Set(signed_value(core.uncommitted_bytes()));
  election_timeout_us_.Set(core.election_timeout_us());
  log_bytes_.Set(signed_value(core.log().bytes()));
  const Micros finished = member.taker().stats().finished_at.Get();
  snapshot_age_us_.Set(finished == 0 ? 0 : node_.now().boot_us - finished);
  const store::Machine& machine = node_.machine();
  feature_level_.Set(machine.feature_level());
  feature_level_supported_.Set(machine.options().level_known);
  store_bytes_.Set(signed_value(machine.MemoryBytes()));
  size_t keys = 0;
  size_t expiring = 0;
  for (int db = 0; db < machine.options().databases; ++db) {
    keys += machine.KeyCount(db);
    expiring += machine.ExpiryCount(db);
  }
  keys_.Set(signed_value(keys));
  expiring_keys_.Set(signed_value(expiring));
  carried_pending_.Set(signed_value(node_.carried_pending()));
  FollowPeers();
  for (auto& [id, gauges] : peers_) {
    gauges->connected.Set(links_.IsConnected(id) ? 1 : 0);
    const raft::Progress* progress = core.ProgressOf(id);
    gauges->round_trip_us.Set(progress == nullptr ? 0 : progress->round_trip());
    gauges->inflight_messages.Set(
        progress == nullptr ? 0 : signed_value(progress->inflight_messages()));
    gauges->inflight_bytes.Set(progress == nullptr ? 0 : signed_value(progress->inflight_bytes()));
    gauges->match_index.Set(progress == nullptr ? 0 : signed_value(progress->match().value()));
    gauges->lag_entries.Set(
        progress == nullptr ? 0 : signed_value(core.log().last_index() - progress->match()));
  }
}

}  // namespace kvorum::server
