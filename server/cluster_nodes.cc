// SPDX-License-Identifier: Apache-2.0
#include "server/cluster_nodes.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "raft/limits.h"

namespace kvorum::server {
namespace {

template <class Number>
bool Parse(std::string_view text, Number& number) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  return !text.empty() && error == std::errc() && stop == end && number != 0;
}

std::optional<NodeAddress> ParseNode(std::string_view text) {
  uint64_t id = 0;
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos || !Parse(text.substr(0, equals), id)) return std::nullopt;
  return ParseAddress(NodeId(id), text.substr(equals + 1));
}

std::string Quoted(const NodeAddress& node) {
  return "node " + std::to_string(node.id.value()) + " in cluster-nodes";
}

std::string PortFaultOf(const Config& config, const NodeAddress& self) {
  const std::pair<std::string_view, uint16_t> ports[] = {
      {"port", config.port},
      {"proxy-port", config.proxy_port},
      {config.raft_port != 0 ? "raft-port" : "the peer port of cluster-nodes",
       config.raft_port != 0 ? config.raft_port : self.peer_port},
      {"metrics-port", config.metrics_port}};
  for (size_t i = 0; i < std::size(ports); ++i) {
    for (size_t j = i + 1; j < std::size(ports); ++j) {
      if (ports[i].second == 0 || ports[i].second != ports[j].second) continue;
      return std::string(ports[i].first) + " and " + std::string(ports[j].first) + " are both " +
             std::to_string(ports[i].second);
    }
  }
  return {};
}

}  // namespace

std::optional<NodeAddress> ParseAddress(NodeId id, std::string_view text) {
  NodeAddress node;
  node.id = id;
  const size_t at = text.rfind('@');
  if (at != std::string_view::npos) {
    if (!Parse(text.substr(at + 1), node.peer_port)) return std::nullopt;
    text = text.substr(0, at);
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || !Parse(text.substr(colon + 1), node.port)) {
    return std::nullopt;
  }
  std::string_view host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return std::nullopt;
  }
  if (host.empty()) return std::nullopt;
  node.host = host;
  return node;
}

std::string AddressText(const NodeAddress& node) {
  const bool v6 = node.host.find(':') != std::string::npos;
  std::string text = (v6 ? "[" + node.host + "]" : node.host) + ":" + std::to_string(node.port);
  if (node.peer_port != 0) text += "@" + std::to_string(node.peer_port);
  return text;
}

raft::Configuration BootstrapOf(const Config& config) {
  raft::Configuration bootstrap;
  if (!config.join.empty()) return bootstrap;
  for (const NodeAddress& node : config.cluster_nodes) {
    bootstrap.voters.push_back(node.id);
    bootstrap.addresses[node.id] = AddressText(node);
  }
  return bootstrap;
}

std::string SetClusterNodes(Config& config, std::span<const std::string_view> words) {
  std::vector<NodeAddress> nodes;
  for (std::string_view word : words) {
    while (!word.empty()) {
      const size_t comma = std::min(word.find(','), word.size());
      const std::string_view text = word.substr(0, comma);
      word.remove_prefix(std::min(comma + 1, word.size()));
      if (text.empty()) continue;
      std::optional<NodeAddress> node = ParseNode(text);
      if (!node) return "'" + std::string(text) + "' is not of the form id=host:port@peer-port";
      nodes.push_back(std::move(*node));
    }
  }
  std::sort(nodes.begin(), nodes.end(),
            [](const NodeAddress& a, const NodeAddress& b) { return a.id < b.id; });
  config.cluster_nodes = std::move(nodes);
  return {};
}

std::string GetClusterNodes(const Config& config) {
  std::string text;
  for (const NodeAddress& node : config.cluster_nodes) {
    text += (text.empty() ? "" : " ") + std::to_string(node.id.value()) + "=" + AddressText(node);
  }
  return text;
}

std::string ClusterFaultOf(const Config& config) {
  const NodeAddress* self = config.Find(config.node_id);
  if (self == nullptr) {
    return "node-id " + std::to_string(config.node_id.value()) + " is not in cluster-nodes";
  }
  if (config.cluster_nodes.size() > raft::kMaxMembers) {
    return "cluster-nodes names " + std::to_string(config.cluster_nodes.size()) +
           " nodes, at most " + std::to_string(raft::kMaxMembers) + " are possible";
  }
  if (config.port != self->port) {
    return "port (" + std::to_string(config.port) + ") is not what cluster-nodes says of node " +
           std::to_string(config.node_id.value()) + " (" + std::to_string(self->port) + ")";
  }
  for (const NodeAddress& node : config.cluster_nodes) {
    if (AddressText(node).size() > raft::kMaxAddressBytes) return Quoted(node) + " is too long";
    if (config.cluster_nodes.size() > 1 && node.peer_port == 0) {
      return Quoted(node) + " has no peer port";
    }
    for (const NodeAddress& other : config.cluster_nodes) {
      if (&other <= &node) continue;
      if (other.id == node.id) return Quoted(node) + " is there twice";
      if (other.host != node.host) continue;
      if (other.port == node.port || other.peer_port == node.peer_port ||
          other.port == node.peer_port || other.peer_port == node.port) {
        return Quoted(node) + " has a port of node " + std::to_string(other.id.value());
      }
    }
  }
  return PortFaultOf(config, *self);
}

}  // namespace kvorum::server
