// SPDX-License-Identifier: Apache-2.0
//
// Database numbers in arguments (COPY ... DB, MOVE, SWAPDB), with Redis's three kinds of refusal.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "resp/format.h"
#include "store/errors.h"
#include "store/options.h"

namespace kvorum::store {

// Fails `options` and returns 0 if `text` is no int. `error` replaces Redis's texts about that.
inline int64_t TakeDatabase(Options& options, std::string_view text, std::string_view error = {}) {
  const auto value = resp::ParseInteger(text);
  if (!value.has_value()) {
    options.Fail(error.empty() ? kErrNotInteger : error);
    return 0;
  }
  if (*value < INT32_MIN || *value > INT32_MAX) {
    options.Fail(error.empty()
                     ? "ERR value is out of range, value must between -2147483648 and 2147483647"
                     : error);
    return 0;
  }
  return *value;
}

// The number checked against what exists; the check before proposing uses kDatabases.
inline bool DatabaseExists(int64_t number, int databases) {
  return number >= 0 && number < databases;
}

}  // namespace kvorum::store
