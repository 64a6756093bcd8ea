// SPDX-License-Identifier: Apache-2.0
//
// Encodes one batch into a gather list: record headers and small payloads lie in one scratch
// buffer, large payloads are written from where they are. Buffers are reused from batch to batch.
//
//   builder.Begin(chain); builder.Add...(); builder.Finish(cluster_id, commit);
//   file.WriteAt(offset, builder.pieces());
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "disk/segment.h"
#include "raft/types.h"

namespace kvorum::disk {

class BatchBuilder {
 public:
  // Sizes on disk, known before encoding: where a batch goes decides how it is encoded.
  static uint64_t EntryBytes(const raft::Entry& entry) {
    return kRecordFrameBytes + kEntryBodyBytes + entry.payload.size();
  }
  static uint64_t BaseBytes(const raft::SnapshotMeta& base);
  static uint64_t BodyBytes(std::string_view body) { return kRecordFrameBytes + body.size(); }
  // A batch whose records take `record_bytes`, with its commit record and padding.
  static uint64_t BatchBytes(uint64_t record_bytes) {
    return RoundToSector(record_bytes + kCommitRecordBytes);
  }

  void Begin(uint32_t chain);
  // The payload must stay alive until the batch is written.
  void AddEntry(GroupId group, const raft::Entry& entry);
  void AddBase(GroupId group, const raft::SnapshotMeta& base, bool reset);
  // A record as it was read elsewhere; must stay alive until the batch is written.
  void AddBody(std::string_view body);
  // Adds the commit record (its record count is filled in) and the padding to a whole sector.
  void Finish(uint64_t cluster_id, CommitBody commit);

  // Valid until the next Begin.
  [[nodiscard]] std::span<const std::string_view> pieces() const { return views_; }
  [[nodiscard]] uint64_t bytes() const { return bytes_; }
  [[nodiscard]] uint32_t chain() const { return chain_; }
  [[nodiscard]] uint32_t records() const { return records_; }

 private:
  struct Piece {
    const char* outside;  // nullptr: `at` is an offset in scratch_
    size_t at;
    size_t size;
  };
  void Seal(size_t start, std::string_view payload);
  void FlushScratch();

  std::string scratch_;
  size_t flushed_ = 0;  // scratch bytes that are in pieces_
  std::vector<Piece> pieces_;
  std::vector<std::string_view> views_;
  uint32_t chain_ = 0;
  uint32_t records_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace kvorum::disk
