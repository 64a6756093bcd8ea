// SPDX-License-Identifier: Apache-2.0
//
// A small seeded generator (xoshiro256**, Blackman and Vigna 2018; seeded by splitmix64). The same
// seed gives the same numbers on every platform, which std distributions do not promise. Not for
// secrets.
#pragma once

#include <bit>
#include <cstdint>

namespace kvorum {

class Rng {
 public:
  explicit Rng(uint64_t seed) {
    for (uint64_t& word : state_) {
      seed += 0x9E3779B97F4A7C15ULL;
      uint64_t z = seed;
      z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
      z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
      word = z ^ (z >> 31);
    }
  }
  uint64_t Next() {
    const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }
  // Uniform in [0, bound) for bound > 0, by multiply-shift; the bias is below 2^-32 for the bounds
  // used here.
  uint64_t Below(uint64_t bound) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(Next()) * bound) >> 64);
  }
  // Uniform in [low, high].
  int64_t Between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(Below(static_cast<uint64_t>(high - low) + 1));
  }
  // True with probability n / of.
  bool OneIn(uint64_t n, uint64_t of) { return Below(of) < n; }

 private:
  uint64_t state_[4];
};

}  // namespace kvorum
