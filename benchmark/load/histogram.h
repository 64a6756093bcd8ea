// SPDX-License-Identifier: Apache-2.0
//
// Latencies in nanoseconds, counted in log-linear buckets: every power of two is cut into 128 equal
// steps, so a value read back is at most 1/128 above the one recorded, at any size, in 58 KiB. (The
// scheme of HdrHistogram by Gil Tene. Its C library is no package of Debian 12, and base's
// histogram, which doubles, is made for dashboards and is too coarse to compare two systems by.)
//
//   value   0 .. 127   128 .. 255   256 258 .. 510   512 516 .. 1020   ...
//   bucket  0 .. 127   128 .. 255   256     .. 383   384     .. 511    ...
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace kvorum::load {

// One thread's, merged when the threads have ended.
class Histogram {
 public:
  static constexpr int kStepBits = 7;
  static constexpr size_t kSteps = size_t{1} << kStepBits;
  static constexpr size_t kBuckets = (64 - kStepBits + 1) * kSteps;

  void Record(uint64_t value);
  void Merge(const Histogram& other);

  // The smallest bucket's upper end that at least `share` (0..1) of the values do not exceed, never
  // more than Max(). 0 when empty.
  [[nodiscard]] uint64_t Quantile(double share) const;
  [[nodiscard]] uint64_t Count() const { return count_; }
  [[nodiscard]] uint64_t Max() const { return max_; }
  [[nodiscard]] double Mean() const;

  static size_t BucketOf(uint64_t value);
  static uint64_t HighestIn(size_t bucket);

 private:
  std::array<uint64_t, kBuckets> counts_{};
  uint64_t count_ = 0;
  uint64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace kvorum::load
