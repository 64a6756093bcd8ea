// SPDX-License-Identifier: Apache-2.0
//
// Something that happened to the group, as far as this member can see it: what a person wants to
// know who reconstructs an outage. Rare: elections, not entries.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/ids.h"

namespace kvorum::replica {

struct Event {
  using Value = std::variant<uint64_t, std::string>;

  std::string_view name;  // a literal; docs/operations.md lists them
  Term term;
  std::vector<std::pair<std::string_view, Value>> details;
};

}  // namespace kvorum::replica
