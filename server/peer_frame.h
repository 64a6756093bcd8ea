// SPDX-License-Identifier: Apache-2.0
//
// Peer links as bytes (grammar: docs/formats/peer.md). A link begins with a hello that says who
// speaks to whom in which cluster; then come frames, one message each. Everything is length-checked
// before anything is allocated and carries a CRC. Decoding is total.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "server/peer_message.h"

namespace kvorum::server {

inline constexpr uint16_t kPeerProtocolVersion = 3;

// What a listener says before it closes a link: the dialler was removed from the cluster. Nothing
// else ever flows back.
inline constexpr char kYouWereRemoved = 'R';

enum class LinkKind : uint8_t {
  kControl = 1,  // votes, heartbeats, acknowledgements: small, never behind bulk
  kBulk = 2,     // entries, snapshots, carried commands
};

struct Hello {
  LinkKind kind = LinkKind::kControl;
  uint64_t cluster_id = 0;
  NodeId from;
  NodeId to;
  std::string host;  // where clients reach the sender
  uint16_t port = 0;
  uint16_t peer_port = 0;  // where it listens for members, on the same host
  // Which disks these are (disk/acquaintances.h): the sender's, and the one that it has met under
  // the addressee's id, 0 for none.
  uint64_t incarnation = 0;
  uint64_t knows_addressee_as = 0;
};

void EncodeHello(const Hello& hello, std::string& out);
void EncodeFrame(const PeerMessage& message, std::string& out);
[[nodiscard]] LinkKind LinkFor(const PeerMessage& message);

// What is at the front of a stream.
enum class FrameState : uint8_t { kNeedMore, kReady, kBroken };

// Both set `size` to the bytes used when ready. `why` says what is wrong with a broken stream.
FrameState DecodeHello(std::string_view stream, Hello* hello, size_t* size, std::string* why);
FrameState DecodeFrame(std::string_view stream, PeerMessage* message, size_t* size,
                       std::string* why);

}  // namespace kvorum::server
