// SPDX-License-Identifier: Apache-2.0
//
// Majority arithmetic, over plain lists of values and over configurations.
#pragma once

#include <algorithm>
#include <functional>
#include <vector>

#include "base/check.h"
#include "raft/configuration.h"

namespace kvorum::raft {

inline constexpr size_t Majority(size_t voters) { return voters / 2 + 1; }

// The greatest value that a majority has reached. `values` holds one per voter and is reordered.
template <class T>
T QuorumValue(std::vector<T>& values) {
  KV_CHECK(!values.empty());
  const auto nth = values.begin() + static_cast<std::ptrdiff_t>(Majority(values.size()) - 1);
  std::nth_element(values.begin(), nth, values.end(), std::greater<T>());
  return *nth;
}

// The greatest value that the configuration agrees on: a majority of the voters has reached it, and
// in a joint configuration a majority of the old voters, too (4.3). `value_of(NodeId)` is asked for
// voters only; whoever leads and is no voter does not count itself (4.2.2).
template <class ValueOf>
auto QuorumValue(const Configuration& configuration, ValueOf value_of) {
  using T = decltype(value_of(NodeId()));
  std::vector<T> values;
  const auto among = [&](const Configuration::Ids& ids) {
    values.clear();
    for (const NodeId id : ids) values.push_back(value_of(id));
    return QuorumValue(values);
  };
  const T agreed = among(configuration.voters);
  return configuration.IsJoint() ? std::min(agreed, among(configuration.old_voters)) : agreed;
}

inline size_t CountIn(const Configuration::Ids& voters, const std::vector<NodeId>& ids) {
  size_t count = 0;
  for (const NodeId id : ids) count += Configuration::Has(voters, id) ? 1 : 0;
  return count;
}

// Are `ids`, each there once, enough to decide for the configuration?
inline bool IsQuorum(const Configuration& configuration, const std::vector<NodeId>& ids) {
  const auto enough = [&](const Configuration::Ids& voters) {
    return CountIn(voters, ids) >= Majority(voters.size());
  };
  return enough(configuration.voters) &&
         (!configuration.IsJoint() || enough(configuration.old_voters));
}

// Are `ids` so many that the others are no quorum any more?
inline bool IsBlocked(const Configuration& configuration, const std::vector<NodeId>& ids) {
  const auto blocked = [&](const Configuration::Ids& voters) {
    return voters.size() - CountIn(voters, ids) < Majority(voters.size());
  };
  return blocked(configuration.voters) ||
         (configuration.IsJoint() && blocked(configuration.old_voters));
}

}  // namespace kvorum::raft
