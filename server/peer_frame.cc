// SPDX-License-Identifier: Apache-2.0
#include "server/peer_frame.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/coding.h"
#include "base/crc32c.h"
#include "raft/codec.h"
#include "server/limits.h"
#include "store/envelope.h"
#include "store/limits.h"

namespace kvorum::server {
namespace {

constexpr std::string_view kMagic = "KVRM";
constexpr size_t kHeaderBytes = 8;  // length and CRC
constexpr size_t kMaxHelloBytes = 1024;
constexpr size_t kMaxHostBytes = 255;
constexpr NodeId kLastNodeId{uint64_t{1} << 62};  // as in raft/codec.cc

// A release that knows of no feature levels breaks a link that brings a message of a new kind, or a
// known one with a field too many. It takes the close of a client that it has never heard of, and
// does nothing: in that form a member says what it can. No client has a number so high.
constexpr uint64_t kAbilityFrom = uint64_t{1} << 63;

// Append-only: the numbers are the peer protocol.
enum class Kind : uint8_t {
  kRaft = 1,
  kForward = 2,
  kForwardReply = 3,
  kForwardClose = 4,
  kStateDigest = 5
};

// Fills in the header of what was appended behind `at`.
void Seal(std::string& out, size_t at) {
  const std::string_view body = std::string_view(out).substr(at + kHeaderBytes);
  PatchU32(out, at, static_cast<uint32_t>(body.size()));
  PatchU32(out, at + 4, Crc32c(0, body));
}

FrameState Unseal(std::string_view stream, size_t max_bytes, std::string_view* body,
                  std::string* why) {
  if (stream.size() < kHeaderBytes) return FrameState::kNeedMore;
  Reader header(stream.substr(0, kHeaderBytes));
  const uint32_t length = header.U32();
  const uint32_t crc = header.U32();
  if (length == 0 || length > max_bytes) {
    *why = "a frame of " + std::to_string(length) + " bytes";
    return FrameState::kBroken;
  }
  if (stream.size() - kHeaderBytes < length) return FrameState::kNeedMore;
  *body = stream.substr(kHeaderBytes, length);
  if (Crc32c(0, *body) != crc) {
    *why = "a frame whose checksum is wrong";
    return FrameState::kBroken;
  }
  return FrameState::kReady;
}

struct PutMessage {
  std::string& out;

