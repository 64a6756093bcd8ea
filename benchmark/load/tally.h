// SPDX-License-Identifier: Apache-2.0
//
// What was counted, and how it is told.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "benchmark/load/histogram.h"
#include "benchmark/load/options.h"

namespace kvorum::load {

// One thread's; merged at the end. Only commands that were due after the warm-up are in it.
struct Tally {
  Histogram reads_ns;
  Histogram writes_ns;
  uint64_t misses = 0;      // reads that found nothing
  uint64_t moved = 0;       // redirections followed
  uint64_t late = 0;        // open loop: due but never sent, because answers were too slow
  uint64_t unanswered = 0;  // sent, and not answered when patience ended
  std::map<std::string, uint64_t> errors;  // by first word, or what became of the connection
  int64_t first_ns = INT64_MAX;            // the first command due
  int64_t last_ns = 0;                     // the last answer

  void Merge(const Tally& other);
  [[nodiscard]] uint64_t Completed() const { return reads_ns.Count() + writes_ns.Count(); }
  [[nodiscard]] double Seconds() const;
  [[nodiscard]] bool Clean() const;
};

// `generator_cpu_s`: what the load generator itself used of the machine.
std::string AsText(const Options& options, const Tally& tally, double generator_cpu_s);
std::string AsJson(const Options& options, const Tally& tally, double generator_cpu_s);

}  // namespace kvorum::load
