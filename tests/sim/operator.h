// SPDX-License-Identifier: Apache-2.0
//
// What an operator types in a scenario.
#pragma once

#include <string>

#include "tests/sim/lab.h"

namespace kvorum::sim {

// How long an answer may take, unless a scenario says otherwise.
inline constexpr Micros kAnswerUs = 3'000'000;

// host:port@peer-port of a simulated node.
std::string AddressOf(NodeId id);
// RAFT ADD of a node of this release.
std::string AddLine(NodeId id);
// A command at that node's port for cluster clients, and the reply as it came; "" without one.
std::string Tell(Lab& lab, NodeId at, const std::string& line, Micros patience = kAnswerUs);
// The same at whoever leads, as often as the answer is "not now".
std::string TellLeader(Lab& lab, const std::string& line);
// And it must be OK.
void MustTell(Lab& lab, const std::string& line);

}  // namespace kvorum::sim
