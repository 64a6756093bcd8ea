// SPDX-License-Identifier: Apache-2.0
#include "tests/chaos/recorder.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace kvorum::chaos {

Micros NowMicros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void Recorder::Add(check::Op op) {
  ++(op.Known() ? known_ : unknown_);
  const std::lock_guard lock(mutex_);
  history_.push_back(std::move(op));
}

void Recorder::Acknowledged() {
  ++acknowledged_;
  const std::lock_guard lock(mutex_);
  const Micros now = NowMicros();
  if (watching_) longest_gap_ = std::max(longest_gap_, now - last_acknowledged_);
  last_acknowledged_ = now;
}

void Recorder::Watch(bool on) {
  const std::lock_guard lock(mutex_);
  const Micros now = NowMicros();
  if (watching_ && !on) longest_gap_ = std::max(longest_gap_, now - last_acknowledged_);
  watching_ = on;
  last_acknowledged_ = now;
}

void Recorder::Wrong(std::string what) {
  const std::lock_guard lock(mutex_);
  if (wrong_.size() < 20) wrong_.push_back(std::move(what));
}

check::History Recorder::Take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(history_, {});
}

std::vector<std::string> Recorder::wrong() const {
  const std::lock_guard lock(mutex_);
  return wrong_;
}

Micros Recorder::longest_gap() const {
  const std::lock_guard lock(mutex_);
  return longest_gap_;
}

}  // namespace kvorum::chaos
