// SPDX-License-Identifier: Apache-2.0
//
// Majority arithmetic over one value per voter.
#pragma once

#include <algorithm>
#include <functional>
#include <vector>

#include "base/check.h"

namespace kvorum::raft {

inline constexpr size_t Majority(size_t voters) { return voters / 2 + 1; }

// The greatest value that a majority has reached. `values` holds one per voter and is reordered.
template <class T>
T QuorumValue(std::vector<T>& values) {
  KV_CHECK(!values.empty());
  const auto nth = values.begin() + static_cast<std::ptrdiff_t>(Majority(values.size()) - 1);
  std::nth_element(values.begin(), nth, values.end(), std::greater<T>());
  return *nth;
}

}  // namespace kvorum::raft
