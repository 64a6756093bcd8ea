// SPDX-License-Identifier: Apache-2.0
#include "replica/feature_poll.h"

#include <algorithm>

#include "replica/limits.h"

namespace kvorum::replica {

std::optional<store::FeatureLevel> FeaturePoll::Of(NodeId member, Micros now) const {
  const auto found = told_.find(member);
  if (found == told_.end() || now - found->second.at > kFeatureToldHoldsUs) return std::nullopt;
  return found->second.level;
}

std::optional<store::FeatureLevel> FeaturePoll::Common(const raft::Configuration& configuration,
                                                       NodeId self, store::FeatureLevel own,
                                                       Micros now) const {
  store::FeatureLevel common = own;
  for (const NodeId member : configuration.Members()) {
    if (member == self) continue;
    const std::optional<store::FeatureLevel> level = Of(member, now);
    if (!level) return std::nullopt;
    common = std::min(common, *level);
  }
  return common;
}

}  // namespace kvorum::replica
