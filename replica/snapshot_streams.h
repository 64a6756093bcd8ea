// SPDX-License-Identifier: Apache-2.0
//
// Carries snapshot files to followers whose next entry is no longer in the log (thesis 5.3): piece
// by piece, a few on the way at a time, read from the file when there is room, so a snapshot is
// never in memory as a whole. The follower answers how much it has; what is lost is sent again
// from there. All streams together send no more bytes a second than they are allowed: whoever is
// served meanwhile needs the disk, the network and the processor, too.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/stats.h"
#include "base/time.h"
#include "disk/snapshot_store.h"
#include "raft/messages.h"
#include "replica/seams.h"

namespace kvorum::replica {

class SnapshotStreams {
 public:
  // `ended` is called once for each stream that Start began and Clear did not end. `suspect`: the
  // file cannot be read, or a follower has refused what it holds again and again.
  SnapshotStreams(disk::SnapshotStore& snapshots, Background& background, Transport& transport,
                  std::function<void(NodeId peer, Index index, bool installed)> ended,
                  std::function<void(Index index)> suspect);

  // Bytes a second; 0: no limit.
  void SetRate(uint64_t rate) { rate_ = rate; }
  void Start(NodeId peer, Term term, const raft::SnapshotMeta& meta, Micros now);
  void OnReply(NodeId from, const raft::InstallSnapshotReply& reply, Micros now);
  // Once a turn: notices streams that do not move. `patience`: one election timeout.
  void Tick(Micros now, Micros patience);
  // When the next piece may be sent; never, if none waits for that.
  [[nodiscard]] Micros NextWakeup() const;
  // Leadership is over.
  void Clear() { streams_.clear(); }
  [[nodiscard]] size_t active() const { return streams_.size(); }
  [[nodiscard]] const Counter& bytes_sent() const { return bytes_sent_; }

 private:
  struct Stream {
    Term term;
    raft::SnapshotMeta meta;
    uint64_t total = 0;  // 0 = not known yet
    uint64_t acked = 0;  // the follower has these bytes
    uint64_t next = 0;   // first byte not sent
    bool reading = false;
    Micros moved_at = 0;
    int stalls = 0;
    int refusals = 0;  // of the whole file
  };
  struct Piece {
    uint64_t total = 0;
    uint64_t offset = 0;
    std::string bytes;
    Status status;
  };

  [[nodiscard]] Micros PieceUs() const;
  [[nodiscard]] static bool MaySend(const Stream& stream);
  void Pump(NodeId peer, const std::shared_ptr<Stream>& stream);
  void End(NodeId peer, bool installed);

  disk::SnapshotStore& snapshots_;
  Background& background_;
  Transport& transport_;
  std::function<void(NodeId, Index, bool)> ended_;
  std::function<void(Index)> suspect_;
  std::map<NodeId, std::shared_ptr<Stream>> streams_;
  Counter bytes_sent_;
  uint64_t rate_ = 0;
  Micros now_ = 0;
  Micros next_at_ = 0;  // the rate allows the next piece then
};

}  // namespace kvorum::replica
