// SPDX-License-Identifier: Apache-2.0
//
// Plain counters, owned by the component that counts. One thread writes, any thread may read: a
// relaxed atomic load and store, no locked instruction. The metrics folder turns them into
// Prometheus series; nothing here knows about that.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace kvorum {

class Counter {
 public:
  void Add(uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  [[nodiscard]] uint64_t Get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class Gauge {
 public:
  void Set(int64_t v) { value_.store(v, std::memory_order_relaxed); }
  void Add(int64_t n) { Set(Get() + n); }
  [[nodiscard]] int64_t Get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

// Durations in buckets whose upper bounds double from 10 us: 10, 20, 40 ... 10 us * 2^20 (10.5 s),
// and one for everything above.
class Histogram {
 public:
  static constexpr size_t kBuckets = 22;
  static constexpr int64_t BoundUs(size_t bucket) { return int64_t{10} << bucket; }

  void Observe(int64_t us) {
    const uint64_t steps = us <= 10 ? 0 : (static_cast<uint64_t>(us) - 1) / 10;
    size_t bucket = static_cast<size_t>(std::bit_width(steps));
    if (bucket >= kBuckets) bucket = kBuckets - 1;
    buckets_[bucket].Add();
    sum_us_.Add(us > 0 ? static_cast<uint64_t>(us) : 0);
  }
  // Not cumulative; the last bucket has no upper bound.
  [[nodiscard]] uint64_t CountIn(size_t bucket) const { return buckets_[bucket].Get(); }
  [[nodiscard]] uint64_t SumUs() const { return sum_us_.Get(); }

 private:
  std::array<Counter, kBuckets> buckets_;
  Counter sum_us_;
};

}  // namespace kvorum
