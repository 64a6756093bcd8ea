// SPDX-License-Identifier: Apache-2.0
//
// Runs many independent simulations in as many processes as there are cores, and adds up what they
// saw. A process that dies is a failure of the seed that it was running.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "tests/sim/report.h"

namespace kvorum::sim {

struct Campaign {
  uint64_t first = 1;
  uint64_t count = 0;  // 0: until the time is over
  double seconds = 0;
  int jobs = 1;
  bool quiet = false;  // no progress on stderr
};

struct CampaignResult {
  bool ok = true;
  uint64_t failed_seed = 0;
  std::string failure;
  Figures figures;
  uint64_t trace_hash = 0;  // of all runs, in whatever order they ended
  double seconds = 0;       // of real time
};

// Calls `run` with one seed after another until one fails.
CampaignResult RunCampaign(const Campaign& campaign, const std::function<Report(uint64_t)>& run);

}  // namespace kvorum::sim
