// SPDX-License-Identifier: Apache-2.0
//
// Every bound of the serving side that is no directive, with its unit.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/time.h"
#include "replica/limits.h"

namespace kvorum::server {

// One log entry collects commands up to about this size; a bigger command travels alone.
inline constexpr size_t kBatchBytes = size_t{1} << 20;

// A turn proposes about so much at most: what it takes must not delay heartbeats.
inline constexpr size_t kTurnBytes = size_t{4} << 20;

// A session that cannot go on keeps this much unread input before its socket is left alone.
inline constexpr size_t kStalledInputBytes = size_t{256} << 10;

// A session executes at most this many commands in one turn, so that a deep pipeline does not
// starve the others.
inline constexpr size_t kCommandsPerTurn = 16'384;

// Before authentication: unread input and unread output.
inline constexpr size_t kStrangerInputBytes = size_t{1} << 20;
inline constexpr size_t kStrangerOutputBytes = size_t{64} << 10;

// Commands of one session that a follower has carried to the leader and that are not answered.
inline constexpr size_t kForwardsPerSession = 4096;

// As many are carried at once as fit into the client's soft output limit, going by the largest
// reply seen lately; before the first reply, this many.
inline constexpr size_t kFirstForwards = 32;

// The leader's end: replies for the clients of one other node that wait for its link. Beyond it
// their commands are not executed for now. They go in messages of about kForwardReplyBytes.
inline constexpr size_t kRemoteReplyBytes = size_t{8} << 20;
inline constexpr size_t kForwardReplyBytes = size_t{1} << 20;

// The consistency watch: how often (in log entries) a part of the keyspace is hashed, about how
// many keys a part has, at most how many slots, and how many digests are kept for comparison.
inline constexpr uint64_t kDigestEvery = 128;
inline constexpr size_t kDigestKeys = 512;
inline constexpr size_t kDigestSlots = 4096;
inline constexpr size_t kDigestsKept = 64;

// How often a member tells the leader that it could do a higher feature level.
inline constexpr Micros kTellFeatureEveryUs = 300'000;

// SIGTERM to a leader: clients that asked for something so lately are waited for, for so long at
// most, to be told who leads now.
inline constexpr Micros kRedirectPatienceUs = 1'000'000;

// Peer frames. A frame carries one message; the largest is one entry with one huge value.
inline constexpr size_t kMaxFrameBytes = size_t{600} << 20;
// Queued for one peer and not written: beyond it Raft messages are dropped (they are sent again).
inline constexpr size_t kPeerQueueBytes = size_t{64} << 20;

// What RAFT LOG shows: entries at once, and of each entry so many commands, arguments of a command
// and bytes of an argument; the rest is counted.
inline constexpr size_t kRaftLogDefault = 10;
inline constexpr size_t kRaftLogMax = 1000;
inline constexpr size_t kRaftLogCommands = 32;
inline constexpr size_t kRaftLogArguments = 16;
inline constexpr size_t kRaftLogArgumentBytes = 128;

// RAFT EVENTS: how many are kept and, unless asked otherwise, shown; and their file.
inline constexpr size_t kEventsKept = 1024;
inline constexpr size_t kEventsDefault = 32;
inline constexpr uint64_t kEventFileBytes = uint64_t{4} << 20;

static_assert(kBatchBytes < kMaxFrameBytes && kBatchBytes <= kTurnBytes);
static_assert(4 * kTellFeatureEveryUs < replica::kFeatureToldHoldsUs);
static_assert(kForwardReplyBytes < kRemoteReplyBytes && kRemoteReplyBytes < kPeerQueueBytes);
static_assert(replica::kSnapshotPieceBytes < kPeerQueueBytes);

}  // namespace kvorum::server
