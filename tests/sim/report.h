// SPDX-License-Identifier: Apache-2.0
//
// What a run, or many, have seen.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/time.h"
#include "tests/sim/plan.h"

namespace kvorum::sim {

// Rare states. A batch of seeds in which one of them never came up has not tested what it claims to
// test, and fails.
enum class Mark : uint8_t {
  kElectionOnEvidence,  // won sooner than any timeout could have let it
  kElectionOnTimeout,
  kSplitVote,          // a term without a leader
  kCheckQuorum,        // a leader stepped down by itself
  kTransferred,        // leadership was handed on
  kVoteWhilePromised,  // a vote was asked of a member that was bound by its promise
  kLeaseLapsed,        // a leader that reads by lease had to ask a majority
  kLeaseDropped,       // wall and boot clock disagreed
  kLogTruncated,       // a conflict was cut off
  kOldTermCommitted,   // entries of an older term committed by a newer leader
  kOlderTermWon,       // an entry of an older term replaced a newer one at its index (figure 3.7)
  kSnapshotTaken,
  kSnapshotInstalled,
  kSnapshotAcrossLeaders,  // leader changed while a snapshot was on its way
  kWalRotated,
  kWalCompacted,
  kUnsyncedLost,  // a crash took entries that were written but not synced
  kTornTail,      // a start cut what a crash left half written, and said so
  kVoteBarred,    // a log shorter than its witness
  kCarriedByLog,  // a carried command's reply came from the own log
  kCarriedAgain,  // a carried command was decided anew
  kInDoubt,
  kParked,              // a client waited for a leader
  kRequeued,            // a proposal was lost for certain and its commands were decided anew
  kExpiredByPulse,      // time itself was proposed
  kHalted,              // a node with a damaged disk refused to start
  kDiskFullRefused,     // a write was refused before it was proposed
  kProcessEndedByDisk,  // a disk error ended the process
  kQuorumRead,
  kDurableByFollowers,  // committed before the leader's own disk had it
  kStateCompared,       // a follower's state was found equal by the consistency watch
  kPipelineSplit,       // a pipeline was cut by a redirect or a break
  kMembersChanged,      // a configuration that is not joint
  kMembersRolledBack,   // a configuration was cut off with the log
  kLeaderRemoved,       // a leader left, or became a learner
  kReleasesMixed,       // an older and a newer release have applied the same entry
  kFeatureRaised,       // the feature level was raised, after a time without
  kReleaseTakenBack,    // a node went back to an older release
  kJointTakenOver,      // a leader found a joint configuration that another one had begun
  kCount,
};
constexpr size_t kMarks = static_cast<size_t>(Mark::kCount);
const char* NameOf(Mark mark);

// Plain numbers, so that processes can add theirs up through a pipe.
struct Figures {
  uint64_t seeds = 0;
  uint64_t events = 0;
  uint64_t operations = 0;  // with a known outcome
  uint64_t unknown = 0;
  uint64_t witnessed = 0;  // checked by their place in the log
  uint64_t searched = 0;   // checked by search
  uint64_t too_hard = 0;   // the search was given up
  uint64_t redirects = 0;
  uint64_t indoubt = 0;
  uint64_t carried = 0;
  uint64_t elections = 0;
  uint64_t entries = 0;   // committed
  uint64_t messages = 0;  // between nodes
  uint64_t digests = 0;   // states compared at equal index
  Micros simulated_us = 0;
  std::array<uint64_t, kFaultKinds> faults{};
  std::array<uint64_t, kMarks> marks{};

  void Add(const Figures& other);
};

struct Report {
  bool ok = true;
  std::string failure;  // the first thing that was wrong
  uint64_t trace_hash = 0;
  Figures figures;
};

// For people. `seconds`: real time that it took; `jobs`: in so many processes.
std::string Describe(const Figures& figures, double seconds, int jobs);
// The marks that so many seeds should have hit and did not, as one line; empty when there are none.
std::string MissingMarks(const Figures& figures);

}  // namespace kvorum::sim
