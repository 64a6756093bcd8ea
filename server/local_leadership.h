// SPDX-License-Identifier: Apache-2.0
//
// Subcommands of RAFT and CLUSTER that are about who leads.
#pragma once

#include "server/node.h"

namespace kvorum::server {

void RaftTransfer(store::LocalCall& call);
void ClusterFailover(store::LocalCall& call);

}  // namespace kvorum::server
