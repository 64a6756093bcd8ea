// SPDX-License-Identifier: Apache-2.0
//
// The nouns of the protocol that reach disk and peers. Values only: no behaviour lives here.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "base/payload.h"
#include "raft/configuration.h"

namespace kvorum::raft {

// How much a member is wished for as leader: a leader hands over to a voter with more.
inline constexpr uint8_t kDefaultPriority = 100;

// Written to disk and to peers: append-only numbers.
enum class EntryType : uint8_t {
  kNoop = 1,    // a new leader's first entry (thesis 6.4): commits what came before it
  kBatch = 2,   // commands for the state machine; the core never looks inside
  kConfig = 3,  // a Configuration: in force from the moment it is appended (4.1)
};

struct Entry {
  Term term;
  Index index;
  EntryType type = EntryType::kNoop;
  Payload payload;

  friend bool operator==(const Entry&, const Entry&) = default;
};

// What a vote is spent from. Durable before any message that depends on it (thesis 3.8).
struct HardState {
  Term term;
  NodeId vote;  // 0 = none in this term

  friend bool operator==(const HardState&, const HardState&) = default;
};

// The last entry a snapshot covers, and who was a member at that point.
struct SnapshotMeta {
  Index index;
  Term term;
  Configuration configuration;

  friend bool operator==(const SnapshotMeta&, const SnapshotMeta&) = default;
};

// What one turn of the core wants on disk, in this order: the log restarts after `reset_to`, then
// `entries` are appended, dropping whatever stood at and after the first one's index; the hard
// state is durable no later than the entries.
struct Save {
  BatchNumber number;
  std::optional<HardState> hard_state;
  std::optional<SnapshotMeta> reset_to;  // a snapshot was installed: nothing before it matters
  std::vector<Entry> entries;            // contiguous

  [[nodiscard]] bool empty() const {
    return !hard_state.has_value() && !reset_to.has_value() && entries.empty();
  }
};

}  // namespace kvorum::raft
