// SPDX-License-Identifier: Apache-2.0
//
// Every size and count of the disk folder, with its unit in the name.
#pragma once

#include <cstddef>
#include <cstdint>

#include "raft/types.h"

namespace kvorum::disk {

// A disk writes sectors whole. Every batch of the log starts on a sector of its own, so that a
// write cut short by a power loss can only damage bytes that nobody was told are safe.
inline constexpr uint64_t kSectorBytes = 512;
// Room between two things that must not share a physical block, on 4 KiB-sector disks too.
inline constexpr uint64_t kBlockBytes = 4096;

inline constexpr uint64_t kSegmentHeaderBytes = kBlockBytes;
inline constexpr uint64_t kDefaultSegmentBytes = uint64_t{16} << 20;
inline constexpr uint64_t kMinSegmentBytes = 2 * kBlockBytes;
inline constexpr uint32_t kDefaultSpareSegments = 2;

// One record's body: a 512 MiB value, its command and its envelope fit twice over.
inline constexpr uint64_t kMaxRecordBytes = uint64_t{1} << 30;
// Payloads up to this size are copied next to their record header instead of being written from
// where they lie: a gather list of tiny pieces costs more than the copy.
inline constexpr size_t kInlinePayloadBytes = 1024;

inline constexpr uint32_t kMaxVoters = 256;

// Ids that ever spoke to a node: 64 KiB of them. Ids are not reused.
inline constexpr size_t kMaxAcquaintances = 4096;

inline constexpr uint64_t kVoteSlotBytes = kSectorBytes;
inline constexpr uint64_t kVoteFileBytes = 4 * kBlockBytes;

inline constexpr uint32_t kSnapshotChunkBytes = 256 * 1024;
inline constexpr uint32_t kMaxSnapshotChunkBytes = 1024 * 1024;
// Dirty pages of a snapshot are synced this often, so that the last sync is short and the log's
// syncs do not queue behind a gigabyte.
inline constexpr uint64_t kSnapshotSyncBytes = uint64_t{1} << 20;
inline constexpr size_t kSnapshotsKept = 2;
// A snapshot that is removed is shortened by so much at a time.
inline constexpr uint64_t kSnapshotRemoveBytes = uint64_t{16} << 20;

// Zeroes are written ahead in pieces of this size.
inline constexpr size_t kZeroPieceBytes = 256 * 1024;

static_assert(kBlockBytes % kSectorBytes == 0);
static_assert(kDefaultSegmentBytes % kSectorBytes == 0);
static_assert(kMinSegmentBytes > kSegmentHeaderBytes);
static_assert(kSegmentHeaderBytes >= 256 + 8 * kMaxVoters, "a header restates the voters");
static_assert(kSegmentHeaderBytes >= 256 + raft::kMaxConfigurationBytes, "or the configuration");
static_assert(kVoteSlotBytes <= kBlockBytes);
static_assert(kSnapshotChunkBytes <= kMaxSnapshotChunkBytes);
static_assert(kMaxRecordBytes >= (uint64_t{512} << 20) + (uint64_t{1} << 20));
static_assert(kMaxRecordBytes <= UINT32_MAX, "record lengths are 32 bits");

}  // namespace kvorum::disk
