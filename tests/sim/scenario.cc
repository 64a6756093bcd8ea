// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/scenario.h"

#include <algorithm>

namespace kvorum::sim {

std::vector<Scenario> AllScenarios() {
  std::vector<Scenario> all;
  for (const std::span<const Scenario> group :
       {ElectionScenarios(), ReplicationScenarios(), SnapshotScenarios(), StorageScenarios(),
        ClientScenarios(), LeaseScenarios(), MembershipScenarios(), ReadScenarios(),
        UpgradeScenarios()}) {
    all.insert(all.end(), group.begin(), group.end());
  }
  std::sort(all.begin(), all.end(),
            [](const Scenario& a, const Scenario& b) { return a.number < b.number; });
  return all;
}

Report RunScenario(const Scenario& scenario, uint64_t seed, bool trace) {
  Lab lab(seed * 1000 + static_cast<uint64_t>(scenario.number));
  lab.plan.trace = trace;
  scenario.run(lab);
  return lab.End();
}

}  // namespace kvorum::sim
