// SPDX-License-Identifier: Apache-2.0
//
// A file that was written with zeroes ahead of time and is then written round and round: what is
// left of a log when nobody ever reads it back. Syncing such a file is the least a disk can be
// asked for, because its length and its blocks never change. Failures end the process, here as
// everywhere.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"

namespace kvorum::roofline {

class LogFile {
 public:
  explicit LogFile(const std::string& path)
      : fd_(open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) {
    KV_CHECK(fd_ >= 0);
    Write(std::string(kBytes, '\0'));
    KV_CHECK(fsync(fd_) == 0);
  }

  // At the end, and on the disk when it returns.
  void WriteAndSync(std::string_view bytes) {
    Write(bytes);
    KV_CHECK(fdatasync(fd_) == 0);
  }

 private:
  void Write(std::string_view bytes) {
    while (!bytes.empty()) {
      const size_t piece = std::min<size_t>(bytes.size(), kBytes - end_);
      const ssize_t n = pwrite(fd_, bytes.data(), piece, static_cast<off_t>(end_));
      KV_CHECK(n > 0);
      bytes.remove_prefix(static_cast<size_t>(n));
      end_ = (end_ + static_cast<uint64_t>(n)) % kBytes;
    }
  }

  static constexpr uint64_t kBytes = uint64_t{64} << 20;

  int fd_;
  uint64_t end_ = 0;
};

}  // namespace kvorum::roofline
