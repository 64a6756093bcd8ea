// SPDX-License-Identifier: Apache-2.0
//
// events.jsonl in the data directory, for people: it is written without syncs, and nothing depends
// on it. At kEventFileBytes it becomes events.1.jsonl in the place of the one before.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "disk/files.h"

namespace kvorum::server {

class EventFile {
 public:
  // `files` is used by Write alone.
  explicit EventFile(disk::Files& files) : files_(files) {}

  // Any thread; does not wait for the disk.
  void Add(std::string_view line);
  // Writes what was added. One thread at a time. After an error what was not written is lost, and
  // the next call opens the file anew.
  Status Write();

 private:
  Status Open();

  std::mutex mutex_;  // guards added_ only
  std::string added_;
  disk::Files& files_;
  std::unique_ptr<disk::File> file_;
  uint64_t size_ = 0;
};

}  // namespace kvorum::server
