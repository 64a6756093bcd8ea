// SPDX-License-Identifier: Apache-2.0
#include "disk/batch_builder.h"

#include "base/check.h"
#include "base/coding.h"
#include "base/crc32c.h"
#include "disk/limits.h"
#include "disk/meta_coding.h"

namespace kvorum::disk {

uint64_t BatchBuilder::BaseBytes(const raft::SnapshotMeta& base) {
  std::string meta;
  PutMeta(meta, base);
  return kRecordFrameBytes + 1 + 4 + 1 + meta.size();
}

void BatchBuilder::Begin(uint32_t chain) {
  scratch_.clear();
  pieces_.clear();
  views_.clear();
  flushed_ = 0;
  chain_ = chain;
  records_ = 0;
  bytes_ = 0;
}

void BatchBuilder::FlushScratch() {
  if (flushed_ == scratch_.size()) return;
  pieces_.push_back({nullptr, flushed_, scratch_.size() - flushed_});
  flushed_ = scratch_.size();
}

// Completes the record that starts at `start` of the scratch buffer: length, payload, checksum.
void BatchBuilder::Seal(size_t start, std::string_view payload) {
  const uint64_t length = scratch_.size() - start - 4 + payload.size();
  KV_CHECK(length <= kMaxRecordBytes);
  PatchU32(scratch_, start, static_cast<uint32_t>(length));
  chain_ = Crc32c(chain_, std::string_view(scratch_).substr(start));
  chain_ = Crc32c(chain_, payload);
  bytes_ += length + kRecordFrameBytes;
  if (payload.size() <= kInlinePayloadBytes) {
    scratch_.append(payload);
  } else {
    FlushScratch();
    pieces_.push_back({payload.data(), 0, payload.size()});
  }
  PutU32(scratch_, chain_);
  ++records_;
}

void BatchBuilder::AddEntry(GroupId group, const raft::Entry& entry) {
  const size_t start = scratch_.size();
  PutU32(scratch_, 0);
  PutEntryBody(scratch_, group, entry);
  Seal(start, entry.payload.view());
}

void BatchBuilder::AddBase(GroupId group, const raft::SnapshotMeta& base, bool reset) {
  const size_t start = scratch_.size();
  PutU32(scratch_, 0);
  PutBaseBody(scratch_, group, base, reset);
  Seal(start, {});
}

void BatchBuilder::AddBody(std::string_view body) {
  const size_t start = scratch_.size();
  PutU32(scratch_, 0);
  Seal(start, body);
}

void BatchBuilder::Finish(uint64_t cluster_id, CommitBody commit) {
  commit.records = records_;
  const size_t start = scratch_.size();
  PutU32(scratch_, 0);
  PutCommitBody(scratch_, cluster_id, commit);
  Seal(start, {});
  const uint64_t padding = RoundToSector(bytes_) - bytes_;
  scratch_.append(static_cast<size_t>(padding), '\0');
  bytes_ += padding;
  FlushScratch();
  for (const Piece& piece : pieces_) {
    views_.emplace_back(piece.outside != nullptr ? piece.outside : scratch_.data() + piece.at,
                        piece.size);
  }
}

}  // namespace kvorum::disk
