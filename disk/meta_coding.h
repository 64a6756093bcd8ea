// SPDX-License-Identifier: Apache-2.0
//
// The bytes of a raft::SnapshotMeta, the same in log records, segment headers and snapshot files:
// u64 index, u64 term, u32 length + 2^31, the configuration (raft/configuration.h) in so many
// bytes. Version 1 of the files had, in place of the last two, u32 count, count x u64 voter; that
// is read, and written for a plain list of voters, which needs no more.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/coding.h"
#include "disk/limits.h"
#include "raft/types.h"

namespace kvorum::disk {

inline constexpr uint32_t kWholeConfiguration = uint32_t{1} << 31;

inline void PutMeta(std::string& out, const raft::SnapshotMeta& meta) {
  // A field that is added to the struct must not be forgotten here: this line stops compiling.
  const auto& [index, term, configuration] = meta;
  PutU64(out, index.value());
  PutU64(out, term.value());
  if (configuration == raft::Configuration(configuration.voters)) {
    KV_CHECK(configuration.voters.size() <= kMaxVoters);
    PutU32(out, static_cast<uint32_t>(configuration.voters.size()));
    for (const NodeId voter : configuration.voters) PutU64(out, voter.value());
    return;
  }
  std::string bytes;
  raft::EncodeConfiguration(configuration, bytes);
  KV_CHECK(bytes.size() <= raft::kMaxConfigurationBytes);
  PutU32(out, static_cast<uint32_t>(bytes.size()) | kWholeConfiguration);
  out += bytes;
}

// How many bytes follow the u32; nothing when it makes no sense.
inline std::optional<uint64_t> ConfigurationBytes(uint32_t count) {
  if ((count & kWholeConfiguration) == 0) {
    return count <= kMaxVoters ? std::optional<uint64_t>(8 * uint64_t{count}) : std::nullopt;
  }
  const uint32_t bytes = count & ~kWholeConfiguration;
  return bytes <= raft::kMaxConfigurationBytes ? std::optional<uint64_t>(bytes) : std::nullopt;
}

// Latches the reader's error when the count is beyond the limit or the numbers make no sense.
inline raft::SnapshotMeta ReadMeta(Reader& in) {
  raft::SnapshotMeta meta;
  meta.index = Index(in.U64());
  meta.term = Term(in.U64());
  const uint32_t count = in.U32();
  const std::optional<uint64_t> bytes = ConfigurationBytes(count);
  if (!bytes || *bytes > in.remaining()) {
    in.Fail();
  } else if ((count & kWholeConfiguration) != 0) {
    std::optional<raft::Configuration> whole = raft::DecodeConfiguration(in.Take(*bytes));
    if (whole) meta.configuration = std::move(*whole);
    if (!whole) in.Fail();
  } else {
    for (uint32_t i = 0; i < count; ++i) meta.configuration.voters.push_back(NodeId(in.U64()));
  }
  const bool start = meta.index.value() == 0 && meta.term.value() == 0;
  const bool real = meta.index.value() != 0 && meta.term.value() != 0 &&
                    meta.index != Index::Max() && meta.term != Term::Max();
  if (!start && !real) in.Fail();
  return meta;
}

}  // namespace kvorum::disk
