// SPDX-License-Identifier: Apache-2.0
//
// Receives a snapshot file from the leader, piece by piece, into a temporary file. One at a time:
// a piece of another snapshot replaces the one that was being received, unless it is a late one of
// what its leader has replaced itself. The whole file is verified
// and durable before anybody hears of it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/stats.h"
#include "disk/snapshot_store.h"
#include "raft/messages.h"
#include "replica/seams.h"

namespace kvorum::replica {

class SnapshotInbox {
 public:
  // `progress`: tell the leader how many contiguous bytes are here. `complete`: the file is
  // verified, durable and listed by the store, and open for reading: newer ones that come meanwhile
  // may have its name removed. What fails (damage, space) starts from the
  // beginning, which is progress 0.
  struct Events {
    std::function<void(NodeId from, Index index, uint64_t received)> progress;
    std::function<void(NodeId from, const raft::SnapshotMeta& meta,
                       std::shared_ptr<disk::SnapshotReader> reader)>
        complete;
  };
  SnapshotInbox(disk::SnapshotStore& snapshots, Background& background, Events events);

  // The piece was accepted by the core. Taken by value: the bytes move to the background thread.
  void Add(NodeId from, raft::InstallSnapshot piece);
  [[nodiscard]] bool receiving() const { return run_ != nullptr; }
  [[nodiscard]] const Counter& bytes_received() const { return bytes_received_; }

 private:
  struct Run {
    Term term;  // of the leader that sends it
    raft::SnapshotMeta meta;
    uint64_t total = 0;
    size_t queued = 0;                                 // pieces on their way to the file
    std::unique_ptr<disk::SnapshotReceiver> receiver;  // background jobs only
    std::shared_ptr<disk::SnapshotReader> reader;      // once it is complete
    uint64_t received = 0;                             // written by jobs, read in their `done`
    bool complete = false;
    Status status;
  };

  void WritePiece(NodeId from, const std::shared_ptr<Run>& run, raft::InstallSnapshot piece);

  disk::SnapshotStore& snapshots_;
  Background& background_;
  Events events_;
  std::shared_ptr<Run> run_;
  Counter bytes_received_;
};

}  // namespace kvorum::replica
