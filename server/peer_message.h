// SPDX-License-Identifier: Apache-2.0
//
// What nodes say to each other: the group's Raft messages, and commands that one node carries to
// the leader for its clients. A link delivers in order until it is reset.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "raft/messages.h"
#include "resp/reply.h"

namespace kvorum::server {

// A client's command on its way to the leader. (start, sequence) is its origin id, see
// store/envelope.h; sequences ascend in a start.
struct ForwardedCommand {
  uint64_t sequence = 0;
  uint64_t client = 0;  // commands of one client are executed in order
  uint8_t database = 0;
  resp::Protocol protocol = resp::Protocol::kResp2;
  std::vector<std::string> argv;
};
// `term`: of the leader it is meant for; a leader of any other term refuses. `repeated`: the link
// broke after these were sent once, so "refused" would no longer mean "not executed": whoever does
// not lead that term stays silent, and the log tells.
struct Forward {
  Term term;
  bool repeated = false;
  uint64_t start = 0;
  std::vector<ForwardedCommand> commands;
};

// What a reply was made from: the state behind the first `rank` commands of the entry at `index`.
struct Position {
  static constexpr uint32_t kWhole = UINT32_MAX;  // behind all of it
  Index index;
  uint32_t rank = kWhole;
};

// refused: certainly not executed, now or later.
struct ForwardedReply {
  uint64_t sequence = 0;
  bool refused = false;
  Position position;
  std::string bytes;
};
struct ForwardReply {
  uint64_t start = 0;
  std::vector<ForwardedReply> replies;
};
// The client has gone.
struct ForwardClose {
  uint64_t client = 0;
};

// A hash over a part of the state behind the entry at `index` (server/consistency_watch.h): a
// follower's, for the leader; or with `odd` a majority's, for a node that has another one.
struct StateDigest {
  Index index;
  uint64_t digest = 0;
  bool odd = false;
};

// The highest feature level (store/feature.h) that the sender may be raised to. For the leader.
struct FeatureAbility {
  uint16_t level = 0;
};

using PeerMessage =
    std::variant<raft::Message, Forward, ForwardReply, ForwardClose, StateDigest, FeatureAbility>;

}  // namespace kvorum::server
