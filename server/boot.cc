// SPDX-License-Identifier: Apache-2.0
#include "server/boot.h"

#include <algorithm>
#include <utility>

#include "base/coding.h"
#include "base/rng.h"
#include "disk/identity.h"

namespace kvorum::server {
namespace {

uint64_t Mix(uint64_t hash, uint64_t value) {
  return Rng(hash * 0x9E3779B97F4A7C15ULL ^ value).Next();
}

// Into `machine` what the log goes on from; `note` is added to.
Result<std::optional<raft::SnapshotMeta>> LoadNewest(disk::SnapshotStore& snapshots,
                                                     const raft::SnapshotMeta& log_base,
                                                     store::Machine& machine, std::string* note) {
  std::string passed_over;
  auto chosen = snapshots.ChooseForRecovery(
      log_base, &passed_over,
      {.begin = [&machine] { machine.BeginLoad(); },
       .chunk = [&machine](std::string_view chunk) { return machine.LoadChunk(chunk); }});
  if (!passed_over.empty()) *note += (note->empty() ? "" : "; ") + passed_over;
  if (!chosen.ok()) return chosen;
  if (!chosen.value()) {
    machine.AbortLoad();
  } else if (Status status = machine.FinishLoad(chosen.value()->index); !status.ok()) {
    return status;
  }
  return chosen;
}

// A snapshot that is newer than the whole log, or that knows another entry at its index, replaces
// the log: it was installed, and the process died before the log heard of it.
bool Replaces(const raft::SnapshotMeta& snapshot, const disk::Recovered& recovered) {
  if (snapshot.index > recovered.last_index()) return true;
  if (snapshot.index <= recovered.base.index) return false;
  return recovered.entries[snapshot.index - recovered.base.index - 1].term != snapshot.term;
}

// Where the log and the newest snapshot leave the member.
Status Place(disk::Recovered recovered, const raft::SnapshotMeta& snapshot,
             raft::Restart* restart) {
  restart->hard_state = recovered.hard_state;
  restart->snapshot = snapshot;
  if (Replaces(snapshot, recovered)) {
    restart->base_index = snapshot.index;
    restart->base_term = snapshot.term;
    restart->hard_state.term = std::max(restart->hard_state.term, snapshot.term);
    return Status::Ok();
  }
  if (snapshot.index < recovered.base.index) {
    return {StatusCode::kCorrupt, "the log starts behind the newest snapshot"};
  }
  restart->base_index = recovered.base.index;
  restart->base_term = recovered.base.term;
  restart->entries = std::move(recovered.entries);
  return Status::Ok();
}

// As far as the log tells, nobody else has what is missing here.
bool IsAlone(const Config& config, const disk::Recovered& recovered) {
  const bool changed =
      std::any_of(recovered.entries.begin(), recovered.entries.end(),
                  [](const raft::Entry& entry) { return entry.type == raft::EntryType::kConfig; });
  return !changed && config.join.empty() && config.cluster_nodes.size() == 1 &&
         recovered.base.configuration.Members().size() <= 1;
}

}  // namespace

uint64_t ClusterIdOf(const Config& config) {
  if (config.cluster_id != 0) return config.cluster_id;
  uint64_t hash = 0x6B766F72756D;  // "kvorum"
  for (const NodeAddress& node : config.cluster_nodes) hash = Mix(hash, node.id.value());
  return hash == 0 ? 1 : hash;
}

std::string ClusterNodeName(uint64_t cluster_id, NodeId node) {
  std::string name;
  uint64_t hash = Mix(cluster_id, node.value());
  while (name.size() < 40) {
    name += disk::Hex16(hash);
    hash = Mix(hash, node.value());
  }
  name.resize(40);
  return name;
}

Result<Booted> Boot(disk::Files& files, const Config& config, uint64_t random) {
  Booted booted;
  const uint64_t cluster_id = ClusterIdOf(config);
  if (Status status = files.MakeDir(""); !status.ok()) return status;
  auto lock = disk::LockDirectory(files, "");
  if (!lock.ok()) return lock.status();
  booted.lock = std::move(lock).value();
  const Result<disk::Identity> identity =
      disk::EnsureIdentity(files, "", {cluster_id, config.node_id, random});
  if (!identity.ok()) return identity.status();
  auto acquaintances = disk::Acquaintances::Open(files, "", identity.value().incarnation);
  if (!acquaintances.ok()) return acquaintances.status();
  booted.acquaintances = std::move(acquaintances).value();

  disk::Recovered recovered;
  auto wal = disk::Wal::Open(files, "wal",
                             {.segment_bytes = config.wal_segment_bytes,
                              .node = config.node_id,
                              .cluster_id = cluster_id,
                              .group = GroupId(1)},
                             &recovered);
  if (!wal.ok()) return wal.status();
  booted.wal = std::move(wal).value();
  booted.note = recovered.note;
  booted.fresh = recovered.fresh;
  if (recovered.shorter_than_witness) {
    if (IsAlone(config, recovered)) {
      return Status(StatusCode::kCorrupt,
                    "the log has lost acknowledged entries (it once reached index " +
                        std::to_string(recovered.witness_index.value()) + ", now it ends at " +
                        std::to_string(recovered.last_index().value()) +
                        ") and there is no other node to get them from");
    }
    // Beyond what it once had and beyond what it has: then the leader has filled the hole.
    booted.restart.vote_barrier = std::max(recovered.witness_index, recovered.last_index() + 1);
  }

  auto snapshots = disk::SnapshotStore::Open(files, "snapshots", cluster_id);
  if (!snapshots.ok()) return snapshots.status();
  booted.snapshots = std::move(snapshots).value();
  booted.machine = std::make_unique<store::Machine>(
      store::MachineOptions{.hash_seed = cluster_id,
                            .databases = static_cast<int>(config.databases),
                            .level_known = config.feature_level_known});
  auto loaded = LoadNewest(*booted.snapshots, recovered.base, *booted.machine, &booted.note);
  if (!loaded.ok()) return loaded.status();
  const std::optional<raft::SnapshotMeta> snapshot = std::move(loaded).value();
  const bool replaced = snapshot && Replaces(*snapshot, recovered);
  Status placed =
      Place(std::move(recovered), snapshot.value_or(raft::SnapshotMeta{}), &booted.restart);
  if (placed.ok() && replaced) {
    raft::Save restart_log;
    restart_log.reset_to = snapshot;
    placed = booted.wal->Append({&restart_log, 1});
    if (placed.ok()) placed = booted.wal->Sync();
  }
  if (!placed.ok()) return placed;
  return booted;
}

}  // namespace kvorum::server
