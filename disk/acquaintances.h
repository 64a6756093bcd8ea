// SPDX-License-Identifier: Apache-2.0
//
// Which disk is behind a node's id. A data directory gets a random number at its first start, its
// incarnation (disk/identity.h), and each node writes down the incarnation of every other one when
// it meets it first, before it believes anything that it says. A node that comes back with an empty
// disk has forgotten what it has promised and acknowledged under its id; to all who have met it
// before it is a stranger with a known name: it is not listened to, and when it is told as whom it
// is known, it stops. It may come back under a new id only (scenario 43, thesis 4.1 on removed
// servers; what a wiped replica does to a quorum: Viewstamped Replication Revisited, 4.3).
//
// A node that starts for the first time, however late, has been met by nobody and is welcome. What
// this cannot tell is a wiped node from a new one among nodes none of which has ever met it.
//
// File `peers`, replaced whole; grows with the ids that were ever met.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/ids.h"
#include "base/status.h"
#include "disk/files.h"

namespace kvorum::disk {

// Node's thread. `files` outlives it.
class Acquaintances {
 public:
  enum class Meeting : uint8_t {
    kWelcome,
    kAnotherDisk,  // it is not the one that was met under that id: nothing it says counts
    kForgotten,    // this node is not the one that the other has met: it must not go on
  };

  // `self`: the incarnation of this directory. kCorrupt when the file is damaged.
  static Result<Acquaintances> Open(Files& files, const std::string& dir, uint64_t self);

  [[nodiscard]] uint64_t self() const { return self_; }
  // 0: never met.
  [[nodiscard]] uint64_t KnownAs(NodeId node) const;
  // What the other says of itself, and as whom it knows this node. Whoever is met first is written
  // down, durably, before this returns: once in the life of a pair of nodes.
  Result<Meeting> Meet(NodeId node, uint64_t incarnation, uint64_t knows_this_as);

 private:
  Acquaintances(Files& files, std::string dir, uint64_t self)
      : files_(&files), dir_(std::move(dir)), self_(self) {}

  Files* files_;
  std::string dir_;
  uint64_t self_;
  std::map<NodeId, uint64_t> met_;
};

}  // namespace kvorum::disk
