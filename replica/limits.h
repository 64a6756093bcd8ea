// SPDX-License-Identifier: Apache-2.0
//
// Every bound of a group member, with its unit.
#pragma once

#include <cstddef>

#include "base/time.h"
#include "raft/limits.h"

namespace kvorum::replica {

// A turn applies at most this much, about 3 ms of small values, so that a backlog does not keep
// heartbeats, sockets, and the acknowledgements of a new follower that works one off.
inline constexpr size_t kApplyBytesPerTurn = size_t{256} << 10;
inline constexpr size_t kApplyEntriesPerTurn = 1024;

// Nobody has written for so long: a snapshot disturbs nobody, and gives memory back.
inline constexpr Micros kQuietUs = 10'000'000;

// A turn serializes at most this much of a running snapshot.
inline constexpr size_t kSnapshotBytesPerTurn = size_t{128} << 10;
// Serialized and not yet written: beyond it the snapshot waits for its thread.
inline constexpr size_t kSnapshotJobsInFlight = 8;
// Handed over and written before the snapshot may rest, to leave the disk to the log.
inline constexpr size_t kSnapshotRoundBytes = size_t{1} << 20;

// Streaming a snapshot to a follower.
inline constexpr size_t kSnapshotPieceBytes = size_t{256} << 10;
inline constexpr size_t kSnapshotPiecesInFlight = 4;
// Pieces received and not yet written; a sender never has more on the way.
inline constexpr size_t kSnapshotPiecesQueued = 2 * kSnapshotPiecesInFlight;
// A stream that moves nothing this often, one election timeout each, has failed.
inline constexpr int kSnapshotStallLimit = 10;
// Once may be the network's fault, or the follower's disk's.
inline constexpr int kSnapshotRefusals = 2;

inline constexpr size_t kHousekeepKeysPerTurn = 4096;

// How long what a member has told of itself is believed: a few times as long as between two
// tellings (server/limits.h).
inline constexpr Micros kFeatureToldHoldsUs = 2'000'000;

// Wall and boot clock may disagree by this much about the length of one turn before the lease is
// dropped. Below the slack that the drift bound leaves (raft::Options::clock_drift_percent of
// lease_us), and above the wall clock's resolution here, a millisecond.
inline constexpr Micros kClockDisagreementUs = 3'000;

static_assert(kSnapshotPieceBytes <= raft::kMaxAppendBytes);

}  // namespace kvorum::replica
