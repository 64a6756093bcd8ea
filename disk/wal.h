// SPDX-License-Identifier: Apache-2.0
//
// The write-ahead log of a node: everything Raft must not forget, except term and vote, which are
// in the vote file that this class drives too. The bytes are drawn in docs/formats/wal.md.
//
// Segments `wal-<sequence>.log` are written with zeroes when there is time, because syncing a file
// whose size and blocks do not change is up to twice as fast as syncing one that grows, and are
// recycled through `spare-<n>.log`; when none is left a new one is allocated without being written.
// One Append is one batch: one gathered write that starts on a sector of its own, never crosses
// into another segment, and ends in a commit record. A batch without its commit record did not
// happen. A batch that does not fit starts a new segment, of its own size when it is larger than a
// whole one.
//
// What may be cut after a crash is exactly the unsynced tail, and the log itself can tell:
//  - Checksums are chained from the segment's own sequence number through every record, and batches
//    are numbered without gaps: old bytes of a recycled segment, a duplicated or misdirected record
//    never verify.
//  - Each commit record says up to which batch the log was durable when it was written. A bad batch
//    k followed anywhere by a commit record that says "k was synced" is corruption, not a torn
//    write. Commit records carry a checksum of their own so that they are found behind damage.
//  - A new segment is announced (header, sync, rename, sync of the directory) only after the old
//  one
//    was synced, and its header says where the old one ended: a bad record in any segment but the
//    last is corruption.
//  - A bad batch with nothing behind it is either torn or was synced last: the witness in the vote
//    file tells. A log that is shorter than its witness is reported so, and stays reported until
//    CaughtUp(), because its node must not vote before it has what it once acknowledged.
//
// Opening never writes into an old segment. The batches that verify but are not proven durable
// (the process died between write and sync, or a sync failed and left clean pages that are not on
// the disk) are copied into a new segment, which is made durable before its name appears. So
// nothing old can become valid again, no synced sector is ever rewritten, and what recovery reports
// is on the disk.
//
// After any error the object is dead: each later call returns the same error, and the process is
// expected to end. A failed sync is never retried.
//
// Thread: one at a time, no locks inside. Reads no clock: the caller measures.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "disk/batch_builder.h"
#include "disk/files.h"
#include "disk/limits.h"
#include "disk/log_reader.h"
#include "disk/segment.h"
#include "disk/segment_files.h"
#include "disk/vote_file.h"
#include "disk/wal_stats.h"
#include "raft/types.h"

namespace kvorum::disk {

struct WalOptions {
  uint64_t segment_bytes = kDefaultSegmentBytes;  // rounded up to whole sectors
  // Written with zeroes ahead of time. Beside these, as many are kept as the log gave up when it
  // last gave up some: it will want as many until it does so again.
  uint32_t spare_segments = kDefaultSpareSegments;
  NodeId node;
  uint64_t cluster_id = 0;
  GroupId group;
};

// What Open found.
struct Recovered {
  // The term is at least that of the last entry (the vote is cleared where that raised it: no
  // candidate of term t can have an entry of term t, so no second vote of t can be granted to
  // anybody whose log is as long as ours).
  raft::HardState hard_state;
  raft::SnapshotMeta base;           // the log starts after it; from the last reset or compaction
  std::vector<raft::Entry> entries;  // contiguous from base.index + 1
  uint64_t last_batch = 0;
  // This log has lost entries that were durable once. The node must not vote, and a group of one
  // must not start, until Wal::CaughtUp().
  bool shorter_than_witness = false;
  Index witness_index;  // what it once reached
  Term witness_term;
  bool fresh = false;  // nothing was there: first start
  std::string note;    // empty, or what was cut or repaired, for people

  [[nodiscard]] Index last_index() const {
    return entries.empty() ? base.index : entries.back().index;
  }
};

class Wal {
 public:
  // Creates what is missing in an empty `dir`, recovers otherwise. kCorrupt names file and offset;
  // kInvalid: the files belong to another node, cluster or group. `out` is filled on success.
  static Result<std::unique_ptr<Wal>> Open(Files& files, std::string dir, const WalOptions& options,
                                           Recovered* out);
  ~Wal();
  Wal(const Wal&) = delete;
  Wal& operator=(const Wal&) = delete;

