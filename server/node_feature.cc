// SPDX-License-Identifier: Apache-2.0
//
// What this node tells the leader that it can (store/feature.h, replica/feature_poll.h), and whom
// it takes in. Told again and again while the group could do more than it does, then never: an
// older release, which has nothing to tell, and a group at its highest level send nothing.
#include <algorithm>
#include <string>

#include "server/limits.h"
#include "server/node.h"

namespace kvorum::server {

store::FeatureLevel Node::FeatureCan() const {
  const store::FeatureLevel known = machine_.options().level_known;
  const uint16_t most = config_.feature_level_max;
  return most == 0 ? known : std::min<store::FeatureLevel>(known, most);
}

void Node::TellFeature() {
  const store::FeatureLevel can = FeatureCan();
  member_.SetFeatureCan(can);
  const NodeId leader = member_.core().leader();
  if (leader == NodeId() || leader == config_.node_id) return;
  // What is less than what was told must not be believed any longer.
  const bool less = can < feature_told_.level;
  const bool due =
      leader != feature_told_.to || now().boot_us - feature_told_.at >= kTellFeatureEveryUs;
  if (!less && !(due && can > machine_.feature_level())) return;
  feature_told_ = {can, leader, now().boot_us};
  seams_.wire.SendToPeer(leader, FeatureAbility{can});
}

Micros Node::NextFeatureTelling() const {
  const NodeId leader = member_.core().leader();
  const bool tells =
      leader != NodeId() && leader != config_.node_id && FeatureCan() > machine_.feature_level();
  return tells ? feature_told_.at + kTellFeatureEveryUs : INT64_MAX;
}

// "": it may be added. `level` is what it says of itself; releases that know of no levels say
// nothing. By what is on its way, too: behind a raise in the log, nobody is added who cannot do it.
std::string Node::FeatureRefusal(NodeId id, std::optional<store::FeatureLevel> level) {
  const store::FeatureLevel demanded = member_.FeatureDemanded();
  if (level.value_or(store::kFirstFeatureLevel) >= demanded) return {};
  const std::string release(store::ReleaseOf(demanded));
  const std::string number = std::to_string(demanded);
  std::string why = "feature level " + number + " is in force, which Kvorum " + release +
                    " and newer can do; node " + std::to_string(id.value());
  if (level) {
    why += " can do level " + std::to_string(*level) + " at most";
  } else {
    why += " does not say that it can, as older releases do not";
  }
  Happened({"add-refused", member_.core().term(), {{"node", id.value()}, {"why", why}}});
  seams_.host.Log(Host::Level::kWarning, "a node is not taken in: " + why);
  return why + ": start it with a newer release (by hand: RAFT ADD id address LEVEL " + number +
         ")";
}

}  // namespace kvorum::server
