// SPDX-License-Identifier: Apache-2.0
//
// The file `vote`: the term and vote of this node, and the witness of how long its log is.
//
// Four slots of one sector, each in a 4 KiB block of its own, so that a write that is cut short
// damages one slot only (drawing in docs/formats/vote.md):
//
//   block 0  hard state, first copy       block 2  witness, one copy
//   block 1  hard state, second copy      block 3  witness, the other copy
//
// Hard state. A vote that was reported durable must never be forgotten, whatever single thing
// breaks. So every hard state is written to one slot, synced, written to the other slot, synced,
// and only then reported. At every instant one slot is intact and synced, and once reported, both
// hold it. Hence, when exactly one slot is damaged, the other is right: either the damaged one was
// a write in flight that nobody was told about, or the other holds the same state. When both are
// damaged, or their sequence numbers are further apart than one write, the node halts. Each slot
// carries a sequence number, and every batch of the log repeats the one that was durable when it
// was written: a vote file that was rolled back to an old image is recognised by its log.
// A single slot, or two slots written in turn, was refused: a flipped bit in the newer slot would
// make the older one, with a vote already spent, look like the truth.
//
// Witness. A flipped bit in the last synced batch of the log looks exactly like a batch that never
// was synced. The witness tells them apart: after each sync of the log it is written here (not
// synced; it survives a dead process, and a power loss as of the last sync of this file). Writes
// alternate so that the copy that was synced last is never touched before the next sync.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/ids.h"
#include "base/status.h"
#include "disk/files.h"
#include "raft/types.h"

namespace kvorum::disk {

// How far the log was known to be durable.
struct Witness {
  uint64_t segment = 0;  // newest segment
  uint64_t batch = 0;    // last synced batch
  Index index;           // last entry
  Term term;
  // The log once turned out shorter than it had been, and nobody has said since that it caught up.
  bool owed = false;
  Index owed_index;  // what it has to reach
  Term owed_term;

  friend bool operator==(const Witness&, const Witness&) = default;
};

struct VoteContents {
  uint64_t sequence = 0;  // of the hard state
  raft::HardState hard_state;
  Witness witness;
  std::string note;  // empty, or one line about a damaged copy
};

class VoteFile {
 public:
  static constexpr const char* kName = "vote";

  // Reads without changing anything. kNotFound, kCorrupt, or kInvalid when the file belongs to
  // another node or cluster.
  static Result<VoteContents> Read(Files& files, const std::string& dir, uint64_t cluster_id,
                                   NodeId node);
  // The same for whoever the file belongs to (kvorum-tool).
  static Result<VoteContents> ReadAny(Files& files, const std::string& dir);

  // Creates the file durably.
  static Status Create(Files& files, const std::string& dir, uint64_t cluster_id, NodeId node,
                       const Witness& witness);

  // Opens, and writes both copies of what Read gives afresh: what was read may have been in the
  // page cache only. `contents` receives it.
  static Result<std::unique_ptr<VoteFile>> Open(Files& files, const std::string& dir,
                                                uint64_t cluster_id, NodeId node,
                                                VoteContents* contents);

  // Durable in both slots when it returns ok; the witness written last becomes durable with it.
  Status Save(const raft::HardState& hard_state);
  // Not durable before the next Save or Sync.
  Status WriteWitness(const Witness& witness);
  Status Sync();

  // The sequence number of the last durable hard state.
  [[nodiscard]] uint64_t sequence() const { return sequence_; }

 private:
  VoteFile(std::unique_ptr<File> file, uint64_t cluster_id, NodeId node)
      : file_(std::move(file)), cluster_id_(cluster_id), node_(node) {}

  Status WriteBoth(uint64_t sequence, const raft::HardState& hard_state);

  std::unique_ptr<File> file_;
  uint64_t cluster_id_;
  NodeId node_;
  uint64_t sequence_ = 0;
  unsigned next_slot_ = 0;  // the hard state slot written first: never the only good one
  uint64_t witness_sequence_ = 0;
  unsigned witness_slot_ = 0;  // the copy that may be overwritten
  bool witness_dirty_ = false;
};

}  // namespace kvorum::disk