  void operator()(const raft::Message& m) const {
    PutU8(out, static_cast<uint8_t>(Kind::kRaft));
    raft::Encode(m, out);
  }
  void operator()(const Forward& m) const {
    PutU8(out, static_cast<uint8_t>(Kind::kForward));
    PutU64(out, m.term.value());
    PutU8(out, m.repeated ? 1 : 0);
    PutU64(out, m.start);
    PutVarint(out, m.commands.size());
    for (const ForwardedCommand& command : m.commands) {
      PutVarint(out, command.sequence);
      PutVarint(out, command.client);
      PutU8(out, command.database);
      PutU8(out, static_cast<uint8_t>(command.protocol));
      PutVarint(out, command.argv.size());
      for (const std::string& arg : command.argv) PutString(out, arg);
    }
  }
  void operator()(const ForwardReply& m) const {
    PutU8(out, static_cast<uint8_t>(Kind::kForwardReply));
    PutU64(out, m.start);
    PutVarint(out, m.replies.size());
    for (const ForwardedReply& reply : m.replies) {
      PutVarint(out, reply.sequence);
      PutU8(out, reply.refused ? 1 : 0);
      PutVarint(out, reply.position.index.value());
      PutVarint(out, reply.position.rank);
      PutString(out, reply.bytes);
    }
  }
  void operator()(const ForwardClose& m) const {
    PutU8(out, static_cast<uint8_t>(Kind::kForwardClose));
    KV_CHECK(m.client < kAbilityFrom);
    PutVarint(out, m.client);
  }
  void operator()(const FeatureAbility& m) const {
    PutU8(out, static_cast<uint8_t>(Kind::kForwardClose));
    PutVarint(out, kAbilityFrom + m.level);
  }
  void operator()(const StateDigest& m) const {
    PutU8(out, static_cast<uint8_t>(Kind::kStateDigest));
    PutVarint(out, m.index.value());
    PutU64(out, m.digest);
    PutU8(out, m.odd ? 1 : 0);
  }
};

bool GetForward(Reader& in, Forward* m) {
  m->term = Term(in.U64());
  const uint8_t repeated = in.U8();
  if (repeated > 1) return false;
  m->repeated = repeated == 1;
  m->start = in.U64();
  const uint64_t count = in.Varint();
  if (count > in.remaining()) return false;
  for (uint64_t i = 0; in.ok() && i < count; ++i) {
    ForwardedCommand command;
    command.sequence = in.Varint();
    command.client = in.Varint();
    command.database = in.U8();
    const uint8_t protocol = in.U8();
    const uint64_t args = in.Varint();
    if (protocol < 2 || protocol > 3 || command.database >= store::kDatabases || args == 0 ||
        args > in.remaining()) {
      return false;
    }
    command.protocol = static_cast<resp::Protocol>(protocol);
    for (uint64_t a = 0; in.ok() && a < args; ++a) command.argv.emplace_back(in.String());
    m->commands.push_back(std::move(command));
  }
  return in.Done();
}

bool GetForwardReply(Reader& in, ForwardReply* m) {
  m->start = in.U64();
  const uint64_t count = in.Varint();
  if (count > in.remaining()) return false;
  for (uint64_t i = 0; in.ok() && i < count; ++i) {
    ForwardedReply reply;
    reply.sequence = in.Varint();
    const uint8_t refused = in.U8();
    if (refused > 1) return false;
    reply.refused = refused == 1;
    reply.position.index = Index(in.Varint());
    const uint64_t rank = in.Varint();
    if (rank > Position::kWhole) return false;
    reply.position.rank = static_cast<uint32_t>(rank);
    reply.bytes = std::string(in.String());
    m->replies.push_back(std::move(reply));
  }
  return in.Done();
}

bool GetMessage(std::string_view body, PeerMessage* message) {
  Reader in(body.substr(1));
  switch (static_cast<Kind>(body.front())) {
    case Kind::kRaft: {
      std::optional<raft::Message> raft = raft::Decode(body.substr(1));
      if (!raft) return false;
      // Hostile bytes must not reach the state machine: check entries before they are in a log.
      if (const auto* append = std::get_if<raft::Append>(&*raft)) {
        for (const raft::Entry& entry : append->entries) {
          if (entry.type == raft::EntryType::kBatch &&
              !store::EnvelopeReader::Validate(entry.payload.view()).ok()) {
            return false;
          }
        }
      }
      *message = std::move(*raft);
      return true;
    }
    case Kind::kForward: {
      Forward forward;
      if (!GetForward(in, &forward)) return false;
      *message = std::move(forward);
      return true;
    }
    case Kind::kForwardReply: {
      ForwardReply reply;
      if (!GetForwardReply(in, &reply)) return false;
      *message = std::move(reply);
      return true;
    }
    case Kind::kForwardClose: {
      const uint64_t client = in.Varint();
      if (!in.Done() || (client > kAbilityFrom && client - kAbilityFrom > UINT16_MAX)) return false;
      if (client > kAbilityFrom) {
        *message = FeatureAbility{static_cast<uint16_t>(client - kAbilityFrom)};
      } else {
        *message = ForwardClose{client};
      }
      return client != kAbilityFrom;
    }
    case Kind::kStateDigest: {
      StateDigest digest{Index(in.Varint()), in.U64()};
      const uint8_t odd = in.U8();
      if (!in.Done() || odd > 1) return false;
      digest.odd = odd == 1;
      *message = digest;
      return true;
    }
  }
  return false;
}

}  // namespace

void EncodeHello(const Hello& hello, std::string& out) {
  out.append(kMagic);
  const size_t at = out.size();
  out.append(kHeaderBytes, '\0');
  PutU16(out, kPeerProtocolVersion);
  PutU8(out, static_cast<uint8_t>(hello.kind));
  PutU64(out, hello.cluster_id);
  PutU64(out, hello.from.value());
  PutU64(out, hello.to.value());
  PutU64(out, hello.incarnation);
  PutU64(out, hello.knows_addressee_as);
  PutU16(out, hello.port);
  PutU16(out, hello.peer_port);
  PutString(out, hello.host);
  Seal(out, at);
}

void EncodeFrame(const PeerMessage& message, std::string& out) {
  const size_t at = out.size();
  out.append(kHeaderBytes, '\0');
  std::visit(PutMessage{out}, message);
  Seal(out, at);
}

LinkKind LinkFor(const PeerMessage& message) {
  const auto* raft = std::get_if<raft::Message>(&message);
  if (raft == nullptr) return LinkKind::kBulk;
  const bool bulk = std::holds_alternative<raft::Append>(*raft) ||
                    std::holds_alternative<raft::InstallSnapshot>(*raft);
  return bulk ? LinkKind::kBulk : LinkKind::kControl;
}

FrameState DecodeHello(std::string_view stream, Hello* hello, size_t* size, std::string* why) {
  const std::string_view magic = stream.substr(0, kMagic.size());
  if (magic != kMagic.substr(0, magic.size())) {
    *why = "no peer of this kind (magic)";
    return FrameState::kBroken;
  }
  if (stream.size() < kMagic.size()) return FrameState::kNeedMore;
  std::string_view body;
  const FrameState state = Unseal(stream.substr(kMagic.size()), kMaxHelloBytes, &body, why);
  if (state != FrameState::kReady) return state;
  *size = kMagic.size() + kHeaderBytes + body.size();
  Reader in(body);
  const uint16_t version = in.U16();
  if (version != kPeerProtocolVersion) {
    *why = "peer protocol version " + std::to_string(version) + ", this node speaks " +
           std::to_string(kPeerProtocolVersion);
    return FrameState::kBroken;
  }
  const uint8_t kind = in.U8();
  hello->kind = static_cast<LinkKind>(kind);
  hello->cluster_id = in.U64();
  hello->from = NodeId(in.U64());
  hello->to = NodeId(in.U64());
  hello->incarnation = in.U64();
  hello->knows_addressee_as = in.U64();
  hello->port = in.U16();
  hello->peer_port = in.U16();
  hello->host = std::string(in.String());
  if (!in.Done() || kind < 1 || kind > 2 || hello->incarnation == 0 ||
      std::max(hello->from, hello->to) > kLastNodeId || hello->host.size() > kMaxHostBytes) {
    *why = "a malformed hello";
    return FrameState::kBroken;
  }
  return FrameState::kReady;
}

FrameState DecodeFrame(std::string_view stream, PeerMessage* message, size_t* size,
                       std::string* why) {
  std::string_view body;
  const FrameState state = Unseal(stream, kMaxFrameBytes, &body, why);
  if (state != FrameState::kReady) return state;
  *size = kHeaderBytes + body.size();
  if (!GetMessage(body, message)) {
    *why = "a malformed message of kind " + std::to_string(static_cast<uint8_t>(body.front()));
    return FrameState::kBroken;
  }
  return FrameState::kReady;
}

}  // namespace kvorum::server
