// SPDX-License-Identifier: Apache-2.0
//
// The two ways a snapshot file comes to be: written here, or received from a peer.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/crc32c.h"
#include "disk/limits.h"
#include "disk/snapshot_format.h"
#include "disk/snapshot_store.h"

namespace kvorum::disk {

SnapshotWriter::SnapshotWriter(SnapshotStore& store, raft::SnapshotMeta meta, std::string temporary,
                               std::unique_ptr<File> file)
    : store_(store),
      meta_(std::move(meta)),
      temporary_(std::move(temporary)),
      file_(std::move(file)) {}

SnapshotWriter::~SnapshotWriter() {
  // A leftover that cannot be removed now is removed at the next start.
  if (!finished_) (void)store_.files_.Remove(temporary_);
}

Status SnapshotWriter::Latch(Status status) {
  if (!status.ok()) failure_ = status;
  return status;
}

Status SnapshotWriter::Add(std::string_view bytes) {
  KV_CHECK(!finished_);
  if (!failure_.ok()) return failure_;
  while (!bytes.empty()) {
    const size_t n = std::min<size_t>(bytes.size(), kSnapshotChunkBytes - chunk_.size());
    chunk_.append(bytes.substr(0, n));
    bytes.remove_prefix(n);
    if (chunk_.size() < kSnapshotChunkBytes) break;
    if (Status s = FlushChunk(); !s.ok()) return Latch(std::move(s));
  }
  return Status::Ok();
}

Status SnapshotWriter::FlushChunk() {
  if (chunk_.empty()) return Status::Ok();
  const WrittenChunk written = EncodeChunk(chunks_, chunk_, packed_);
  const std::string_view pieces[] = {written.header, written.bytes};
  if (Status s = file_->WriteAt(offset_, pieces); !s.ok()) return s;
  ++chunks_;
  content_bytes_ += chunk_.size();
  content_crc_ = Crc32c(content_crc_, chunk_);
  offset_ += written.header.size() + written.bytes.size();
  unsynced_bytes_ += written.header.size() + written.bytes.size();
  chunk_.clear();
  if (unsynced_bytes_ < kSnapshotSyncBytes) return Status::Ok();
  unsynced_bytes_ = 0;
  return file_->SyncData();
}

Status SnapshotWriter::WriteFooter() {
  if (Status s = FlushChunk(); !s.ok()) return s;
  const std::string footer = EncodeFooter({chunks_, content_bytes_, content_crc_});
  if (Status s = file_->Write(offset_, footer); !s.ok()) return s;
  offset_ += footer.size();
  return file_->SyncData();
}

Status SnapshotWriter::Finish() {
  KV_CHECK(!finished_);
  if (!failure_.ok()) return failure_;
  if (Status s = WriteFooter(); !s.ok()) return Latch(std::move(s));
  if (Status s = store_.Publish(temporary_, meta_, offset_); !s.ok()) return Latch(std::move(s));
  finished_ = true;
  return Status::Ok();
}

SnapshotReceiver::SnapshotReceiver(SnapshotStore& store, raft::SnapshotMeta meta,
                                   std::string temporary, std::unique_ptr<File> file)
    : store_(store),
      meta_(std::move(meta)),
      temporary_(std::move(temporary)),
      file_(std::move(file)) {}

SnapshotReceiver::~SnapshotReceiver() {
  if (!finished_) (void)store_.files_.Remove(temporary_);
}

Status SnapshotReceiver::Latch(Status status) {
  if (!status.ok()) failure_ = status;
  return status;
}

Status SnapshotReceiver::WriteRaw(uint64_t offset, std::string_view bytes) {
  KV_CHECK(!finished_);
  if (!failure_.ok()) return failure_;
  if (offset > received_) {
    return {StatusCode::kInvalid, "snapshot bytes from offset " + std::to_string(offset) +
                                      ", expected " + std::to_string(received_)};
  }
  const uint64_t known = received_ - offset;
  if (known >= bytes.size()) return Status::Ok();
  bytes.remove_prefix(known);
  if (Status s = file_->Write(received_, bytes); !s.ok()) return Latch(std::move(s));
  received_ += bytes.size();
  unsynced_bytes_ += bytes.size();
  if (unsynced_bytes_ < kSnapshotSyncBytes) return Status::Ok();
  unsynced_bytes_ = 0;
  return Latch(file_->SyncData());
}

Status SnapshotReceiver::Finish() {
  KV_CHECK(!finished_);
  if (!failure_.ok()) return failure_;
  Status s = FinishInner();
  if (s.ok()) {
    finished_ = true;
    return s;
  }
  if (s.code() == StatusCode::kCorrupt) (void)store_.files_.Remove(temporary_);
  return Latch(std::move(s));
}

Status SnapshotReceiver::FinishInner() {
  Result<std::unique_ptr<SnapshotReader>> reader =
      SnapshotReader::OpenFile(store_.files_, temporary_);
  if (!reader.ok()) return reader.status();
  if (!(reader.value()->meta() == meta_) || reader.value()->cluster_id() != store_.cluster_id_) {
    return {StatusCode::kCorrupt, temporary_ + " at offset 0: not the snapshot that was announced"};
  }
  std::string chunk;
  while (true) {
    Result<bool> more = reader.value()->Next(chunk);
    if (!more.ok()) return more.status();
    if (!more.value()) break;
  }
  if (Status s = file_->SyncData(); !s.ok()) return s;
  return store_.Publish(temporary_, meta_, received_);
}

}  // namespace kvorum::disk
