// SPDX-License-Identifier: Apache-2.0
//
// Builds a keyspace from the stream of a snapshot. The chunks may be cut anywhere, even inside a
// length. Nothing in the stream is trusted: a length is checked before a byte is kept for it, and
// bytes are only kept as they arrive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "store/keyspace.h"
#include "store/snapshot_format.h"

namespace kvorum::store {

class SnapshotReader {
 public:
  SnapshotReader(const KeyHash& key_hash, int databases, size_t max_string_bytes,
                 FeatureLevel level_known)
      : keyspace_(std::make_unique<Keyspace>(key_hash, databases)),
        max_string_bytes_(max_string_bytes),
        level_known_(level_known) {}

  // kCorrupt, or kInvalid for a level that is not known here, latches: every later call fails as
  // well.
  Status Chunk(std::string_view bytes);
  // The whole keyspace, when the stream has ended as it should.
  Result<std::unique_ptr<Keyspace>> Finish();

 private:
  enum class State : unsigned char { kHeader, kRecords, kEnded };

  // Takes whole frames off the front of `bytes`.
  Status TakeFrames(std::string_view& bytes);
  Status TakeFrame(uint8_t kind, std::string_view body);
  Status TakeRecord(std::string_view body);
  Status Corrupt(std::string_view what);

  std::unique_ptr<Keyspace> keyspace_;
  size_t max_string_bytes_;
  FeatureLevel level_known_;
  State state_ = State::kHeader;
  SnapshotHeader header_;
  std::string pending_;     // an incomplete frame
  size_t frame_bytes_ = 0;  // what pending_ must reach before another look, 0 = unknown
  uint64_t records_ = 0;
  uint64_t offset_ = 0;  // of the frame, for messages
  Status failed_;
};

}  // namespace kvorum::store
