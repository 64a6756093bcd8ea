// SPDX-License-Identifier: Apache-2.0
//
// Messages as bytes (grammar: docs/formats/peer.md). Decoding is total: hostile bytes give nullopt
// before anything is allocated for them, and what comes out can be stepped into a core safely:
// entries contiguous behind prev_index, terms ascending and not above the message's, no index or
// term at the end of its range.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "raft/messages.h"

namespace kvorum::raft {

// Appends to `out`.
void Encode(const Message& message, std::string& out);
std::optional<Message> Decode(std::string_view bytes);

void EncodeMeta(const SnapshotMeta& meta, std::string& out);

}  // namespace kvorum::raft
