// SPDX-License-Identifier: Apache-2.0
//
// How long something takes to come back, as TCP estimates it (RFC 6298): a moving mean and a moving
// mean deviation.
#pragma once

#include <cstdlib>

#include "base/time.h"

namespace kvorum::raft {

class RoundTrip {
 public:
  void Observe(Micros sample) {
    if (!known_) {
      known_ = true;
      mean_ = sample;
      deviation_ = sample / 2;
      return;
    }
    deviation_ += (std::abs(sample - mean_) - deviation_) / 4;
    mean_ += (sample - mean_) / 8;
  }
  [[nodiscard]] bool known() const { return known_; }
  // What nearly all stay below; 0 before the first.
  [[nodiscard]] Micros bound() const { return mean_ + 4 * deviation_; }

 private:
  bool known_ = false;
  Micros mean_ = 0;
  Micros deviation_ = 0;
};

}  // namespace kvorum::raft
