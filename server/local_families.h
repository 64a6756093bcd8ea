// SPDX-License-Identifier: Apache-2.0
//
// The one list of the command families that are answered by the node itself, without the keyspace.
#pragma once

#include <span>

#include "store/command.h"

namespace kvorum::server {

std::span<const std::span<const store::CommandRow>> LocalFamilies();

// One each, defined at the end of the family's own file.
std::span<const store::CommandRow> ConnectionCommands();  // local_connection.cc: PING, HELLO, ...
std::span<const store::CommandRow> ClientCommands();      // local_client.cc: CLIENT ...
std::span<const store::CommandRow> IntrospectionCommands();  // local_introspection.cc: COMMAND ...
std::span<const store::CommandRow> ServerCommands();         // local_server.cc: INFO, CONFIG, ...
std::span<const store::CommandRow> ClusterCommands();        // local_cluster.cc: CLUSTER ...
std::span<const store::CommandRow> RaftCommands();           // local_raft.cc: RAFT ...
std::span<const store::CommandRow> WaitCommands();           // local_wait.cc: WAIT, WAITAOF

}  // namespace kvorum::server
