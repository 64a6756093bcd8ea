// SPDX-License-Identifier: Apache-2.0
//
// When commands are due, and which of them count. No clock in here: times are handed in, so that
// tests own them.
#pragma once

#include <cstdint>

#include "benchmark/load/options.h"

namespace kvorum::load {

// One thread's part of the work. A closed loop has a command due whenever a client is free; an open
// loop at fixed distances from the start, whatever became of the commands before: that is what
// keeps a stall of the server from being left out of the figures (coordinated omission).
class Schedule {
 public:
  // `part` of `parts` equal threads. Times are nanoseconds of any steady clock.
  Schedule(const Options& options, uint64_t part, uint64_t parts, int64_t start_ns);

  // True when there is one to be sent now; `due_ns` is then the time its latency counts from.
  [[nodiscard]] bool Due(int64_t now_ns, int64_t& due_ns) const;
  void Take() { ++taken_; }
  [[nodiscard]] uint64_t taken() const { return taken_; }
  // Nothing will be due any more. What was due in time and waits for a free client still is.
  [[nodiscard]] bool Ended(int64_t now_ns) const;
  [[nodiscard]] bool TimeIsUp(int64_t now_ns) const { return now_ns >= end_ns_; }
  // When to look again if nothing else happens: an open loop with a free client at its next
  // command, all others when the time is over.
  [[nodiscard]] int64_t NextNs(bool client_is_free) const;
  [[nodiscard]] bool Counts(int64_t due_ns) const { return due_ns >= measured_from_ns_; }
  // Open loop: commands that were due, would have counted and were not taken.
  [[nodiscard]] uint64_t Late(int64_t now_ns) const;

 private:
  [[nodiscard]] int64_t DueNs(uint64_t number) const;

  int64_t start_ns_;
  int64_t measured_from_ns_;
  int64_t end_ns_;          // by duration; INT64_MAX otherwise
  uint64_t requests_;       // by number; UINT64_MAX otherwise
  double distance_ns_;      // open loop: between two; 0: closed
  double first_offset_ns_;  // threads take turns
  uint64_t taken_ = 0;
};

// Numbers 0..total-1 dealt out in runs: part p has [Begin(p), Begin(p + 1)).
inline uint64_t Begin(uint64_t total, uint64_t part, uint64_t parts) {
  return static_cast<uint64_t>(static_cast<unsigned __int128>(total) * part / parts);
}

}  // namespace kvorum::load
