// SPDX-License-Identifier: Apache-2.0
//
// The life of segment files: written with zeroes ahead when there is time, prepared under a
// temporary name, announced under their real one, and at the end recycled or removed.
//
//   spare-<n>.log --(rename, sync)--> wal-<s>.tmp --header, sync, rename, sync--> wal-<s>.log
//        ^                              ^                                             |
//   new file, zeroes, sync              '-- new file, allocated, when there is none   |
//        |                                                                            |
//        '-----------------------------(rename, sync)-- compacted away ---------------'
//
// A temporary file is never taken up again: recovery removes it. So the bytes of one sequence
// number are only ever written to one file.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "disk/files.h"
#include "disk/wal_stats.h"

namespace kvorum::disk {

class SegmentFiles {
 public:
  // `ahead`: spares are made when there are fewer.
  SegmentFiles(Files& files, const std::string& dir, uint64_t segment_bytes, uint32_t ahead,
               WalStats& stats)
      : files_(files), dir_(dir), segment_bytes_(segment_bytes), ahead_(ahead), stats_(stats) {}

  // Takes over the spare files that are there, when they have the right size; others are removed.
  Status Adopt(const std::vector<uint64_t>& spares);
  // Removes files by name, durably.
  Status RemoveAll(const std::vector<std::string>& names);

  // For who has the time: makes a spare if there is none, as far as the disk has room.
  Status HaveSpare();
  // A file for segment `sequence` of at least `bytes`, under its temporary name.
  Result<std::unique_ptr<File>> Prepare(uint64_t sequence, uint64_t bytes);
  // Gives it its name, durably. What must be durable in it was synced before.
  Status Announce(uint64_t sequence);
  // Renames to a spare, or removes a file that is none, without syncing the directory.
  Status Retire(uint64_t sequence, uint64_t file_bytes);
  // So many have retired together: as many will be wanted until the next ones do.
  void ExpectToNeed(uint64_t segments) { most_ = ahead_ + segments; }
  Status SyncDir() { return files_.SyncDir(dir_); }

  // For an idle moment: writes so much of a spare when there are too few, or removes one when there
  // are too many, and says whether it did. A full disk is no error.
  Result<bool> TendSpares(uint64_t most_bytes);
  [[nodiscard]] uint64_t SpareBytes() const {
    return spares_.size() * segment_bytes_ + unfinished_.bytes;
  }

 private:
  // The spare that is being written. It has its name, but not its size.
  struct Unfinished {
    std::unique_ptr<File> file;
    uint64_t number = 0;
    uint64_t bytes = 0;
  };

  Result<std::unique_ptr<File>> CreateAllocated(const std::string& path);
  Result<bool> WriteSpare(uint64_t most_bytes);
  Status WritePieceOfSpare(uint64_t most_bytes);

  Files& files_;
  const std::string& dir_;
  uint64_t segment_bytes_;
  uint64_t ahead_;
  uint64_t most_ = UINT64_MAX;  // not known before something has retired
  WalStats& stats_;
  std::vector<uint64_t> spares_;
  Unfinished unfinished_;
  uint64_t next_spare_ = 1;
};

}  // namespace kvorum::disk
