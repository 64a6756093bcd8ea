// SPDX-License-Identifier: Apache-2.0
//
// Which faults of a failing run does it take? Delta debugging (Zeller and Hildebrandt 2002): leaves
// out ever smaller parts of the schedule as long as the run still fails.
#pragma once

#include <functional>
#include <vector>

#include "tests/sim/plan.h"

namespace kvorum::sim {

// `fails` runs a plan and says whether it failed. Returns the faults that are left; none of them
// can be left out alone. Calls `fails` at most `most` times.
std::vector<Fault> MinimizeFaults(const Plan& plan, const std::function<bool(const Plan&)>& fails,
                                  int most);

}  // namespace kvorum::sim
