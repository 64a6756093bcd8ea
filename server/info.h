// SPDX-License-Identifier: Apache-2.0
//
// The text of INFO. Field names are Redis's where a field of Redis means something here; monitoring
// tools and clients parse them.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "server/node.h"

namespace kvorum::server {

// `sections`: names in any case, "default", "all", "everything"; none: the default ones. Unknown
// names add nothing. `kind`: whether the client sees a cluster or one server.
std::string InfoText(const Node& node, PortKind kind, std::span<const std::string_view> sections);

}  // namespace kvorum::server
