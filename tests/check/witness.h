// SPDX-License-Identifier: Apache-2.0
//
// Linearizability with a witness: when every operation says at which place of the log it took
// effect, the order is given, and only two things remain to be seen, in O(n log n): that it
// respects real time, and that it explains every reply. The log itself is executed by the model of
// tests/model, so that a store that is wrong on every replica in the same way is found as well.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "tests/check/history.h"

namespace kvorum::check {

struct LogCommand {
  std::vector<std::string> argv;
  int database = 0;
};
struct LogEntry {
  UnixMs wall_ms = 0;  // as proposed; the log's time is the greatest so far
  std::vector<LogCommand> commands;
};
// What was committed, from index 1 on. Entries without commands may be missing.
using CommittedLog = std::map<Index, LogEntry>;

// Empty when the history is linearizable in the order of the log; otherwise what is wrong.
// Operations without a position are not looked at, but their commands in the log are executed.
// `unique`: a write whose arguments contain a text marked so (see below) stands in the log once.
std::string CheckWitness(const CommittedLog& log, const History& history);

// Values that clients make up end with ';' and are never used twice.
bool IsUnique(const std::string& argument);

// Applied at most once: a unique value that a client wrote is in the log once at most, and not at
// all when the history has no operation that wrote it or only refused ones. Empty when all is well.
std::string CheckOnce(const CommittedLog& log, const History& history);

// Gives operations without a position a likely one, as a hint to the search: that of the command in
// the log that carries their unique value, or of an equal one beside what they were sent with.
void FindPositions(const CommittedLog& log, History& history);

}  // namespace kvorum::check
