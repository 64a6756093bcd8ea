// SPDX-License-Identifier: Apache-2.0
//
// Writes a snapshot of the running state machine: a slice is serialized each turn, on the member's
// thread, and handed to the background thread, which writes the file. Writes go on meanwhile; the
// machine saves what they are about to change (store/machine.h). Nothing is copied wholesale.
//
// The disk is the log's, too: after each round, kSnapshotRoundBytes handed over and written, the
// snapshot rests for as long as the round took, if the log has grown meanwhile. So writes keep half
// of the disk, however fast it is, and a snapshot that nobody is disturbed by does not wait.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/stats.h"
#include "base/time.h"
#include "disk/snapshot_store.h"
#include "replica/seams.h"
#include "store/machine.h"

namespace kvorum::replica {

struct TakerStats {
  Counter taken;
  Counter failed;     // the file could not be written, or an older one not be removed; retried at
                      // the next occasion
  Gauge bytes;        // content of the newest one
  Gauge finished_at;  // boot time in microseconds; 0 = never in this life
};

class SnapshotTaker {
 public:
  // `written` is called with the meta of a snapshot that is durable.
  SnapshotTaker(store::Machine& machine, disk::SnapshotStore& snapshots, Background& background,
                std::function<void(const raft::SnapshotMeta&)> written);

  [[nodiscard]] bool running() const { return run_ != nullptr; }
  // `meta` describes the machine as it stands. Not while running.
  void Begin(const raft::SnapshotMeta& meta, Micros now);
  // Once a turn.
  void Step(Micros now);
  // There is something to serialize and room for it.
  [[nodiscard]] bool WantsTurn() const;
  // When a rest ends; the end of time outside of one.
  [[nodiscard]] Micros NextWakeup() const;
  // The machine's state was replaced: what was written so far is of no use.
  void Abort();
  // The newest attempt could not be written.
  [[nodiscard]] bool last_failed() const { return last_failed_; }
  [[nodiscard]] const TakerStats& stats() const { return stats_; }

 private:
  enum class Phase : uint8_t { kSerializing, kFinishing, kPruning };
  struct Run {
    raft::SnapshotMeta meta;
    std::unique_ptr<disk::SnapshotWriter> writer;  // background jobs only
    Status status;                                 // background jobs, read in their `done`
    uint64_t bytes = 0;
    size_t jobs = 0;                                    // in flight
    std::vector<std::shared_ptr<std::string>> buffers;  // not in flight
    Phase phase = Phase::kSerializing;
    // The round: since when, at which index of the machine, what was handed over.
    Micros round_at = 0;
    Index round_index;
    size_t round_bytes = 0;
    std::optional<Micros> rests_until;
  };

  void EndRound(Micros now);
  void Serialize(Micros now);
  void Prune();
  void End(const std::shared_ptr<Run>& run);
  void Finish(const std::shared_ptr<Run>& run, Micros now);

  store::Machine& machine_;
  disk::SnapshotStore& snapshots_;
  Background& background_;
  std::function<void(const raft::SnapshotMeta&)> written_;
  std::shared_ptr<Run> run_;
  bool last_failed_ = false;
  TakerStats stats_;
};

}  // namespace kvorum::replica
