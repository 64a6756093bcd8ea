// SPDX-License-Identifier: Apache-2.0
//
// The bytes of a log entry, shared and immutable. One buffer is written to the WAL, sent to every
// peer and applied, without a copy. The reference count is atomic because the WAL thread drops its
// reference there; the bytes themselves never change after construction. Count and bytes are one
// allocation, no larger than they are: the log is kept in memory.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>

namespace kvorum {

class Payload {
 public:
  Payload() = default;
  // Copies them.
  explicit Payload(std::string_view bytes) : size_(bytes.size()) {
    if (bytes.empty()) return;
    const auto copy = std::make_shared_for_overwrite<char[]>(bytes.size());
    std::memcpy(copy.get(), bytes.data(), bytes.size());
    bytes_ = copy;
  }

  // Valid while any copy of this Payload lives.
  [[nodiscard]] std::string_view view() const { return {bytes_.get(), size_}; }
  [[nodiscard]] size_t size() const { return size_; }
  friend bool operator==(const Payload& a, const Payload& b) { return a.view() == b.view(); }

 private:
  std::shared_ptr<const char[]> bytes_;
  size_t size_ = 0;
};

}  // namespace kvorum
