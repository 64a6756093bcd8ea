// SPDX-License-Identifier: Apache-2.0
//
// What members say to each other. Each message is its own type; there is no field that means
// something only sometimes. Section numbers are those of Ongaro's thesis, "Consensus: Bridging
// Theory and Practice" (2014).
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "raft/types.h"

namespace kvorum::raft {

// 9.6: would you vote for me in `term`, which I have not entered yet?
struct PreVote {
  Term term;
  Index last_index;
  Term last_term;
};
struct PreVoteReply {
  Term term;  // granted: the term asked for; refused: the term of the voter
  bool granted = false;
};

// 3.4. `transfer`: the leader itself asked for this election (3.10), so voters need not wait for
// its lease: it has already given it up.
struct Vote {
  Term term;
  Index last_index;
  Term last_term;
  bool transfer = false;
};
struct VoteReply {
  Term term;
  bool granted = false;
};

// 3.5. `round` is echoed: it tells the leader which of its sendings a majority has seen.
struct Append {
  Term term;
  Index prev_index;
  Term prev_term;
  Index commit;
  Round round;
  std::vector<Entry> entries;
};
// ok: everything up to `match` is durable here and equal to the leader's log.
// !ok: nothing matched at `prev_index`; the sender's log may agree no further than at
// (`hint_index`, `hint_term`). `round` is that of the message that is answered.
struct AppendReply {
  Term term;
  Round round;
  bool ok = false;
  Index match;
  Index prev_index;
  Index hint_index;
  Term hint_term;
};

// Keeps authority and leases alive, carries read rounds (6.4) and the commit index. Answered at
// once, never behind a disk.
struct Heartbeat {
  Term term;
  Index commit;  // never beyond what the receiver is known to hold
  Round round;
  Micros timeout_us = 0;  // the election timeout that the leader has measured
};
struct HeartbeatReply {
  Term term;
  Round round;
  uint8_t priority = kDefaultPriority;  // how much the sender is wished for as leader
};

// 5.3. One piece of a snapshot file; carried by the replica, whose term the core checks.
struct InstallSnapshot {
  Term term;
  SnapshotMeta meta;
  uint64_t offset = 0;
  uint64_t total = 0;
  std::string bytes;
};
// `received`: contiguous bytes that are there; with `installed` the snapshot (or something newer)
// is there durably. Without an `index` it answers no piece: the sender has not yet loaded or
// applied what it has, and would hold up the group as a voter. A learner says so with every
// heartbeat.
struct InstallSnapshotReply {
  Term term;
  Index index;
  uint64_t received = 0;
  bool installed = false;
};

// 6.4: a follower that serves reads asks for a point of the log that is not older than any write
// acknowledged before it asked. `life` tells one life of the follower from the next, whose ids
// begin anew. Carried by the replica, as the leader's way of knowing that it still leads is the
// replica's choice.
struct ReadIndex {
  Term term;
  uint64_t life = 0;
  ReadId id;
};
// Answers every request of that life up to `id`, whoever leads when it comes.
struct ReadIndexReply {
  Term term;
  uint64_t life = 0;
  ReadId id;
  Index index;  // committed
};

// 3.10: campaign now.
struct TimeoutNow {
  Term term;
};

// The receiver once acknowledged everything up to `index` to this leader and has it no longer: its
// disk was put back to an old image, or has lost its tail without knowing. It must not vote before
// it has that much again. Said with every heartbeat until then.
struct MatchLost {
  Term term;
  Index index;
};

using Message = std::variant<PreVote, PreVoteReply, Vote, VoteReply, Append, AppendReply, Heartbeat,
                             HeartbeatReply, InstallSnapshot, InstallSnapshotReply, TimeoutNow,
                             ReadIndex, ReadIndexReply, MatchLost>;

struct Outgoing {
  NodeId to;
  Message message;
};

inline Term TermOf(const Message& message) {
  return std::visit([](const auto& m) { return m.term; }, message);
}

}  // namespace kvorum::raft
