// SPDX-License-Identifier: Apache-2.0
//
// The bytes of a raft::SnapshotMeta, the same in log records, segment headers and snapshot files:
// u64 index, u64 term, u32 count, count x u64 voter.
#pragma once

#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/coding.h"
#include "disk/limits.h"
#include "raft/types.h"

namespace kvorum::disk {

inline void PutMeta(std::string& out, const raft::SnapshotMeta& meta) {
  // A field that is added to the struct must not be forgotten here: this line stops compiling.
  const auto& [index, term, voters] = meta;
  KV_CHECK(voters.size() <= kMaxVoters);
  PutU64(out, index.value());
  PutU64(out, term.value());
  PutU32(out, static_cast<uint32_t>(voters.size()));
  for (const NodeId voter : voters) PutU64(out, voter.value());
}

// Latches the reader's error when the count is beyond the limit or the numbers make no sense.
inline raft::SnapshotMeta ReadMeta(Reader& in) {
  raft::SnapshotMeta meta;
  meta.index = Index(in.U64());
  meta.term = Term(in.U64());
  const uint32_t count = in.U32();
  if (count > kMaxVoters || count > in.remaining() / 8) in.Fail();
  for (uint32_t i = 0; in.ok() && i < count; ++i) meta.voters.push_back(NodeId(in.U64()));
  const bool start = meta.index.value() == 0 && meta.term.value() == 0;
  const bool real = meta.index.value() != 0 && meta.term.value() != 0 &&
                    meta.index != Index::Max() && meta.term != Term::Max();
  if (!start && !real) in.Fail();
  return meta;
}

}  // namespace kvorum::disk
