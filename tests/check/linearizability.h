// SPDX-License-Identifier: Apache-2.0
//
// Is there an order of these operations that respects real time and explains every reply? Wing and
// Gong's search (1993) with Lowe's memoization (2017) over (operations done, state), against the
// model of tests/model. Histories are split first: keys that no command touches together are
// independent (linearizability is local, Herlihy and Wing 1990).
#pragma once

#include <cstdint>
#include <string>

#include "tests/check/history.h"

namespace kvorum::check {

enum class Verdict : uint8_t { kLinearizable, kNot, kTooHard };

struct Finding {
  Verdict verdict = Verdict::kLinearizable;
  std::string why;  // where it got stuck, and with kNot the whole group of keys
};

// `budget`: states visited at most for one group of keys; beyond it kTooHard, which callers count
// as a failure. Commands that depend on the time of day (those that set or look at an expiry) are
// refused with KV_CHECK: the witness (tests/check/witness.h) is for those.
Finding CheckLinearizable(const History& history, uint64_t budget = 20'000'000);

}  // namespace kvorum::check
