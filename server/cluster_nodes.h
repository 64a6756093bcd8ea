// SPDX-License-Identifier: Apache-2.0
//
// The grammar of cluster-nodes, and whether addresses and ports make sense together.
//
//   cluster-nodes = node *( (blank | ",") node )
//   node          = id "=" host ":" port [ "@" peer-port ]
//   host          = name | IPv4 | "[" IPv6 "]"
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "raft/configuration.h"
#include "server/config.h"

namespace kvorum::server {

// As Directive::set and Directive::get (server/directives.h).
std::string SetClusterNodes(Config& config, std::span<const std::string_view> words);
std::string GetClusterNodes(const Config& config);

// host ":" port [ "@" peer-port ], as above; and back.
std::optional<NodeAddress> ParseAddress(NodeId id, std::string_view text);
std::string AddressText(const NodeAddress& node);

// What a group begins with: the nodes of cluster-nodes, or nothing for a node that joins.
raft::Configuration BootstrapOf(const Config& config);

// What is wrong with the members and this node's ports; empty: nothing.
std::string ClusterFaultOf(const Config& config);

}  // namespace kvorum::server
