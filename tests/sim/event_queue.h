// SPDX-License-Identifier: Apache-2.0
//
// Virtual time: events ordered by (time, sequence), so that a run is a function of its seed alone.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/time.h"

namespace kvorum::sim {

class EventQueue {
 public:
  [[nodiscard]] Micros now() const { return now_; }
  void At(Micros time, std::function<void()> run) {
    heap_.push_back({time < now_ ? now_ : time, ++sequence_, std::move(run)});
    std::push_heap(heap_.begin(), heap_.end());
  }
  void After(Micros delay, std::function<void()> run) { At(now_ + delay, std::move(run)); }

  // Runs everything up to `until`, then stands at it.
  void RunUntil(Micros until) {
    while (!heap_.empty() && heap_.front().time <= until) {
      std::pop_heap(heap_.begin(), heap_.end());
      const Event event = std::move(heap_.back());
      heap_.pop_back();
      KV_CHECK(event.time >= now_);
      now_ = event.time;
      ++executed_;
      event.run();
    }
    now_ = until;
  }
  [[nodiscard]] uint64_t executed() const { return executed_; }

 private:
  struct Event {
    Micros time;
    uint64_t sequence;
    std::function<void()> run;
    bool operator<(const Event& other) const {  // a heap keeps the greatest in front
      return std::pair(time, sequence) > std::pair(other.time, other.sequence);
    }
  };
  std::vector<Event> heap_;
  Micros now_ = 0;
  uint64_t sequence_ = 0;
  uint64_t executed_ = 0;
};

}  // namespace kvorum::sim
