// SPDX-License-Identifier: Apache-2.0
//
// The scenarios of a well-known course's simulator for replicated key-value stores
// (tests/sim/cs3700-scenarios.csv): five replicas, eight clients, loss, partitions and kills at
// given times, scored by messages, unanswered requests, doubled replies and median latency. We add
// rules of our own: reads across clients, the whole history linearizable, nothing unanswered in the
// end, equal replicas; and a second variant in which killed replicas start again.
#pragma once

#include <string>

#include "tests/sim/campaign.h"

namespace kvorum::sim {

// `name`: "all", or a part of a generation/config name. campaign.count seeds of each, 200 if it is
// 0. Prints one line for each; false when a run has failed.
bool RunCourse(const std::string& name, const Campaign& campaign);

}  // namespace kvorum::sim
