// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/minimize.h"

#include <algorithm>
#include <cstddef>

namespace kvorum::sim {

std::vector<Fault> MinimizeFaults(const Plan& plan, const std::function<bool(const Plan&)>& fails,
                                  int most) {
  std::vector<Fault> left = plan.faults;
  size_t parts = 2;
  while (!left.empty() && most > 0) {
    const size_t size = (left.size() + parts - 1) / parts;
    bool smaller = false;
    for (size_t from = 0; from < left.size() && most > 0; from += size) {
      Plan fewer = plan;
      fewer.faults.assign(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(from));
      fewer.faults.insert(
          fewer.faults.end(),
          left.begin() + static_cast<std::ptrdiff_t>(std::min(left.size(), from + size)),
          left.end());
      --most;
      if (!fails(fewer)) continue;
      left = std::move(fewer.faults);
      parts = std::max<size_t>(parts - 1, 2);
      smaller = true;
      break;
    }
    if (smaller) continue;
    if (size == 1) break;
    parts = std::min(left.size(), parts * 2);
  }
  return left;
}

}  // namespace kvorum::sim
