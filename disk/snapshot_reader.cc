// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "base/coding.h"
#include "base/crc32c.h"
#include "disk/limits.h"
#include "disk/snapshot_format.h"
#include "disk/snapshot_store.h"

namespace kvorum::disk {

Result<std::unique_ptr<SnapshotReader>> SnapshotReader::OpenFile(Files& files,
                                                                 const std::string& path) {
  Result<std::unique_ptr<File>> file = files.Open(path, OpenMode::kRead);
  if (!file.ok()) return file.status();
  std::unique_ptr<SnapshotReader> reader(new SnapshotReader(std::move(file).value(), path));
  if (Status s = reader->ReadHeader(); !s.ok()) return s;
  return reader;
}

Status SnapshotReader::Corrupt(std::string_view what) const {
  return {StatusCode::kCorrupt,
          path_ + " at offset " + std::to_string(offset_) + ": " + std::string(what)};
}

Status SnapshotReader::ReadHeader() {
  Result<uint64_t> size = file_->Size();
  if (!size.ok()) return size.status();
  size_ = size.value();
  std::string bytes;
  if (size_ < kSnapshotHeaderFixedBytes + 4) return Corrupt("no whole header");
  if (Status s = ReadExactly(*file_, 0, kSnapshotHeaderFixedBytes, bytes); !s.ok()) return s;
  const uint64_t whole = SnapshotHeaderBytes(bytes);
  if (whole == 0 || whole > size_) return Corrupt("the header is damaged");
  if (Status s = ReadExactly(*file_, bytes.size(), whole - bytes.size(), bytes); !s.ok()) return s;
  SnapshotHeader header;
  if (!DecodeSnapshotHeader(bytes, &header)) return Corrupt("the header is damaged");
  meta_ = std::move(header.meta);
  cluster_id_ = header.cluster_id;
  offset_ = whole;
  return Status::Ok();
}

Result<bool> SnapshotReader::Next(std::string& chunk) {
  chunk.clear();
  if (done_) return false;
  if (size_ - offset_ < kChunkHeaderBytes) return Corrupt("the file ends without a footer");
  std::string header;
  if (Status s = ReadExactly(*file_, offset_, kChunkHeaderBytes, header); !s.ok()) return s;
  Reader in(header);
  const uint32_t length = in.U32();
  const uint32_t crc = in.U32();
  if (length == 0) {
    if (Status s = ReadFooter(); !s.ok()) return s;
    done_ = true;
    return false;
  }
  const uint32_t bytes = length & ~kChunkPacked;
  if (bytes > kMaxSnapshotChunkBytes || bytes > size_ - offset_ - kChunkHeaderBytes) {
    return Corrupt("not the length of a chunk");
  }
  const bool packed = (length & kChunkPacked) != 0;
  std::string& read = packed ? packed_ : chunk;
  read.clear();
  if (Status s = ReadExactly(*file_, offset_ + kChunkHeaderBytes, bytes, read); !s.ok()) return s;
  if (crc != ChunkCrc(chunks_, length, read)) {
    chunk.clear();
    return Corrupt("the checksum of chunk " + std::to_string(chunks_) + " does not match");
  }
  if (packed && !UnpackChunk(packed_, chunk)) {
    chunk.clear();
    return Corrupt("chunk " + std::to_string(chunks_) + " cannot be unpacked");
  }
  ++chunks_;
  content_bytes_ += chunk.size();
  content_crc_ = Crc32c(content_crc_, chunk);
  offset_ += kChunkHeaderBytes + bytes;
  return true;
}

Status SnapshotReader::ReadFooter() {
  if (size_ - offset_ != kFooterBytes) return Corrupt("no footer where the file ends");
  std::string bytes;
  if (Status s = ReadExactly(*file_, offset_, kFooterBytes, bytes); !s.ok()) return s;
  SnapshotFooter footer;
  if (!DecodeFooter(bytes, &footer)) return Corrupt("the footer is damaged");
  if (footer.chunks != chunks_ || footer.content_bytes != content_bytes_ ||
      footer.content_crc != content_crc_) {
    return Corrupt("the chunks are not those that were written");
  }
  return Status::Ok();
}

}  // namespace kvorum::disk
