// SPDX-License-Identifier: Apache-2.0
//
// What the world (disk, network, configuration) answers: a value that must be looked at. No
// exception crosses a folder. absl::Status is not used because its messages are absl::string_view,
// which some distributions do not alias to std::string_view.
#pragma once

#include <string>
#include <utility>
#include <variant>

#include "base/check.h"

namespace kvorum {

// Kinds are few on purpose: callers branch on them, people read the message.
enum class StatusCode : unsigned char {
  kOk,
  kNotFound,  // the named thing is not there
  kCorrupt,   // bytes are there and are wrong: never repaired by guessing
  kNoSpace,   // the device is full
  kIo,        // any other failure of a system call
  kInvalid,   // the request or configuration makes no sense
  kBusy,      // somebody else holds it
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}

  static Status Ok() { return {}; }
  [[nodiscard]] bool ok() const { return code_ == StatusCode::kOk; }
  [[nodiscard]] StatusCode code() const { return code_; }
  [[nodiscard]] const std::string& message() const { return message_; }

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
};

// Either a value or the Status that says why there is none.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}        // NOLINT(google-explicit-constructor)
  Result(Status status) : state_(std::move(status)) {  // NOLINT(google-explicit-constructor)
    KV_CHECK(!std::get<Status>(state_).ok());
  }
  [[nodiscard]] bool ok() const { return std::holds_alternative<T>(state_); }
  [[nodiscard]] Status status() const { return ok() ? Status::Ok() : std::get<Status>(state_); }
  T& value() & {
    KV_CHECK(ok());
    return std::get<T>(state_);
  }
  const T& value() const& {
    KV_CHECK(ok());
    return std::get<T>(state_);
  }
  T&& value() && {
    KV_CHECK(ok());
    return std::get<T>(std::move(state_));
  }

 private:
  std::variant<T, Status> state_;
};

}  // namespace kvorum
