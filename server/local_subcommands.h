// SPDX-License-Identifier: Apache-2.0
//
// Subcommands of RAFT and CLUSTER that have files of their own.
#pragma once

#include "server/node.h"

namespace kvorum::server {

void RaftDigest(store::LocalCall& call);
void RaftEvents(store::LocalCall& call);
void RaftTransfer(store::LocalCall& call);
void ClusterFailover(store::LocalCall& call);

}  // namespace kvorum::server
