// SPDX-License-Identifier: Apache-2.0
//
// What the members of a group can, as they have told the leader: whether the feature level
// (store/feature.h) may be raised, and to what.
//
// A member tells again and again, and what it told is forgotten after a while, or when its link
// breaks: it may come back as an older release. Silence means "not known", never "as before", so a
// raise waits for every member, a learner or one that is down included.
#pragma once

#include <map>
#include <optional>

#include "base/ids.h"
#include "base/time.h"
#include "raft/configuration.h"
#include "store/feature.h"

namespace kvorum::replica {

class FeaturePoll {
 public:
  void Told(NodeId member, store::FeatureLevel level, Micros now) { told_[member] = {level, now}; }
  void Forget(NodeId member) { told_.erase(member); }
  void Clear() { told_.clear(); }

  // Nothing: it has not said so lately.
  [[nodiscard]] std::optional<store::FeatureLevel> Of(NodeId member, Micros now) const;
  // What all members can, `self` being able to do `own`; nothing while that is not known of each.
  [[nodiscard]] std::optional<store::FeatureLevel> Common(const raft::Configuration& configuration,
                                                          NodeId self, store::FeatureLevel own,
                                                          Micros now) const;

 private:
  struct Answer {
    store::FeatureLevel level = 0;
    Micros at = 0;
  };
  std::map<NodeId, Answer> told_;
};

}  // namespace kvorum::replica
