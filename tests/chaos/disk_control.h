// SPDX-License-Identifier: Apache-2.0
//
// What the harness and the shim inside a node share: a page of memory to steer by, and the journal
// of what a power loss would undo.
//
// The journal is one folder a node, outside its data folder: `ino-<inode>` for each file with
// unsynced changes, `dir-<path, '/' as '%'>` for each directory with unsynced names, and
// `grave-<pid>-<n>`, hard links to files whose name an unsynced rename or unlink took. Each record
// is written before the change it describes, so that whatever moment a process is killed at,
// undoing it is right. A sync that succeeds empties the journal of what was synced.
#pragma once

#include <atomic>
#include <cstdint>

namespace kvorum::chaos {

inline constexpr const char* kControlVariable = "CHAOS_DISK_CONTROL";  // path of the shared page
inline constexpr const char* kRootVariable = "CHAOS_DISK_ROOT";        // the data folder
inline constexpr const char* kJournalVariable = "CHAOS_DISK_JOURNAL";  // the journal's folder

// Zero everywhere: a disk without faults. Both sides read and write it at any time.
struct DiskControl {
  std::atomic<int64_t> wall_offset_ms;   // added to the wall clock
  std::atomic<uint32_t> sync_delay_us;   // of each sync; setting it to less ends a running one
  std::atomic<uint32_t> write_delay_us;  // of each write
  std::atomic<uint32_t> fail_syncs;      // so many syncs fail with EIO
  std::atomic<uint32_t> lying_syncs;     // 1: a sync says that it was done, and nothing was
  std::atomic<uint32_t> fail_writes;     // so many writes fail with EIO
  std::atomic<uint32_t> fail_reads;      // so many reads fail with EIO
  std::atomic<uint32_t> full;            // 1: no file can be made or grow, no space is left
  std::atomic<uint32_t> nearly_full;     // 1: little space is left, as far as one asks
  std::atomic<uint32_t> kill_at_call;    // the process kills itself at the n-th call that changes
                                         // the disk; 0: never
  std::atomic<uint64_t> calls;           // that changed the disk
  std::atomic<uint64_t> syncs;
  std::atomic<uint64_t> failures;  // injected
};
static_assert(std::atomic<uint64_t>::is_always_lock_free);

enum class Change : uint32_t {
  kWrite = 1,     // of a file: bytes [offset, offset + length) are about to change
  kTruncate = 2,  // of a file: its size is about to become `offset`
  kCreate = 3,    // of a directory: `name` is about to appear
  kRename = 4,  // of a directory: `name` is about to become `other`; `grave` keeps the old `other`
  kUnlink = 5,  // of a directory: `name` is about to go; `grave` keeps it
};

inline constexpr uint32_t kJournalMagic = 0x4B56434A;

// Followed by `kept` bytes: what was there before, as far as the file reached.
struct FileRecord {
  uint32_t magic = kJournalMagic;
  Change change = Change::kWrite;
  uint64_t offset = 0;
  uint64_t length = 0;
  uint64_t size_before = 0;
  uint64_t kept = 0;
};

struct NameRecord {
  uint32_t magic = kJournalMagic;
  Change change = Change::kCreate;
  char name[128] = {};
  char other[128] = {};
  char grave[64] = {};  // empty: there was no such file
};

}  // namespace kvorum::chaos
