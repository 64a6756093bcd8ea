// SPDX-License-Identifier: Apache-2.0
//
// What a run is made of: the world's properties, and the faults that will happen to it, both drawn
// from the seed before anything runs. The faults are a list, so that a failing run can be repeated
// with fewer of them (tests/sim/minimize.h); every part of the world has its own random stream, so
// that what is left out does not disturb the rest.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/time.h"

namespace kvorum::sim {

enum class FaultKind : uint8_t {
  kKill,          // the process dies, the machine and its page cache live; peers see it at once
  kKillAll,       // every process at once
  kPower,         // power loss of one machine: unsynced sectors are kept, dropped or garbled
  kPowerAll,      // of every machine at once
  kKillLeader,    // kill -9 of whoever leads
  kPause,         // SIGSTOP ... SIGCONT, anywhere inside a turn
  kPauseAll,      // every process
  kPauseLeader,   // whoever leads
  kMachinePause,  // a virtual machine is stopped: its boot clock has not moved, its wall clock has
  kWallClock,     // the wall clock jumps
  kIsolate,       // one node is cut off
  kHalves,        // two halves
  kOneWay,        // one direction of one pair
  kRandomCuts,    // some directions of some pairs
  kBridge,        // two halves that share one node
  kRing,          // every node hears only its neighbours
  kIsolateLeader,
  kDeafLeader,   // sends, hears nothing
  kMuteLeader,   // hears, cannot send
  kFlap,         // one pair, on and off
  kSwizzle,      // links are clogged one by one and opened in another order
  kSlowLinks,    // one node's links have long delays
  kReset,        // the links of one pair are reset although both ends live
  kResetLeader,  // all links of the leader are reset, and reconnections refused for a moment
  kSlowDisk,     // one disk takes long for each sync
  kStuckDisk,    // one disk does nothing
  kSyncError,    // fsync fails once; pages may be marked clean all the same
  kWriteError,   // a write fails once
  kFullDisk,     // no space for a while
  kRot,          // a byte of one node's disk changes while it is down
  kTransfer,     // leadership is handed on
  kSnapshot,     // a snapshot is asked for
  kAddNode,      // a new machine joins
  kRemoveNode,   // a member is removed; its process lives on
  kReplaceNode,  // a process dies for good, is removed, and a new machine joins
  kDemoteNode,   // a voter becomes a learner, or a learner a voter
  kCount,
};
constexpr size_t kFaultKinds = static_cast<size_t>(FaultKind::kCount);
const char* NameOf(FaultKind kind);

struct Fault {
  Micros at = 0;
  FaultKind kind = FaultKind::kKill;
  NodeId node;        // for those that have one; a leader is looked up when it happens
  NodeId peer;        // the other end of a pair
  Micros length = 0;  // until it is mended, or the process starts again
  uint64_t dice = 0;  // what remains to be chosen

  [[nodiscard]] std::string Text() const;
};

// What a node runs: the release before the newest feature level (store/feature.h); this one, held
// back by feature-level-max, so that it can be taken back; or this one.
enum class Release : uint8_t { kOld, kHeld, kNew };

struct Plan {
  uint64_t seed = 1;
  int nodes = 3;

  // clients
  int clients = 4;
  int keys = 3;
  Micros think_most_us = 60'000;  // between operations
  int pipeline_percent = 10;      // of the times a client sends: several commands at once

  // Leaders are cut off again and again, just longer than their leases, by followers that see it at
  // once, while everybody reads and writes the same key.
  bool duel = false;

  // Every node begins with this release. With `upgrades` each start of a process may bring another
  // one, forward, or back from one that is held; healed, all are new.
  Release release = Release::kNew;
  bool upgrades = false;

  // network; loss and duplication are of Raft messages
  int loss_percent = 0;
  int duplicate_percent = 0;
  Micros delay_most_us = 2'000;
  bool narrow_links = false;  // a few messages fill what a node may queue for another

  // disks and processors
  Micros sync_most_us = 3'000;
  Micros turn_most_us = 30;           // a turn of the loop, mostly
  int long_turns_per_mille = 0;       // turns that are interrupted in the middle,
  Micros long_turn_most_us = 30'000;  // for so long

  // settings
  bool lease_reads = true;
  uint32_t lease_ms = 10;
  uint32_t election_ms = 150;
  uint32_t election_most = 1;  // times election_ms
  uint32_t heartbeat_ms = 40;
  uint64_t segment_bytes = 32 << 10;
  uint64_t snapshot_log_bytes = 16 << 10;
  uint64_t keep_log_bytes = 4 << 10;
  uint64_t snapshot_rate = 0;   // to followers, bytes a second; 0: no limit
  bool wishes = false;          // nodes have different priorities
  uint32_t drift_percent = 50;  // the bound that the nodes believe in
  bool equal_timeouts = false;  // every node draws the same random numbers
  int skew_percent = 10;        // how far clocks run from true time, either way; within the bound

  Micros chaos_us = 6'000'000;   // faults happen
  Micros majority_us = 300'000;  // how long a healed majority serves alone
  Micros quiet_us = 400'000;     // all is healed, clients go on
  std::vector<Fault> faults;     // by time
  bool trace = false;

  // Every property random.
  static Plan Swarm(uint64_t seed);
  // Nothing goes wrong.
  static Plan Calm(uint64_t seed, int nodes);
};

// The faults of a swarm run: each kind with a rate of its own, often none.
std::vector<Fault> MakeSchedule(const Plan& plan);

}  // namespace kvorum::sim
