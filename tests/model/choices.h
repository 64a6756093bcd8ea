// SPDX-License-Identifier: Apache-2.0
//
// Where a drawn thing gets its randomness: from a seed, or from the bytes of a fuzzer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/rng.h"

namespace kvorum::model {

class Choices {
 public:
  virtual ~Choices() = default;
  // A number below `bound`, which is at least 1.
  virtual uint64_t Below(uint64_t bound) = 0;
  bool OneIn(uint64_t of) { return Below(of) == of - 1; }
};

class RandomChoices : public Choices {
 public:
  explicit RandomChoices(uint64_t seed) : rng_(seed) {}
  uint64_t Below(uint64_t bound) override { return rng_.Below(bound); }

 private:
  Rng rng_;
};

// One byte a choice, two for larger bounds; 0 when they have run out. `bytes` must outlive it.
class ByteChoices : public Choices {
 public:
  explicit ByteChoices(std::string_view bytes) : bytes_(bytes) {}
  uint64_t Below(uint64_t bound) override {
    uint64_t value = Byte();
    if (bound > 256) value |= uint64_t{Byte()} << 8;
    return value % bound;
  }
  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  uint8_t Byte() {
    if (bytes_.empty()) return 0;
    const auto byte = static_cast<uint8_t>(bytes_.front());
    bytes_.remove_prefix(1);
    return byte;
  }
  // At most `n` bytes, fewer at the end.
  std::string_view Take(size_t n) {
    const std::string_view taken = bytes_.substr(0, n);
    bytes_.remove_prefix(taken.size());
    return taken;
  }
  [[nodiscard]] std::string_view rest() const { return bytes_; }

 private:
  std::string_view bytes_;
};

}  // namespace kvorum::model
