// SPDX-License-Identifier: Apache-2.0
//
// Subcommands of RAFT and CLUSTER that have files of their own.
#pragma once

#include <string_view>

#include "server/local_call.h"

namespace kvorum::server {

void RaftAdd(store::LocalCall& call);
void RaftRemove(store::LocalCall& call);
void RaftPromote(store::LocalCall& call);
void RaftDemote(store::LocalCall& call);
// "voter", "learner", "leaving", "removed", or "joining" for a voter whose change is not through
// yet and for one that has not heard of any.
std::string_view MembershipOf(const raft::Core& core, NodeId id);

void RaftDigest(store::LocalCall& call);
void RaftEvents(store::LocalCall& call);
void RaftTransfer(store::LocalCall& call);
void ClusterFailover(store::LocalCall& call);

}  // namespace kvorum::server
