// SPDX-License-Identifier: Apache-2.0
//
// Which key comes next, and how it is spelled.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/rng.h"

namespace kvorum::load {

// Zipfian ranks 0..n-1: rank r has a share proportional to 1/(r+1)^theta. "Quickly Generating
// Billion-Record Synthetic Databases", Gray et al., SIGMOD 1994, which YCSB uses as well. Making
// one takes n steps, a number takes constant time. 0 < theta < 1.
class Zipfian {
 public:
  Zipfian(uint64_t n, double theta);
  uint64_t Next(Rng& rng) const;

 private:
  double n_;
  double theta_;
  double zeta_n_;
  double alpha_;
  double eta_;
};

// Key numbers 0..n-1. The hot ranks of a zipfian are spread over all numbers by a fixed
// permutation, so that they are not neighbours.
class KeyChooser {
 public:
  // theta 0: uniform.
  KeyChooser(uint64_t n, double theta);
  uint64_t Next(Rng& rng) const;
  [[nodiscard]] uint64_t Spread(uint64_t rank) const;

 private:
  uint64_t n_;
  bool uniform_;
  uint64_t factor_ = 1;
  Zipfian zipfian_;
};

// "key:000000000042", the spelling of redis-benchmark -r, so that both write the same keys.
void AppendKey(std::string& out, uint64_t key);
inline constexpr size_t kKeyBytes = 16;

// `bytes` long: the key's number in front (cut when there is no room), then filling.
void AppendValue(std::string& out, uint64_t key, size_t bytes);

// Redis Cluster's slot of a key without braces: CRC16/XMODEM modulo 16384.
uint16_t SlotOf(std::string_view key);
inline constexpr size_t kSlots = 16384;

}  // namespace kvorum::load
