// SPDX-License-Identifier: Apache-2.0
//
// From a data directory to a node that may take part: lock, identity, log, newest snapshot, state.
// Refuses to go on where going on could lose or invent something, and says why.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "disk/acquaintances.h"
#include "disk/files.h"
#include "disk/snapshot_store.h"
#include "disk/wal.h"
#include "raft/core.h"
#include "server/config.h"
#include "store/machine.h"

namespace kvorum::server {

// The cluster that `config` describes: its directive, or a number computed from the members' ids.
uint64_t ClusterIdOf(const Config& config);
// 40 hex digits, as Redis Cluster names nodes; the same on every node.
std::string ClusterNodeName(uint64_t cluster_id, NodeId node);

struct Booted {
  std::unique_ptr<disk::Lock> lock;
  std::optional<disk::Acquaintances> acquaintances;
  std::unique_ptr<disk::Wal> wal;
  std::unique_ptr<disk::SnapshotStore> snapshots;
  std::unique_ptr<store::Machine> machine;
  raft::Restart restart;
  std::string note;    // what recovery has found worth saying, or empty
  bool fresh = false;  // first start
};

// `files` is rooted at the data directory. Slow: reads everything. `random` becomes the incarnation
// of a directory that is new; not 0.
Result<Booted> Boot(disk::Files& files, const Config& config, uint64_t random);

}  // namespace kvorum::server
