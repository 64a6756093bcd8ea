// SPDX-License-Identifier: Apache-2.0
//
// The parts of a snapshot file (docs/formats/snapshot-file.md).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "raft/types.h"

namespace kvorum::disk {

struct SnapshotHeader {
  uint64_t cluster_id = 0;
  raft::SnapshotMeta meta;
};

struct SnapshotFooter {
  uint64_t chunks = 0;
  uint64_t content_bytes = 0;
  uint32_t content_crc = 0;
};

// u32 length, u32 checksum.
inline constexpr uint64_t kChunkHeaderBytes = 8;
// In the length of a chunk: its bytes are u32 content length and an LZ4 block.
inline constexpr uint32_t kChunkPacked = 0x8000'0000;
// A chunk header of zero length, then the fields and their checksum.
inline constexpr uint64_t kFooterBytes = kChunkHeaderBytes + 8 + 8 + 4 + 8 + 4;
// Everything of the header before the voters.
inline constexpr uint64_t kSnapshotHeaderFixedBytes = 8 + 4 + 8 + 8 + 8 + 4;

std::string EncodeSnapshotHeader(const SnapshotHeader& header);
// Length of the whole header, from its fixed part; 0 when that makes no sense.
uint64_t SnapshotHeaderBytes(std::string_view fixed);
bool DecodeSnapshotHeader(std::string_view bytes, SnapshotHeader* header);

std::string EncodeFooter(const SnapshotFooter& footer);
bool DecodeFooter(std::string_view bytes, SnapshotFooter* footer);

// Seeded with the chunk's number: a chunk in another's place does not verify. `length` as written,
// with kChunkPacked.
uint32_t ChunkCrc(uint64_t number, uint32_t length, std::string_view bytes);

// The chunk with its header, in two pieces. `packed` is room for the second when it is packed,
// which it is if that saves an eighth; give it again for the next chunk.
struct WrittenChunk {
  std::string header;
  std::string_view bytes;
};
WrittenChunk EncodeChunk(uint64_t number, std::string_view content, std::string& packed);
// What the bytes of a packed chunk stand for; false: they are not of one.
bool UnpackChunk(std::string_view bytes, std::string& content);

std::string SnapshotName(const raft::SnapshotMeta& meta);
bool ParseSnapshotName(std::string_view name, raft::SnapshotMeta* meta);

}  // namespace kvorum::disk
