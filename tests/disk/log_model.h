// SPDX-License-Identifier: Apache-2.0
//
// What a log should contain, kept the obvious way, and small things that the log tests share.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "disk/wal.h"
#include "raft/types.h"
#include "tests/disk/memory_files.h"

namespace kvorum::disk {

inline constexpr uint64_t kTestCluster = 0xC0FFEE;
inline constexpr const char* kLogDir = "node/log";

inline WalOptions TestOptions() {
  WalOptions options;
  options.segment_bytes = 2 * kBlockBytes;
  options.spare_segments = 2;
  options.node = NodeId(7);
  options.cluster_id = kTestCluster;
  return options;
}

inline raft::Entry MakeEntry(uint64_t index, uint64_t term, std::string payload) {
  raft::Entry entry;
  entry.index = Index(index);
  entry.term = Term(term);
  entry.type = payload.empty() ? raft::EntryType::kNoop : raft::EntryType::kBatch;
  entry.payload = Payload(payload);
  return entry;
}

inline raft::Save SaveOf(std::vector<raft::Entry> entries) {
  raft::Save save;
  save.entries = std::move(entries);
  return save;
}

inline raft::Save VoteFor(uint64_t term, uint64_t node) {
  raft::Save save;
  save.hard_state = {Term(term), NodeId(node)};
  return save;
}

inline raft::SnapshotMeta MetaAt(uint64_t index, uint64_t term) {
  raft::SnapshotMeta meta{Index(index), Term(term), {NodeId(1), NodeId(2), NodeId(7)}};
  if (index % 2 == 1) {  // with all that a configuration may hold
    meta.configuration.old_voters = {NodeId(1), NodeId(2), NodeId(3)};
    meta.configuration.learners = {NodeId(3), NodeId(9)};
    meta.configuration.joining = {NodeId(9)};
    meta.configuration.removed_up_to = NodeId(5);
    meta.configuration.addresses[NodeId(9)] = "node9:7009@17009";
  }
  return meta;
}

struct LogModel {
  raft::SnapshotMeta base;
  std::vector<raft::Entry> entries;

  friend bool operator==(const LogModel&, const LogModel&) = default;

  [[nodiscard]] uint64_t last_index() const {
    return entries.empty() ? base.index.value() : entries.back().index.value();
  }
  [[nodiscard]] uint64_t last_term() const {
    return entries.empty() ? base.term.value() : entries.back().term.value();
  }
  [[nodiscard]] uint64_t TermAt(uint64_t index) const {
    return index == base.index.value() ? base.term.value()
                                       : entries[index - base.index.value() - 1].term.value();
  }
  void Apply(const raft::Save& save) {
    if (save.reset_to.has_value()) {
      base = *save.reset_to;
      entries.clear();
    }
    for (const raft::Entry& entry : save.entries) {
      while (!entries.empty() && entries.back().index >= entry.index) entries.pop_back();
      entries.push_back(entry);
    }
  }
  void Compact(const raft::SnapshotMeta& to) {
    if (to.index <= base.index) return;
    std::erase_if(entries, [&](const raft::Entry& entry) { return entry.index <= to.index; });
    base = to;
  }
};

inline LogModel ModelOf(const Recovered& recovered) { return {recovered.base, recovered.entries}; }

// A log on a disk in memory.
struct TestLog {
  MemoryFiles files;
  WalOptions options = TestOptions();
  Recovered recovered;
  std::unique_ptr<Wal> wal;

  Status Open() {
    wal.reset();
    Result<std::unique_ptr<Wal>> opened = Wal::Open(files, kLogDir, options, &recovered);
    if (opened.ok()) wal = std::move(opened).value();
    return opened.status();
  }
  Status Write(const std::vector<raft::Save>& saves) {
    if (Status s = wal->Append(saves); !s.ok()) return s;
    return wal->Sync();
  }
  [[nodiscard]] std::string SegmentPath(uint64_t sequence) const {
    return JoinPath(kLogDir, SegmentName(sequence));
  }
  [[nodiscard]] std::string VotePath() const { return JoinPath(kLogDir, VoteFile::kName); }
};

}  // namespace kvorum::disk
