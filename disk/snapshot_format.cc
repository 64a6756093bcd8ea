// SPDX-License-Identifier: Apache-2.0
#include "disk/snapshot_format.h"

#include <lz4.h>

#include <algorithm>

#include "base/check.h"
#include "base/coding.h"
#include "base/crc32c.h"
#include "disk/files.h"
#include "disk/limits.h"
#include "disk/meta_coding.h"

namespace kvorum::disk {
namespace {

constexpr uint64_t kHeaderMagic = 0x50414E534D52564BULL;  // "KVRMSNAP"
constexpr uint64_t kFooterMagic = 0x444E45534D52564BULL;  // "KVRMSEND"
// Version 1 knew lists of voters only, version 2 had no packed chunks. They are read.
constexpr uint32_t kVersion = 3;
constexpr std::string_view kPrefix = "snapshot-";
constexpr std::string_view kSuffix = ".snap";

bool KnownVersion(uint32_t version) { return version >= 1 && version <= kVersion; }

}  // namespace

std::string EncodeSnapshotHeader(const SnapshotHeader& header) {
  std::string bytes;
  PutU64(bytes, kHeaderMagic);
  PutU32(bytes, kVersion);
  PutU64(bytes, header.cluster_id);
  PutMeta(bytes, header.meta);
  PutU32(bytes, Crc32c(0, bytes));
  return bytes;
}

uint64_t SnapshotHeaderBytes(std::string_view fixed) {
  Reader in(fixed);
  if (in.U64() != kHeaderMagic || !KnownVersion(in.U32())) return 0;
  in.Take(8 + 8 + 8);
  const std::optional<uint64_t> configuration = ConfigurationBytes(in.U32());
  if (!in.ok() || !configuration) return 0;
  return kSnapshotHeaderFixedBytes + *configuration + 4;
}

bool DecodeSnapshotHeader(std::string_view bytes, SnapshotHeader* header) {
  if (bytes.size() < kSnapshotHeaderFixedBytes + 4) return false;
  Reader in(bytes);
  if (in.U64() != kHeaderMagic || !KnownVersion(in.U32())) return false;
  header->cluster_id = in.U64();
  header->meta = ReadMeta(in);
  const uint32_t crc = in.U32();
  return in.Done() && crc == Crc32c(0, bytes.substr(0, bytes.size() - 4));
}

std::string EncodeFooter(const SnapshotFooter& footer) {
  std::string bytes;
  PutU32(bytes, 0);
  PutU32(bytes, 0);
  PutU64(bytes, footer.chunks);
  PutU64(bytes, footer.content_bytes);
  PutU32(bytes, footer.content_crc);
  PutU64(bytes, kFooterMagic);
  PutU32(bytes, Crc32c(0, bytes));
  return bytes;
}

bool DecodeFooter(std::string_view bytes, SnapshotFooter* footer) {
  Reader in(bytes);
  const bool marked = in.U32() == 0 && in.U32() == 0;
  footer->chunks = in.U64();
  footer->content_bytes = in.U64();
  footer->content_crc = in.U32();
  const bool magic = in.U64() == kFooterMagic;
  const uint32_t crc = in.U32();
  return in.Done() && marked && magic && crc == Crc32c(0, bytes.substr(0, bytes.size() - 4));
}

uint32_t ChunkCrc(uint64_t number, uint32_t length, std::string_view bytes) {
  std::string seed;
  PutU64(seed, number);
  PutU32(seed, length);
  return Crc32c(Crc32c(0, seed), bytes);
}

WrittenChunk EncodeChunk(uint64_t number, std::string_view content, std::string& packed) {
  KV_CHECK(!content.empty() && content.size() <= kMaxSnapshotChunkBytes);
  constexpr size_t kLengthBytes = sizeof(uint32_t);
  const size_t most = content.size() - content.size() / 8;
  packed.resize(
      std::max(packed.size(), kLengthBytes + most));  // to clear it first would cost a tenth
  PatchU32(packed, 0, static_cast<uint32_t>(content.size()));
  const int bytes = LZ4_compress_default(content.data(), packed.data() + kLengthBytes,
                                         static_cast<int>(content.size()), static_cast<int>(most));
  WrittenChunk chunk;
  chunk.bytes = content;
  uint32_t packed_flag = 0;
  if (bytes > 0) {
    chunk.bytes = std::string_view(packed).substr(0, kLengthBytes + static_cast<size_t>(bytes));
    packed_flag = kChunkPacked;
  }
  const uint32_t length = static_cast<uint32_t>(chunk.bytes.size()) | packed_flag;
  PutU32(chunk.header, length);
  PutU32(chunk.header, ChunkCrc(number, length, chunk.bytes));
  return chunk;
}

bool UnpackChunk(std::string_view bytes, std::string& content) {
  Reader in(bytes);
  const uint32_t length = in.U32();
  if (!in.ok() || length == 0 || length > kMaxSnapshotChunkBytes) return false;
  const std::string_view block = in.Take(in.remaining());
  content.resize(length);
  return LZ4_decompress_safe(block.data(), content.data(), static_cast<int>(block.size()),
                             static_cast<int>(length)) == static_cast<int>(length);
}

std::string SnapshotName(const raft::SnapshotMeta& meta) {
  return std::string(kPrefix) + Hex16(meta.index.value()) + "-" + Hex16(meta.term.value()) +
         std::string(kSuffix);
}

bool ParseSnapshotName(std::string_view name, raft::SnapshotMeta* meta) {
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) return false;
  if (name.size() != kPrefix.size() + 33 + kSuffix.size()) return false;
  const std::string_view numbers = name.substr(kPrefix.size(), 33);
  uint64_t index = 0;
  uint64_t term = 0;
  if (!ParseHex16(numbers.substr(0, 16), &index) || numbers[16] != '-' ||
      !ParseHex16(numbers.substr(17), &term)) {
    return false;
  }
  *meta = {Index(index), Term(term), {}};
  return true;
}

}  // namespace kvorum::disk
