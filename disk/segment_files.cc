// SPDX-License-Identifier: Apache-2.0
#include "disk/segment_files.h"

#include <algorithm>
#include <string_view>

#include "disk/limits.h"
#include "disk/log_reader.h"

namespace kvorum::disk {
namespace {

std::string TemporaryName(uint64_t sequence) { return "wal-" + Hex16(sequence) + ".tmp"; }

}  // namespace

Status SegmentFiles::Adopt(const std::vector<uint64_t>& spares) {
  for (const uint64_t number : spares) {
    next_spare_ = std::max(next_spare_, number + 1);
    const std::string path = JoinPath(dir_, SpareName(number));
    Result<std::unique_ptr<File>> file = files_.Open(path, OpenMode::kRead);
    if (!file.ok()) return file.status();
    Result<uint64_t> size = file.value()->Size();
    if (!size.ok()) return size.status();
    if (size.value() == segment_bytes_) {
      spares_.push_back(number);
    } else if (Status s = files_.Remove(path); !s.ok()) {
      return s;
    }
  }
  return Status::Ok();
}

Status SegmentFiles::RemoveAll(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (Status s = files_.Remove(JoinPath(dir_, name)); !s.ok()) return s;
  }
  return names.empty() ? Status::Ok() : files_.SyncDir(dir_);
}

// Somebody waits: a sync of such a file takes up to twice as long as of one that was written once,
// but to write it first would be as much work for the disk as the entries themselves, at once.
Result<std::unique_ptr<File>> SegmentFiles::CreateAllocated(const std::string& path) {
  Result<std::unique_ptr<File>> file = files_.Open(path, OpenMode::kCreate);
  if (!file.ok()) return file;
  if (Status s = file.value()->Allocate(segment_bytes_); !s.ok()) return s;
  stats_.segments_allocated.Add();
  return file;
}

Result<std::unique_ptr<File>> SegmentFiles::Prepare(uint64_t sequence, uint64_t bytes) {
  const std::string temporary = JoinPath(dir_, TemporaryName(sequence));
  // A batch larger than a segment gets a file that grows with it: writing half a gigabyte of
  // zeroes first would cost more than it saves.
  if (bytes > segment_bytes_) return files_.Open(temporary, OpenMode::kCreate);
  if (spares_.empty()) return CreateAllocated(temporary);
  const std::string spare = JoinPath(dir_, SpareName(spares_.back()));
  spares_.pop_back();
  if (Status s = files_.Rename(spare, temporary); !s.ok()) return s;
  // Before a byte is written: a crash must not leave this sequence number in a spare file.
  if (Status s = files_.SyncDir(dir_); !s.ok()) return s;
  stats_.segments_recycled.Add();
  return files_.Open(temporary, OpenMode::kReadWrite);
}

Status SegmentFiles::Announce(uint64_t sequence) {
  const Status s =
      files_.Rename(JoinPath(dir_, TemporaryName(sequence)), JoinPath(dir_, SegmentName(sequence)));
  return s.ok() ? files_.SyncDir(dir_) : s;
}

Status SegmentFiles::Retire(uint64_t sequence, uint64_t file_bytes) {
  const std::string path = JoinPath(dir_, SegmentName(sequence));
  stats_.segments_dropped.Add();
  if (file_bytes != segment_bytes_) return files_.Remove(path);
  const uint64_t number = next_spare_++;
  if (Status s = files_.Rename(path, JoinPath(dir_, SpareName(number))); !s.ok()) return s;
  spares_.push_back(number);
  return Status::Ok();
}

// One at a time: a file system that discards what is removed answers nobody meanwhile. A crash may
// bring the file back, as a spare.
Result<bool> SegmentFiles::TendSpares(uint64_t most_bytes) {
  if (spares_.size() <= most_) return WriteSpare(most_bytes);
  const uint64_t number = spares_.back();
  spares_.pop_back();
  if (Status s = files_.Remove(JoinPath(dir_, SpareName(number))); !s.ok()) return s;
  return true;
}

Result<bool> SegmentFiles::WriteSpare(uint64_t most_bytes) {
  if (!unfinished_.file && spares_.size() >= ahead_) return false;
  const Status written = WritePieceOfSpare(most_bytes);
  if (written.ok()) return true;
  if (written.code() != StatusCode::kNoSpace) return written;
  // Spares are for speed only. What could not be finished must not take the space of the log.
  const Status removed = files_.Remove(JoinPath(dir_, SpareName(unfinished_.number)));
  unfinished_ = {};
  if (!removed.ok() && removed.code() != StatusCode::kNotFound) return removed;
  if (Status s = files_.SyncDir(dir_); !s.ok()) return s;
  return false;
}

Status SegmentFiles::HaveSpare() {
  while (spares_.empty()) {
    const Result<bool> written = WriteSpare(kDefaultSegmentBytes);
    if (!written.ok()) return written.status();
    if (!written.value()) break;
  }
  return Status::Ok();
}

Status SegmentFiles::WritePieceOfSpare(uint64_t most_bytes) {
  if (!unfinished_.file) {
    unfinished_.number = next_spare_++;
    Result<std::unique_ptr<File>> file =
        files_.Open(JoinPath(dir_, SpareName(unfinished_.number)), OpenMode::kCreate);
    if (!file.ok()) return file.status();
    unfinished_.file = std::move(file).value();
  }
  const uint64_t bytes = std::min(segment_bytes_ - unfinished_.bytes, most_bytes);
  const std::string zeroes(static_cast<size_t>(bytes), '\0');
  if (Status s = unfinished_.file->Write(unfinished_.bytes, zeroes); !s.ok()) return s;
  if (Status s = unfinished_.file->SyncData(); !s.ok()) return s;
  unfinished_.bytes += bytes;
  if (unfinished_.bytes < segment_bytes_) return Status::Ok();
  if (Status s = files_.SyncDir(dir_); !s.ok()) return s;
  spares_.push_back(unfinished_.number);
  unfinished_ = {};
  stats_.segments_created.Add();
  return Status::Ok();
}

}  // namespace kvorum::disk
