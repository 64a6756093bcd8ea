// SPDX-License-Identifier: Apache-2.0
//
// The bytes of a log entry, shared and immutable. One buffer is written to the WAL, sent to every
// peer and applied, without a copy. The reference count is atomic because the WAL thread drops its
// reference there; the bytes themselves never change after construction.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace kvorum {

class Payload {
 public:
  Payload() = default;
  explicit Payload(std::string bytes)
      : bytes_(std::make_shared<const std::string>(std::move(bytes))) {}

  // Valid while any copy of this Payload lives.
  [[nodiscard]] std::string_view view() const {
    return bytes_ ? std::string_view(*bytes_) : std::string_view();
  }
  [[nodiscard]] size_t size() const { return bytes_ ? bytes_->size() : 0; }
  friend bool operator==(const Payload& a, const Payload& b) { return a.view() == b.view(); }

 private:
  std::shared_ptr<const std::string> bytes_;
};

}  // namespace kvorum
