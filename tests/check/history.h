// SPDX-License-Identifier: Apache-2.0
//
// What clients did and saw: the raw material of every checker.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/time.h"

namespace kvorum::check {

// One command of one client. Commands that ended in a definite refusal (MOVED, CLUSTERDOWN,
// READONLY, MISCONF, OOM) never took effect and are not part of a history.
struct Op {
  static constexpr Micros kNever = std::numeric_limits<Micros>::max();

  std::vector<std::string> argv;
  int database = 0;
  int client = 0;
  Micros invoked = 0;
  // kNever: the outcome is not known; it may have taken effect at any time since, or never.
  Micros returned = kNever;
  std::string reply;  // RESP2, as it came; empty when the outcome is not known
  // What the reply was made from, where that is known (index 0: it is not): the state behind the
  // first `rank` commands of the log entry at `position`; a write is the last of them itself.
  Index position;
  uint32_t rank = 0;
  // Commands that a client sent at once have one number: they are executed in their order, which is
  // that of the history. 0: it was sent alone.
  uint64_t chain = 0;

  [[nodiscard]] bool Known() const { return returned != kNever; }
};

using History = std::vector<Op>;

// The command changes nothing, whatever the state.
bool IsRead(const Op& op);

// For people: one line an operation.
std::string Describe(const Op& op);
std::string Describe(const History& history);

}  // namespace kvorum::check
