// SPDX-License-Identifier: Apache-2.0
//
// Limits of the state machine. All of them are part of what makes replicas equal: they change only
// with a machine version, never with a node's configuration.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kvorum::store {

inline constexpr int kDatabases = 16;
inline constexpr uint32_t kSlots = 16384;

// A string value may not become longer, whatever proto-max-bulk-len a node is configured with.
inline constexpr size_t kMaxStringBytes = size_t{512} << 20;
inline constexpr size_t kMaxKeyBytes = size_t{512} << 20;

// Expired keys that are removed at the start of one entry. Fewer would let expired keys pile up
// under a storm of deadlines, more would stall the entry; the rest waits for the next entry and is
// treated as absent meanwhile.
inline constexpr size_t kExpiredPerEntry = 1024;

// Records of one page of a slot's table, and how far its directory may grow: 2^20 pointers are
// 8 MiB, copied in a millisecond or two. From there on pages grow instead.
inline constexpr uint32_t kPageRecords = 27;
inline constexpr uint32_t kMaxDirectoryDepth = 20;

// SCAN's default COUNT, as Redis.
inline constexpr int64_t kScanCount = 10;

// Longest name of a command, container and subcommand together.
inline constexpr size_t kMaxCommandNameBytes = 64;

// Bytes of an unknown command's name and arguments that its error repeats, as Redis.
inline constexpr size_t kErrorEchoBytes = 128;

// What a snapshot record may need besides its key and value.
inline constexpr size_t kSnapshotRecordOverheadBytes = 64;
inline constexpr size_t kMaxSnapshotRecordBytes =
    kMaxKeyBytes + kMaxStringBytes + kSnapshotRecordOverheadBytes;

static_assert(kMaxStringBytes <= UINT32_MAX && kMaxKeyBytes <= UINT32_MAX);
static_assert((kSlots & (kSlots - 1)) == 0);
static_assert(kDatabases <= UINT8_MAX);
// A SCAN cursor is the slot and the top 49 bits of a hash: page boundaries must be exact in it.
inline constexpr unsigned kSlotBits = 14;
inline constexpr unsigned kCursorHashBits = 63 - kSlotBits;
static_assert(kSlots == 1U << kSlotBits && kMaxDirectoryDepth <= kCursorHashBits);

}  // namespace kvorum::store
