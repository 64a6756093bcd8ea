// SPDX-License-Identifier: Apache-2.0
#include "server/local_families.h"

#include <array>

namespace kvorum::server {

std::span<const std::span<const store::CommandRow>> LocalFamilies() {
  static const std::array<std::span<const store::CommandRow>, 7> families = {
      ConnectionCommands(), ClientCommands(), IntrospectionCommands(), ServerCommands(),
      ClusterCommands(),    RaftCommands(),   WaitCommands()};
  return families;
}

}  // namespace kvorum::server
