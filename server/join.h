// SPDX-License-Identifier: Apache-2.0
//
// A new node's way in: asks a member, over its client port as any client would, which cluster this
// is, and to be taken in (RAFT ADD). Blocking; before the loop runs.
#pragma once

#include "base/status.h"
#include "disk/files.h"
#include "raft/core.h"
#include "server/config.h"

namespace kvorum::server {

// config.cluster_id becomes the identity's of a directory that was here before, else
// what the member says. `returning`: it was here before.
Status LearnCluster(disk::Files& files, Config& config, bool* returning);

// RAFT ADD of this node. Follows the member's word to the leader, and tries again while the answer
// is "not now". That it is a member already is no error for one that is `returning` only: another
// one has lost its disk, and must not take part under an id that may have voted.
Status AskToJoin(const Config& config, bool returning);

// The log or a snapshot already says who belongs to the group: there is nothing to ask for.
bool HoldsConfiguration(const raft::Restart& restart);

}  // namespace kvorum::server
