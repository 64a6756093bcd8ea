// SPDX-License-Identifier: Apache-2.0
//
// What the disk of a node looks like after its power has failed: the harness's half of the shim's
// journal (tests/chaos/disk_control.h).
#pragma once

#include <cstdint>
#include <string>

#include "base/rng.h"

namespace kvorum::chaos {

struct PowerLoss {
  // Of the sectors that were not synced, so many percent are kept; names are kept up to a random
  // point of their order. 0: nothing that was not synced is there.
  unsigned kept_percent = 0;
  unsigned garbled_percent = 0;  // and so many percent hold neither old nor new bytes
};

struct Undone {
  uint64_t names = 0;    // creations, renames and removals that did not happen
  uint64_t sectors = 0;  // that hold what they held before, or garbage
};

// The process must be dead. Afterwards the journal is empty: what is there now is on the disk.
Undone LosePower(const std::string& data, const std::string& journal, const PowerLoss& how,
                 Rng& random);

}  // namespace kvorum::chaos
