// SPDX-License-Identifier: Apache-2.0
//
// RAFT ADD, REMOVE, PROMOTE and DEMOTE: who belongs to the group.
#pragma once

#include <string_view>

#include "server/local_call.h"

namespace kvorum::server {

void RaftAdd(store::LocalCall& call);
void RaftRemove(store::LocalCall& call);
void RaftPromote(store::LocalCall& call);
void RaftDemote(store::LocalCall& call);

// "voter", "learner", "leaving", "removed", or "joining" for one that has not heard yet.
std::string_view MembershipOf(const raft::Core& core, NodeId id);

}  // namespace kvorum::server