  // Writes all saves as one batch, in order; durable after the next successful Sync. The hard state
  // of the last save that has one is kept until then. Payloads are written from where they lie.
  // When a segment is full this syncs it and starts the next one.
  Status Append(std::span<const raft::Save> saves);

  // Makes everything appended durable: first the hard state, then the log; then notes the witness.
  Status Sync();

  // The log up to base.index may go, because a snapshot that covers it is durable. Appends and
  // syncs a base record (and everything appended before), then recycles or removes the oldest
  // segments that hold nothing after base.index. Pass an older base to keep a tail for slow peers.
  // A base behind the present one is ignored.
  Status Compact(const raft::SnapshotMeta& base);

  // Work for an idle moment: writes a piece of a spare segment when there are too few, removes one
  // when there are too many, and says whether it did. Without it a new segment is allocated, and
  // not written first.
  Result<bool> TendSpares();

  // What this log cannot know itself: it once held everything up to `index`, and has lost it. Stays
  // owed until CaughtUp(). Durable when it returns.
  Status Owes(Index index);
  // The log has caught up with what it lost; durable when it returns.
  Status CaughtUp();

  // Bytes of batches in the segments that are in use.
  [[nodiscard]] uint64_t bytes() const;
  [[nodiscard]] size_t segment_count() const { return segments_.size(); }
  [[nodiscard]] Index last_index() const { return last_index_; }
  [[nodiscard]] const raft::SnapshotMeta& base() const { return base_; }
  [[nodiscard]] const Status& failure() const { return failure_; }
  [[nodiscard]] const WalStats& stats() const { return stats_; }

 private:
  struct Segment {
    uint64_t sequence = 0;
    uint64_t file_bytes = 0;
    uint64_t used_bytes = 0;
    Index last_live;  // the newest entry in it that nothing later replaced; 0 = none
  };

  Wal(Files& files, std::string dir, const WalOptions& options);

  Status Recover(Recovered* out);
  Status StartFresh(const LogContents& found);
  Status NoteFindings(const LogContents& found);
  Status ContinueInNewSegment(const LogContents& found);
  Status TruncateCutTail(const LogContents& found);
  void Report(LogContents found, Recovered* out);

  Status AppendInner(std::span<const raft::Save> saves);
  Status CompactInner(const raft::SnapshotMeta& base);
  Status SyncInner();
  Status MakeRoom(uint64_t batch_bytes);
  Status WriteBatch();
  void NoteEntries(std::span<const raft::Entry> entries);
  void NoteReset(const raft::SnapshotMeta& base);
  Status DropOldSegments();
  Status SyncWitness();
  Status NoteOwed(const Witness& owed);
  [[nodiscard]] SegmentHeader HeaderHere(uint64_t sequence) const;
  [[nodiscard]] Witness WitnessHere() const;
  void PublishSizes();
  Status Latch(Status status);

  Files& files_;
  std::string dir_;
  WalOptions options_;
  Status failure_;
  WalStats stats_;

  std::unique_ptr<VoteFile> vote_;
  std::optional<raft::HardState> pending_hard_state_;

  std::deque<Segment> segments_;  // oldest first; the last one is written to
  std::unique_ptr<File> file_;    // of segments_.back()
  uint64_t offset_ = 0;           // where the next batch goes
  uint32_t chain_ = 0;            // checksum of the last record
  BatchBuilder batch_builder_;
  bool dirty_ = false;         // written since the last sync
  bool drop_pending_ = false;  // a reset was appended

  raft::SnapshotMeta base_;
  Index last_index_;
  Term last_term_;
  uint64_t batch_ = 0;         // last appended
  uint64_t synced_batch_ = 0;  // last durable
  Witness owed_;               // only its owed fields are used

  SegmentFiles segment_files_;
};

}  // namespace kvorum::disk
