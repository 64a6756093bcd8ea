// SPDX-License-Identifier: Apache-2.0
#include "benchmark/load/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace kvorum::load {

size_t Histogram::BucketOf(uint64_t value) {
  if (value < kSteps) return static_cast<size_t>(value);
  const int shift = static_cast<int>(std::bit_width(value)) - 1 - kStepBits;
  return static_cast<size_t>(shift) * kSteps + static_cast<size_t>(value >> shift);
}

uint64_t Histogram::HighestIn(size_t bucket) {
  if (bucket < kSteps) return bucket;
  const size_t shift = bucket / kSteps - 1;
  const uint64_t lowest = (bucket % kSteps + kSteps) << shift;
  return lowest + ((uint64_t{1} << shift) - 1);
}

void Histogram::Record(uint64_t value) {
  ++counts_[BucketOf(value)];
  ++count_;
  max_ = std::max(max_, value);
  sum_ += static_cast<double>(value);
}

void Histogram::Merge(const Histogram& other) {
  for (size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
  sum_ += other.sum_;
}

uint64_t Histogram::Quantile(double share) const {
  if (count_ == 0) return 0;
  const auto wanted = std::max<uint64_t>(
      1,
      static_cast<uint64_t>(std::ceil(std::clamp(share, 0.0, 1.0) * static_cast<double>(count_))));
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += counts_[i];
    if (seen >= wanted) return std::min(HighestIn(i), max_);
  }
  return max_;
}

double Histogram::Mean() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }

}  // namespace kvorum::load
