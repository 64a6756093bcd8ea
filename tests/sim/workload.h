// SPDX-License-Identifier: Apache-2.0
//
// What clients of the simulated cluster ask for. Values are never used twice and end with ';', so
// that a write that takes effect twice, or after it was refused, shows in the log.
#pragma once

#include <string>
#include <vector>

#include "base/rng.h"

namespace kvorum::sim {

enum class Mix : uint8_t {
  kPlain,   // one key or several, nothing that depends on the time
  kExpiry,  // the same, and keys with deadlines
  kWild,    // every data command there is, with every option
};

// `unique`: a text for a value, not used before and not again.
std::vector<std::string> DrawOperation(Rng& rng, Mix mix, int keys, const std::string& unique);

}  // namespace kvorum::sim
