// SPDX-License-Identifier: Apache-2.0
//
// A disk in memory that can lose power, rot, fill up and lie. It keeps, for each file, the bytes
// that are durable and the ordered writes that are not; for each directory, the names that are
// durable and the ordered creates, renames and unlinks that are not. Reads see everything (the
// page cache); Crash decides what the platter kept.
//
// MakeDir is durable at once (the real one syncs the parent). Locks and open files are those of a
// process: Crash forgets the locks, and File objects opened before it must not be used after.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/rng.h"
#include "disk/files.h"

namespace kvorum::disk {

enum class CrashMode : unsigned char {
  kProcess,        // the process dies, the machine lives: nothing is lost, nothing becomes durable
  kDropUnsynced,   // power loss, nothing unsynced survives
  kKeepUnsynced,   // power loss, but everything had reached the platter
  kRandomSectors,  // power loss: each unsynced sector is kept, dropped or garbled on its own; of
                   // the unsynced directory operations a prefix or any subset survives
};

enum class Operation : unsigned char {
  kWrite,
  kSync,
  kRename,
  kRead,
  kTruncate,
  kOpen,
  kRemove,
  kSyncDir
};

enum class FaultKind : unsigned char {
  kIoError,          // EIO, no effect (a sync: pages stay dirty)
  kNoSpace,          // ENOSPC; a write has written half
  kErrorPagesClean,  // kSync: EIO, and the pages are marked clean without being on the platter
  kShortRead,        // kRead: half of what was asked
  kLost,             // kWrite: reported ok, visible, never durable
};

class MemoryFiles final : public Files {
 public:
  MemoryFiles();
  ~MemoryFiles() override;

  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& dir) override;
  Status MakeDir(const std::string& dir) override;
  Status SyncDir(const std::string& dir) override;
  Result<bool> Exists(const std::string& path) override;
  Result<uint64_t> FreeBytes(const std::string& dir) override;
  Result<std::unique_ptr<Lock>> LockFile(const std::string& path) override;

  void Crash(Rng& rng, CrashMode mode);

  // The `nth` (1 = next) operation of that kind, counted from now, fails once; with `forever`, so
  // do all later ones.
  void FailNth(Operation operation, uint64_t nth, FaultKind kind, bool forever = false);
  void ClearFaults();

  // Operations that change something (writes, syncs, truncates, renames, removes, creating opens,
  // directory syncs), counted since construction.
  [[nodiscard]] uint64_t changes() const { return changes_; }
  // From the `n`th change counted from now (1 = next), every call fails without effect, as if the
  // process had died there; the `n`th itself, if it is a write, has done its first half.
  void StopAtChange(uint64_t n);
  void Resume();  // a new process: lifts StopAtChange, releases locks
  [[nodiscard]] bool stopped() const { return stopped_; }

  void SetCapacity(uint64_t bytes) { capacity_ = bytes; }  // writes beyond it: ENOSPC
  [[nodiscard]] uint64_t UsedBytes() const;

  // Bit rot, in cache and on the platter alike: xors one byte.
  void Corrupt(const std::string& path, uint64_t offset, uint8_t mask = 0x01);
  // Cuts or grows cache and platter.
  void Resize(const std::string& path, uint64_t size);
  // What a read sees.
  [[nodiscard]] std::string Contents(const std::string& path) const;
  // Puts bytes there, durably.
  void Put(const std::string& path, std::string_view bytes);
  void PutAt(const std::string& path, uint64_t offset, std::string_view bytes);

  // The disk as it is, with what is unsynced; Restore rolls back to it.
  class Image;
  [[nodiscard]] std::shared_ptr<const Image> Save() const;
  void Restore(const Image& image);

 private:
  friend class MemoryFile;
  friend class MemoryLock;
  struct Inode;
  struct Directory;
  struct Fault {
    Operation operation;
    uint64_t countdown;
    FaultKind kind;
    bool forever;
  };
  using InodeRef = std::shared_ptr<Inode>;

  Status Begin(Operation operation, FaultKind* fault, bool* faulted, bool* half);
  Directory* FindDir(const std::string& path, std::string* name);
  [[nodiscard]] InodeRef FindInode(const std::string& path) const;
  static void SettleData(Inode& inode, Rng& rng, CrashMode mode);
  static void SettleNames(Directory& dir, Rng& rng, CrashMode mode);

  std::map<std::string, Directory> dirs_;
  std::set<std::string> locks_;
  std::vector<Fault> faults_;
  uint64_t changes_ = 0;
  uint64_t stop_at_ = UINT64_MAX;
  bool stopped_ = false;
  uint64_t capacity_ = UINT64_MAX;
};

}  // namespace kvorum::disk
