// SPDX-License-Identifier: Apache-2.0
//
// Who a data directory belongs to. Written once, at the first start, and compared at every later
// one: a directory mounted at the wrong node, or a node pointed at another cluster, stops here
// instead of voting with somebody else's log. The file `lock` keeps two processes apart.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/ids.h"
#include "base/status.h"
#include "disk/files.h"

namespace kvorum::disk {

struct Identity {
  uint64_t cluster_id = 0;
  NodeId node;
  // Drawn when the directory was made: an empty one under the same id is another
  // (disk/acquaintances.h).
  uint64_t incarnation = 0;

  friend bool operator==(const Identity&, const Identity&) = default;
};

// nullopt when the directory has none yet; kCorrupt when it is damaged.
Result<std::optional<Identity>> ReadIdentity(Files& files, const std::string& dir);

// Creates the directory and its identity, durably, or checks that the one there is the `wanted`
// node of the `wanted` cluster: kInvalid with a sentence for the operator when it is not. Returns
// what is there now.
Result<Identity> EnsureIdentity(Files& files, const std::string& dir, const Identity& wanted);

// Held for the life of the process. kBusy when another one runs on this directory.
Result<std::unique_ptr<Lock>> LockDirectory(Files& files, const std::string& dir);

}  // namespace kvorum::disk
