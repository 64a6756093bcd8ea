// SPDX-License-Identifier: Apache-2.0
#include "store/snapshot_reader.h"

#include <algorithm>

#include "base/check.h"
#include "base/coding.h"

namespace kvorum::store {

namespace {
// Kind and the longest varint.
constexpr size_t kFrameHeaderBytes = 1 + 10;
}  // namespace

Status SnapshotReader::Corrupt(std::string_view what) {
  failed_ = Status(StatusCode::kCorrupt,
                   "snapshot records, byte " + std::to_string(offset_) + ": " + std::string(what));
  pending_ = {};
  return failed_;
}

Status SnapshotReader::Chunk(std::string_view bytes) {
  if (!failed_.ok()) return failed_;
  while (!pending_.empty()) {
    // Only as much as completes the frame, so that a long chunk is not copied for a short rest.
    const size_t goal = frame_bytes_ != 0 ? frame_bytes_ : pending_.size() + 1;
    const size_t take = std::min(bytes.size(), goal - pending_.size());
    pending_.append(bytes.substr(0, take));
    bytes.remove_prefix(take);
    if (pending_.size() < goal) return Status::Ok();
    std::string_view rest = pending_;
    if (Status status = TakeFrames(rest); !status.ok()) return status;
    if (rest.empty()) pending_.clear();
    if (bytes.empty() && !pending_.empty()) return Status::Ok();
  }
  if (Status status = TakeFrames(bytes); !status.ok()) return status;
  pending_.assign(bytes);
  return Status::Ok();
}

Status SnapshotReader::TakeFrames(std::string_view& bytes) {
  frame_bytes_ = 0;
  while (!bytes.empty()) {
    if (state_ == State::kEnded) return Corrupt("bytes after the end");
    Reader reader(bytes);
    const uint8_t kind = reader.U8();
    const uint64_t size = reader.Varint();
    if (!reader.ok()) {
      if (bytes.size() >= kFrameHeaderBytes) return Corrupt("bad length");
      return Status::Ok();
    }
    if (size > kMaxSnapshotRecordBytes) return Corrupt("record too large");
    const size_t frame = bytes.size() - reader.remaining() + static_cast<size_t>(size);
    if (size > reader.remaining()) {
      frame_bytes_ = frame;
      return Status::Ok();
    }
    if (Status status = TakeFrame(kind, reader.Take(size)); !status.ok()) return status;
    offset_ += frame;
    bytes.remove_prefix(frame);
  }
  return Status::Ok();
}

Status SnapshotReader::TakeFrame(uint8_t kind, std::string_view body) {
  switch (static_cast<SnapshotKind>(kind)) {
    case SnapshotKind::kHeader:
      if (state_ != State::kHeader) return Corrupt("second header");
      if (failed_ = DemandOf(body, level_known_); !failed_.ok()) return failed_;
      if (!ReadSnapshotHeader(body, header_)) return Corrupt("bad header");
      if (header_.databases > static_cast<uint32_t>(keyspace_->databases())) {
        return Corrupt("more databases than this node has");
      }
      keyspace_->AdvanceTime(header_.log_time);
      keyspace_->RaiseFeatureLevel(header_.level);
      state_ = State::kRecords;
      return Status::Ok();
    case SnapshotKind::kRecord:
      if (state_ != State::kRecords) return Corrupt("record before the header");
      return TakeRecord(body);
    case SnapshotKind::kEnd: {
      uint64_t expected = 0;
      if (state_ != State::kRecords) return Corrupt("end before the header");
      if (!ReadSnapshotEnd(body, expected)) return Corrupt("bad end");
      if (expected != records_) return Corrupt("wrong number of records");
      state_ = State::kEnded;
      return Status::Ok();
    }
  }
  return Corrupt("unknown kind");
}

Status SnapshotReader::TakeRecord(std::string_view body) {
  SnapshotRecord record;
  if (!ReadSnapshotRecord(body, max_string_bytes_, record)) return Corrupt("bad record");
  if (record.database >= header_.databases) return Corrupt("bad database number");
  Database& database = keyspace_->Open(record.database);
  if (!database.Load(record.key, record.value, record.deadline)) {
    return Corrupt("key appears twice");
  }
  ++records_;
  return Status::Ok();
}

Result<std::unique_ptr<Keyspace>> SnapshotReader::Finish() {
  if (!failed_.ok()) return failed_;
  if (state_ != State::kEnded) return Corrupt("the stream ends early");
  keyspace_->WantHugePages();
  return std::move(keyspace_);
}

}  // namespace kvorum::store
