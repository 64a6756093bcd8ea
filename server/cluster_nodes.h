// SPDX-License-Identifier: Apache-2.0
//
// The grammar of cluster-nodes, and whether addresses and ports make sense together.
//
//   cluster-nodes = node *( (blank | ",") node )
//   node          = id "=" host ":" port [ "@" peer-port ]
//   host          = name | IPv4 | "[" IPv6 "]"
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "server/config.h"

namespace kvorum::server {

// As Directive::set and Directive::get (server/directives.h).
std::string SetClusterNodes(Config& config, std::span<const std::string_view> words);
std::string GetClusterNodes(const Config& config);

// What is wrong with the members and this node's ports; empty: nothing.
std::string ClusterFaultOf(const Config& config);

}  // namespace kvorum::server
