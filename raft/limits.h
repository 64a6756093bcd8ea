// SPDX-License-Identifier: Apache-2.0
//
// Every bound of the core, with its unit.
#pragma once

#include <cstddef>

#include "base/time.h"

namespace kvorum::raft {

// Voters and learners together. Of both halves of a joint configuration, too.
inline constexpr size_t kMaxMembers = 15;
// "host:port@cport".
inline constexpr size_t kMaxAddressBytes = 200;

// One AppendEntries: large enough that a batch of small commands travels whole, small enough that
// a peer frame never holds the link for long. An entry bigger than this travels alone.
inline constexpr size_t kMaxAppendBytes = size_t{1} << 20;
inline constexpr size_t kMaxAppendEntries = 1024;

// In flight to one follower, not yet acknowledged (thesis 10.2.1, pipelining).
inline constexpr size_t kMaxInflightMessages = 256;
// Little enough that a follower on a starved machine gets to its heartbeats in between.
inline constexpr size_t kMaxInflightBytes = size_t{4} << 20;

// So many election timeouts after a learner has last said that it is busy it may be promoted.
inline constexpr Micros kBusyTimeouts = 4;

// Proposed and not yet committed, in the whole group: beyond it Propose answers kOverloaded.
inline constexpr size_t kMaxUncommittedBytes = size_t{64} << 20;

// Rounds whose sending time is remembered while no majority has answered.
inline constexpr size_t kMaxOpenRounds = 4096;

static_assert(kMaxAppendBytes <= kMaxInflightBytes);
static_assert(kMaxInflightBytes <= kMaxUncommittedBytes);

}  // namespace kvorum::raft
