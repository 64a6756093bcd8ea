// SPDX-License-Identifier: Apache-2.0
//
// What must hold when everything is healed. Each call returns what does not, for people.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/chaos/arena.h"
#include "tests/chaos/recorder.h"
#include "tests/check/history.h"

namespace kvorum::chaos {

using Findings = std::vector<std::string>;

// Reads every key through both doors into the history, so that a lost write cannot hide.
Findings ReadFinally(Arena& arena, Recorder& recorder, const std::vector<std::string>& keys,
                     uint64_t seed);

// All nodes come to one place in the log and to one state, which is handed out.
Findings CompareStates(Arena& arena, std::map<std::string, std::string>* state);

// Empty: linearizable.
std::string CheckHistory(const check::History& history);

}  // namespace kvorum::chaos
