// SPDX-License-Identifier: Apache-2.0
//
// Is there an order of these operations on one key that respects real time and explains every
// result? Wing and Gong's search with Lowe's memoization over (operations done, state).
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"

namespace kvorum::sim {

enum class OpKind : uint8_t { kGet, kSet, kIncr, kAppend, kDel };

struct Op {
  static constexpr Micros kNever = std::numeric_limits<Micros>::max();

  OpKind kind = OpKind::kGet;
  std::string argument;
  Micros invoked = 0;
  // kNever: the outcome is not known; it may have taken effect at any time since, or not at all.
  Micros returned = kNever;
  std::string result;    // kGet: the value; kIncr, kAppend, kDel: the number
  bool missing = false;  // kGet: there was no such key
  int client = 0;
};

enum class Verdict : uint8_t { kLinearizable, kNot, kTooHard };

// `budget`: states visited at most; beyond it kTooHard, which callers count as a failure.
Verdict CheckLinearizable(std::vector<Op> history, uint64_t budget = 20'000'000);

// For people: one line an operation.
std::string Describe(const std::vector<Op>& history);

}  // namespace kvorum::sim
