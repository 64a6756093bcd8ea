// SPDX-License-Identifier: Apache-2.0
//
// Files on a real file system. Files are 0600 and directories 0700: what is in them is the users'
// data. Every call retries EINTR and loops over short reads and writes.
#pragma once

#include <string>

#include "disk/files.h"

namespace kvorum::disk {

class PosixFiles final : public Files {
 public:
  // `root` is prefixed to every path; "" makes paths mean what they mean to the process.
  explicit PosixFiles(std::string root);

  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& dir) override;
  Status MakeDir(const std::string& dir) override;
  Status SyncDir(const std::string& dir) override;
  Result<bool> Exists(const std::string& path) override;
  Result<uint64_t> FreeBytes(const std::string& dir) override;
  Result<std::unique_ptr<Lock>> LockFile(const std::string& path) override;

 private:
  [[nodiscard]] std::string Full(const std::string& path) const;

  std::string root_;
};

}  // namespace kvorum::disk
