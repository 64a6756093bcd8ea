// SPDX-License-Identifier: Apache-2.0
//
// The scripted fault scenarios, by number. The list with what covers what else is in
// docs/testing.md.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tests/sim/lab.h"

namespace kvorum::sim {

struct Scenario {
  int number;
  const char* what;
  void (*run)(Lab& lab);
};

std::span<const Scenario> ElectionScenarios();
std::span<const Scenario> ReplicationScenarios();
std::span<const Scenario> SnapshotScenarios();
std::span<const Scenario> StorageScenarios();
std::span<const Scenario> ClientScenarios();  // time and client semantics
std::span<const Scenario> LeaseScenarios();
std::span<const Scenario> MembershipScenarios();
std::span<const Scenario> ReadScenarios();
std::span<const Scenario> UpgradeScenarios();

// All of them, by number.
std::vector<Scenario> AllScenarios();
Report RunScenario(const Scenario& scenario, uint64_t seed, bool trace);

}  // namespace kvorum::sim
