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
    if (size.value() == segment_bytes_ && spares_.size() < wanted_.most) {
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

Result<std::unique_ptr<File>> SegmentFiles::CreateZeroed(const std::string& path, uint64_t bytes) {
  Result<std::unique_ptr<File>> file = files_.Open(path, OpenMode::kCreate);
  if (!file.ok()) return file;
  const std::string zeroes(static_cast<size_t>(std::min<uint64_t>(bytes, kZeroPieceBytes)), '\0');
  for (uint64_t at = 0; at < bytes; at += zeroes.size()) {
    const auto n = static_cast<size_t>(std::min<uint64_t>(bytes - at, zeroes.size()));
    const Status s = file.value()->Write(at, std::string_view(zeroes).substr(0, n));
    if (!s.ok()) return s;
  }
  if (Status s = file.value()->SyncData(); !s.ok()) return s;
  stats_.segments_created.Add();
  return file;
}

Result<std::unique_ptr<File>> SegmentFiles::Prepare(uint64_t sequence, uint64_t bytes) {
  const std::string temporary = JoinPath(dir_, TemporaryName(sequence));
  // A batch larger than a segment gets a file that grows with it: writing half a gigabyte of
  // zeroes first would cost more than it saves.
  if (bytes > segment_bytes_) return files_.Open(temporary, OpenMode::kCreate);
  if (spares_.empty()) return CreateZeroed(temporary, segment_bytes_);
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
  if (file_bytes != segment_bytes_ || spares_.size() >= wanted_.most) return files_.Remove(path);
  const uint64_t number = next_spare_++;
  if (Status s = files_.Rename(path, JoinPath(dir_, SpareName(number))); !s.ok()) return s;
  spares_.push_back(number);
  return Status::Ok();
}

Result<bool> SegmentFiles::AddSpare() {
  if (spares_.size() >= wanted_.ahead) return false;
  const uint64_t number = next_spare_++;
  const std::string path = JoinPath(dir_, SpareName(number));
  Result<std::unique_ptr<File>> file = CreateZeroed(path, segment_bytes_);
  if (!file.ok()) {
    if (file.status().code() != StatusCode::kNoSpace) return file.status();
    // Spares are for speed only. What could not be finished must not take the space of the log.
    const Status removed = files_.Remove(path);
    if (!removed.ok() && removed.code() != StatusCode::kNotFound) return removed;
    if (Status s = files_.SyncDir(dir_); !s.ok()) return s;
    return false;
  }
  if (Status s = files_.SyncDir(dir_); !s.ok()) return s;
  spares_.push_back(number);
  return true;
}

}  // namespace kvorum::disk
