// SPDX-License-Identifier: Apache-2.0
//
// Where clients write down what they did. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "base/time.h"
#include "tests/check/history.h"

namespace kvorum::chaos {

// Microseconds of a clock that only goes forward; the same for all threads.
Micros NowMicros();

class Recorder {
 public:
  void Add(check::Op op);
  void Acknowledged();  // a write was
  void NotExecuted() { ++not_executed_; }
  void InDoubt() { ++in_doubt_; }
  // Something that no fault excuses.
  void Wrong(std::string what);

  // What was added so far, and forgets it.
  check::History Take();
  [[nodiscard]] std::vector<std::string> wrong() const;
  [[nodiscard]] uint64_t known() const { return known_; }
  [[nodiscard]] uint64_t unknown() const { return unknown_; }
  [[nodiscard]] uint64_t not_executed() const { return not_executed_; }
  [[nodiscard]] uint64_t in_doubt() const { return in_doubt_; }
  [[nodiscard]] uint64_t acknowledged() const { return acknowledged_; }
  // The longest time without an acknowledged write between Watch(true) and Watch(false).
  void Watch(bool on);
  [[nodiscard]] Micros longest_gap() const;

 private:
  mutable std::mutex mutex_;
  check::History history_;
  std::vector<std::string> wrong_;
  bool watching_ = false;
  Micros last_acknowledged_ = 0;
  Micros longest_gap_ = 0;
  std::atomic<uint64_t> known_{0};
  std::atomic<uint64_t> unknown_{0};
  std::atomic<uint64_t> not_executed_{0};
  std::atomic<uint64_t> in_doubt_{0};
  std::atomic<uint64_t> acknowledged_{0};
};

}  // namespace kvorum::chaos
