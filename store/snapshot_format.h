// SPDX-License-Identifier: Apache-2.0
//
// The bytes of a snapshot's records, as docs/formats/snapshot-records.md describes them:
//
//   stream  = header record* end
//   each    = kind u8, body length varint, body
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "store/feature.h"
#include "store/record.h"

namespace kvorum::store {

// The first level is written as the release that knew no others reads it.
inline constexpr uint64_t kSnapshotVersion = 1;
inline constexpr uint64_t kLevelledSnapshotVersion = 2;

// Append-only.
enum class SnapshotKind : uint8_t { kHeader = 1, kRecord = 2, kEnd = 3 };

struct SnapshotHeader {
  UnixMs log_time = 0;
  uint32_t databases = 0;
  FeatureLevel level = kFirstFeatureLevel;
};

void AppendSnapshotHeader(std::string& out, const SnapshotHeader& header);
void AppendSnapshotRecord(std::string& out, uint8_t database, const Record& record);
void AppendSnapshotEnd(std::string& out, uint64_t records);

// Whether the header, of whatever version, demands more than level `known`: Ok when it does not, or
// is not even that well-formed.
Status DemandOf(std::string_view header, FeatureLevel known);

// Readers of bodies: false for anything malformed.
bool ReadSnapshotHeader(std::string_view body, SnapshotHeader& header);
// A record in pieces, views into the body.
struct SnapshotRecord {
  uint8_t database = 0;
  std::string_view key;
  Record::Value value;
  std::optional<UnixMs> deadline;
};
// `max_string_bytes` bounds the value.
bool ReadSnapshotRecord(std::string_view body, size_t max_string_bytes, SnapshotRecord& record);
bool ReadSnapshotEnd(std::string_view body, uint64_t& records);

}  // namespace kvorum::store
