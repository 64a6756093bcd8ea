// SPDX-License-Identifier: Apache-2.0
//
// The bytes of a log segment (docs/formats/wal.md): header, records, batches. Pure functions over
// memory; which file they lie in and what is done about damage is decided elsewhere.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "disk/limits.h"
#include "raft/types.h"

namespace kvorum::disk {

// On disk: append-only numbers.
enum class RecordType : uint8_t {
  kEntry = 1,
  kBase = 2,    // the log starts after this point: compaction, or a reset by an installed snapshot
  kCommit = 3,  // ends a batch
};

// Version 1 knew lists of voters only, and no entries of type kConfig. It is read.
inline constexpr uint32_t kSegmentVersion = 2;

// The first block of a segment: whose it is, and the state of the log where it starts, so that
// nothing before it has to be read once it is compacted away.
struct SegmentHeader {
  uint64_t sequence = 0;
  uint64_t cluster_id = 0;
  NodeId node;
  GroupId group;
  uint64_t last_batch = 0;  // the batch it continues from: where the segment before it ends
  Index last_index;
  Term last_term;
  raft::SnapshotMeta base;

  friend bool operator==(const SegmentHeader&, const SegmentHeader&) = default;
};

// kSegmentHeaderBytes long.
std::string EncodeHeader(const SegmentHeader& header);
bool DecodeHeader(std::string_view block, SegmentHeader* header);

// The checksum that the first record of a segment continues from. Different for any two segments
// that are less than 2^32 apart, for certain.
uint32_t ChainStart(uint64_t segment);

struct CommitBody {
  uint64_t segment = 0;
  uint64_t offset = 0;         // of the batch, in its segment
  uint64_t batch = 0;          // 1, 2, 3... without gaps through the life of the log
  uint64_t synced_batch = 0;   // the log was durable up to here when this was written
  uint64_t vote_sequence = 0;  // of the hard state that was durable when this was written
  uint32_t records = 0;        // in the batch, this one not counted
};

// u32 length, body, u32 chained checksum.
inline constexpr uint64_t kRecordFrameBytes = 8;
inline constexpr uint64_t kEntryBodyBytes = 1 + 4 + 8 + 8 + 1;  // payload not counted
inline constexpr uint64_t kCommitBodyBytes = 1 + 8 + 5 * 8 + 4 + 4;
inline constexpr uint64_t kCommitRecordBytes = kRecordFrameBytes + kCommitBodyBytes;

// Bodies without their frame. An entry's payload follows its body directly.
void PutEntryBody(std::string& out, GroupId group, const raft::Entry& entry);
void PutBaseBody(std::string& out, GroupId group, const raft::SnapshotMeta& base, bool reset);
void PutCommitBody(std::string& out, uint64_t cluster_id, const CommitBody& commit);

constexpr uint64_t RoundToSector(uint64_t bytes) {
  return (bytes + kSectorBytes - 1) / kSectorBytes * kSectorBytes;
}

// A verified record; views point into the segment's bytes.
struct Record {
  RecordType type = RecordType::kEntry;
  uint64_t offset = 0;    // in the segment
  std::string_view body;  // type byte included
  // kEntry
  Index index;
  Term term;
  raft::EntryType entry_type = raft::EntryType::kNoop;
  std::string_view payload;
  // kBase
  raft::SnapshotMeta base;
  bool reset = false;
  // kCommit
  CommitBody commit;
};

// Walks the batches of one segment.
//
//   BatchReader reader(bytes, header);
//   while (reader.NextBatch(records)) ...   // every record and the commit record verified
//   reader.offset(), reader.why()           // where and why it stopped
class BatchReader {
 public:
  // `bytes` is the whole segment and outlives the reader.
  BatchReader(std::string_view bytes, const SegmentHeader& header);

  // Replaces `records` by those of the next batch, its commit record last. False: what follows is
  // not a whole batch; offset() is where it would have started.
  template <class Records>
  bool NextBatch(Records& records) {
    records.clear();
    uint64_t at = offset_;
    uint32_t chain = chain_;
    Record record;
    while (NextRecord(&at, &chain, &record)) {
      records.push_back(record);
      if (record.type != RecordType::kCommit) continue;
      if (!CheckCommit(record.commit, records.size() - 1)) return false;
      batch_ = record.commit.batch;
      offset_ = RoundToSector(at);
      chain_ = chain;
      return true;
    }
    return false;
  }

  [[nodiscard]] uint64_t offset() const { return offset_; }
  [[nodiscard]] uint32_t chain() const { return chain_; }
  [[nodiscard]] uint64_t batch() const { return batch_; }  // the last good one
  // Where within the unreadable batch the first record that does not verify starts, and why it
  // does not.
  [[nodiscard]] uint64_t bad_offset() const { return bad_offset_; }
  [[nodiscard]] const char* why() const { return why_; }
  // The checksum held and the content is impossible: whatever wrote that, no torn write did.
  [[nodiscard]] bool nonsense() const { return nonsense_; }

  // Searches behind offset() for commit records of this segment that are whole in themselves, and
  // returns the largest synced_batch and vote_sequence they mention: proof that batches which do
  // not verify were durable once.
  struct Evidence {
    uint64_t synced_batch = 0;
    uint64_t vote_sequence = 0;
    uint64_t offset = 0;  // of the record that says so
    bool any = false;     // there are remains of a batch of this segment
  };
  [[nodiscard]] Evidence SearchBehind() const;

 private:
  bool NextRecord(uint64_t* at, uint32_t* chain, Record* record);
  bool CheckCommit(const CommitBody& commit, size_t records);
  bool Parse(std::string_view body, Record* record);
  bool Bad(uint64_t at, const char* why);
  bool Nonsense(uint64_t at, const char* why);

  std::string_view bytes_;
  uint64_t segment_;
  uint64_t cluster_id_;
  GroupId group_;
  uint64_t offset_ = kSegmentHeaderBytes;
  uint32_t chain_;
  uint64_t batch_;
  uint64_t bad_offset_ = kSegmentHeaderBytes;
  const char* why_ = "";
  bool nonsense_ = false;
};

}  // namespace kvorum::disk
