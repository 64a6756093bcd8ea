// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/report.h"

#include <cstdio>

namespace kvorum::sim {
namespace {

// In the order of Mark.
constexpr const char* kMarkNames[] = {
    "election on evidence",
    "election on timeout",
    "split vote",
    "leader stepped down by itself",
    "leadership handed on",
    "vote asked of a promised member",
    "lease lapsed",
    "lease dropped",
    "log truncated",
    "old term committed by a newer leader",
    "entry of an older term won",
    "snapshot taken",
    "snapshot installed",
    "snapshot across leaders",
    "WAL segment rotated",
    "WAL compacted",
    "unsynced entries lost",
    "torn tail cut",
    "vote barred by the witness",
    "carried command answered from the log",
    "carried command decided anew",
    "in doubt",
    "client parked",
    "commands requeued",
    "expired by a pulse",
    "node halted on a damaged disk",
    "write refused, disk full",
    "process ended by its disk",
    "read by quorum",
    "committed by followers first",
    "state compared",
    "pipeline split",
    "members changed",
    "configuration rolled back",
    "leader removed",
    "releases mixed",
    "feature level raised",
    "release taken back",
    "joint configuration taken over",
};
static_assert(std::size(kMarkNames) == kMarks);

unsigned long long U(uint64_t value) { return value; }

}  // namespace

const char* NameOf(Mark mark) { return kMarkNames[static_cast<size_t>(mark)]; }

void Figures::Add(const Figures& other) {
  seeds += other.seeds;
  events += other.events;
  operations += other.operations;
  unknown += other.unknown;
  witnessed += other.witnessed;
  searched += other.searched;
  too_hard += other.too_hard;
  redirects += other.redirects;
  indoubt += other.indoubt;
  carried += other.carried;
  elections += other.elections;
  entries += other.entries;
  messages += other.messages;
  digests += other.digests;
  simulated_us += other.simulated_us;
  for (size_t i = 0; i < kFaultKinds; ++i) faults[i] += other.faults[i];
  for (size_t i = 0; i < kMarks; ++i) marks[i] += other.marks[i];
}

std::string Describe(const Figures& f, double seconds, int jobs) {
  const double simulated = static_cast<double>(f.simulated_us) / 1e6;
  const double core_seconds = seconds * jobs;
  char text[1024];
  std::snprintf(text, sizeof text,
                "%llu seeds, %.0f s simulated in %.1f s on %d cores (%.0f:1 per core), %llu "
                "events, %llu messages\n"
                "operations: %llu known, %llu unknown; %llu checked by the log, %llu by search, "
                "%llu given up by search; "
                "%llu redirects, %llu in doubt, %llu carried\n"
                "cluster: %llu elections, %llu entries committed, %llu states compared\n",
                U(f.seeds), simulated, seconds, jobs,
                core_seconds > 0 ? simulated / core_seconds : 0, U(f.events), U(f.messages),
                U(f.operations), U(f.unknown), U(f.witnessed), U(f.searched), U(f.too_hard),
                U(f.redirects), U(f.indoubt), U(f.carried), U(f.elections), U(f.entries),
                U(f.digests));
  std::string all = text;
  all += "faults:";
  for (size_t i = 0; i < kFaultKinds; ++i) {
    all += std::string(i == 0 ? " " : ", ") + NameOf(static_cast<FaultKind>(i)) + " " +
           std::to_string(f.faults[i]);
  }
  all += "\nmarks:";
  for (size_t i = 0; i < kMarks; ++i) {
    all += std::string(i == 0 ? " " : ", ") + kMarkNames[i] + " " + std::to_string(f.marks[i]);
  }
  return all + "\n";
}

// How many seeds must have seen it.
uint64_t EnoughSeeds(Mark mark) {
  return mark == Mark::kTornTail || mark == Mark::kOlderTermWon ? 10'000 : 1000;
}

std::string MissingMarks(const Figures& figures) {
  std::string missing;
  for (size_t i = 0; i < kMarks; ++i) {
    if (figures.marks[i] != 0 || figures.seeds < EnoughSeeds(static_cast<Mark>(i))) continue;
    missing += std::string(missing.empty() ? "" : ", ") + kMarkNames[i];
  }
  return missing;
}

}  // namespace kvorum::sim
