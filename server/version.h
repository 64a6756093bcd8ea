// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace kvorum::server {

inline constexpr std::string_view kVersion = "0.2.0";
// The Redis whose command set is served, as far as it is; clients decide by it what to use.
inline constexpr std::string_view kRedisVersion = "7.2.0";

}  // namespace kvorum::server
