// SPDX-License-Identifier: Apache-2.0
#include "benchmark/load/schedule.h"

#include <algorithm>
#include <cmath>

namespace kvorum::load {

Schedule::Schedule(const Options& options, uint64_t part, uint64_t parts, int64_t start_ns)
    : start_ns_(start_ns),
      measured_from_ns_(start_ns + std::llround(options.warmup_s * 1e9)),
      end_ns_(options.requests != 0 ? INT64_MAX
                                    : measured_from_ns_ + std::llround(options.duration_s * 1e9)),
      requests_(options.requests == 0 ? UINT64_MAX
                                      : Begin(options.requests, part + 1, parts) -
                                            Begin(options.requests, part, parts)),
      distance_ns_(options.rate_per_s > 0 ? 1e9 * static_cast<double>(parts) / options.rate_per_s
                                          : 0),
      first_offset_ns_(distance_ns_ * static_cast<double>(part) / static_cast<double>(parts)) {}

int64_t Schedule::DueNs(uint64_t number) const {
  return start_ns_ + std::llround(first_offset_ns_ + distance_ns_ * static_cast<double>(number));
}

bool Schedule::Due(int64_t now_ns, int64_t& due_ns) const {
  if (Ended(now_ns)) return false;
  due_ns = distance_ns_ == 0 ? now_ns : DueNs(taken_);
  return due_ns <= now_ns;
}

bool Schedule::Ended(int64_t now_ns) const {
  return taken_ >= requests_ || (distance_ns_ == 0 ? now_ns : DueNs(taken_)) >= end_ns_;
}

int64_t Schedule::NextNs(bool client_is_free) const {
  return distance_ns_ == 0 || !client_is_free ? end_ns_ : std::min(end_ns_, DueNs(taken_));
}

uint64_t Schedule::Late(int64_t now_ns) const {
  if (distance_ns_ == 0) return 0;
  const int64_t until_ns = std::min(now_ns, end_ns_);
  uint64_t late = 0;
  for (uint64_t i = taken_; i < requests_ && DueNs(i) < until_ns; ++i) late += Counts(DueNs(i));
  return late;
}

}  // namespace kvorum::load
