// SPDX-License-Identifier: Apache-2.0
//
// The operating system behind one small seam. The server runs on PosixFiles; the simulator and the
// fault tests run the same code above it on a file system in memory that loses power.
//
// Paths are relative to a root that the implementation holds, '/' between parts, "" is the root.
// Nothing is durable until it was synced: bytes by File::SyncData, names by Files::SyncDir.
// One object is used by one thread at a time; two threads may use two Files objects on one root.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace kvorum::disk {

class File {
 public:
  File() = default;
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  virtual ~File() = default;

  // Writes all pieces one behind the other from byte `offset`, growing the file as needed. All or
  // an error; after an error any part may have been written.
  virtual Status WriteAt(uint64_t offset, std::span<const std::string_view> pieces) = 0;

  // Appends at most `n` bytes from byte `offset` to `out` and says how many; fewer than `n` is no
  // error, 0 (for n > 0) means the end of the file. Callers that need all use ReadExactly below.
  virtual Result<size_t> ReadAt(uint64_t offset, size_t n, std::string& out) = 0;

  // Makes everything written so far durable, the file's size included. After an error nothing is
  // known about any write since the last success, and a retry must not be believed.
  virtual Status SyncData() = 0;

  virtual Result<uint64_t> Size() = 0;  // bytes
  virtual Status Truncate(uint64_t size) = 0;
  // Makes the file at least `size` bytes and reserves room for all of them. New ones are zero, and
  // are not written where the file system can note that instead.
  virtual Status Allocate(uint64_t size) = 0;

  Status Write(uint64_t offset, std::string_view bytes) { return WriteAt(offset, {&bytes, 1}); }
};

// An exclusive lock, held for as long as the object lives.
class Lock {
 public:
  Lock() = default;
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  virtual ~Lock() = default;
};

enum class OpenMode : unsigned char {
  kRead,       // kNotFound when it is not there
  kReadWrite,  // kNotFound when it is not there
  kCreate,     // read and write; an existing file is emptied first
};

class Files {
 public:
  Files() = default;
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;
  virtual ~Files() = default;

  virtual Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) = 0;
  // Both names are in one directory; an existing `to` is replaced atomically.
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  virtual Status Remove(const std::string& path) = 0;
  // Names (not paths) of the files in a directory, sorted. kNotFound when there is no such one.
  virtual Result<std::vector<std::string>> List(const std::string& dir) = 0;
  // Creates a directory, its parents too, durably. An existing one is no error.
  virtual Status MakeDir(const std::string& dir) = 0;
  // Makes every name created, renamed or removed in `dir` so far durable.
  virtual Status SyncDir(const std::string& dir) = 0;
  virtual Result<bool> Exists(const std::string& path) = 0;
  // What an unprivileged process may still write to the device of `dir`, in bytes.
  virtual Result<uint64_t> FreeBytes(const std::string& dir) = 0;
  // kBusy when another process holds it. Creates the file.
  virtual Result<std::unique_ptr<Lock>> LockFile(const std::string& path) = 0;
};

// `dir`/`name`, or `name` in the root.
std::string JoinPath(std::string_view dir, std::string_view name);

// Appends exactly `n` bytes or fails: kCorrupt when the file ends before.
Status ReadExactly(File& file, uint64_t offset, uint64_t n, std::string& out);

// The whole file.
Result<std::string> ReadWhole(Files& files, const std::string& path);

// Replaces `dir`/`name` durably: temporary file, sync, rename, sync of the directory.
Status ReplaceFile(Files& files, const std::string& dir, const std::string& name,
                   std::string_view bytes);

// 16 lower-case hex digits, and back. File names are made of them so that they sort by number.
std::string Hex16(uint64_t value);
bool ParseHex16(std::string_view text, uint64_t* value);

}  // namespace kvorum::disk
