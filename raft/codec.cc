// SPDX-License-Identifier: Apache-2.0
#include "raft/codec.h"

#include <algorithm>
#include <utility>

#include "base/coding.h"
#include "raft/limits.h"

namespace kvorum::raft {
namespace {

// Append-only: the numbers are the peer protocol.
enum class Kind : uint8_t {
  kPreVote = 1,
  kPreVoteReply = 2,
  kVote = 3,
  kVoteReply = 4,
  kAppend = 5,
  kAppendReply = 6,
  kHeartbeat = 7,
  kHeartbeatReply = 8,
  kInstallSnapshot = 9,
  kInstallSnapshotReply = 10,
  kTimeoutNow = 11,
  kReadIndex = 12,
  kReadIndexReply = 13,
  kMatchLost = 14,
};

// Far beyond any real cluster's lifetime, far from overflow in any sum.
constexpr uint64_t kMaxNumber = uint64_t{1} << 62;
constexpr size_t kEntryHeaderBytes = 8 + 1 + 1;  // term, type, at least one byte of length

template <class Id>
Id GetId(Reader& in) {
  const uint64_t value = in.U64();
  if (value > kMaxNumber) in.Fail();
  return Id(value);
}
bool GetBool(Reader& in) {
  const uint8_t value = in.U8();
  if (value > 1) in.Fail();
  return value == 1;
}

SnapshotMeta GetMeta(Reader& in) {
  SnapshotMeta meta;
  meta.index = GetId<Index>(in);
  meta.term = GetId<Term>(in);
  std::optional<Configuration> configuration = DecodeConfiguration(in.String());
  if (!configuration || configuration->empty()) {
    in.Fail();
  } else {
    meta.configuration = std::move(*configuration);
  }
  return meta;
}

struct Put {
  std::string& out;

  void Head(Kind kind, Term term) const {
    PutU8(out, static_cast<uint8_t>(kind));
    PutU64(out, term.value());
  }
  void operator()(const PreVote& m) const {
    Head(Kind::kPreVote, m.term);
    PutU64(out, m.last_index.value());
    PutU64(out, m.last_term.value());
  }
  void operator()(const PreVoteReply& m) const {
    Head(Kind::kPreVoteReply, m.term);
    PutU8(out, m.granted ? 1 : 0);
  }
  void operator()(const Vote& m) const {
    Head(Kind::kVote, m.term);
    PutU64(out, m.last_index.value());
    PutU64(out, m.last_term.value());
    PutU8(out, m.transfer ? 1 : 0);
  }
  void operator()(const VoteReply& m) const {
    Head(Kind::kVoteReply, m.term);
    PutU8(out, m.granted ? 1 : 0);
  }
  void operator()(const Append& m) const {
    Head(Kind::kAppend, m.term);
    PutU64(out, m.prev_index.value());
    PutU64(out, m.prev_term.value());
    PutU64(out, m.commit.value());
    PutU64(out, m.round.value());
    PutVarint(out, m.entries.size());
    for (const Entry& entry : m.entries) {
      PutU64(out, entry.term.value());
      PutU8(out, static_cast<uint8_t>(entry.type));
      PutString(out, entry.payload.view());
    }
  }
  void operator()(const AppendReply& m) const {
    Head(Kind::kAppendReply, m.term);
    PutU64(out, m.round.value());
    PutU8(out, m.ok ? 1 : 0);
    PutU64(out, m.match.value());
    PutU64(out, m.prev_index.value());
    PutU64(out, m.hint_index.value());
    PutU64(out, m.hint_term.value());
  }
  void operator()(const Heartbeat& m) const {
    Head(Kind::kHeartbeat, m.term);
    PutU64(out, m.commit.value());
    PutU64(out, m.round.value());
    PutU32(out, static_cast<uint32_t>(m.timeout_us));
  }
  void operator()(const HeartbeatReply& m) const {
    Head(Kind::kHeartbeatReply, m.term);
    PutU64(out, m.round.value());
    PutU8(out, m.priority);
  }
  void operator()(const InstallSnapshot& m) const {
    Head(Kind::kInstallSnapshot, m.term);
    EncodeMeta(m.meta, out);
    PutU64(out, m.offset);
    PutU64(out, m.total);
    PutString(out, m.bytes);
  }
  void operator()(const InstallSnapshotReply& m) const {
    Head(Kind::kInstallSnapshotReply, m.term);
    PutU64(out, m.index.value());
    PutU64(out, m.received);
    PutU8(out, m.installed ? 1 : 0);
  }
  void operator()(const TimeoutNow& m) const { Head(Kind::kTimeoutNow, m.term); }
  void operator()(const ReadIndex& m) const {
    Head(Kind::kReadIndex, m.term);
    PutU64(out, m.life);
    PutU64(out, m.id.value());
  }
  void operator()(const ReadIndexReply& m) const {
    Head(Kind::kReadIndexReply, m.term);
    PutU64(out, m.life);
    PutU64(out, m.id.value());
    PutU64(out, m.index.value());
  }
  void operator()(const MatchLost& m) const {
    Head(Kind::kMatchLost, m.term);
    PutU64(out, m.index.value());
  }
};

Message GetAppend(Reader& in, Term term) {
  Append m{.term = term};
  m.prev_index = GetId<Index>(in);
  m.prev_term = GetId<Term>(in);
  m.commit = GetId<Index>(in);
  m.round = GetId<Round>(in);
  const uint64_t count = in.Varint();
  if (count > kMaxAppendEntries || count * kEntryHeaderBytes > in.remaining()) in.Fail();
  Term previous = m.prev_term;
  for (uint64_t i = 0; in.ok() && i < count; ++i) {
    Entry entry{.term = GetId<Term>(in), .index = m.prev_index + i + 1};
    const uint8_t type = in.U8();
    const std::string_view payload = in.String();
    if (entry.term < previous || entry.term > term || type < 1 || type > 3) in.Fail();
    if (!in.ok()) break;
    entry.type = static_cast<EntryType>(type);
    if (entry.type == EntryType::kConfig && !DecodeConfiguration(payload)) {
      in.Fail();
      break;
    }
    entry.payload = Payload(payload);
    previous = entry.term;
    m.entries.push_back(std::move(entry));
  }
  if (m.prev_term > term) in.Fail();
  return m;
}

Message GetAppendReply(Reader& in, Term term) {
  AppendReply m{.term = term};
  m.round = GetId<Round>(in);
  m.ok = GetBool(in);
  m.match = GetId<Index>(in);
  m.prev_index = GetId<Index>(in);
  m.hint_index = GetId<Index>(in);
  m.hint_term = GetId<Term>(in);
  return m;
}

Message GetBody(Reader& in, Kind kind, Term term) {
  switch (kind) {
    case Kind::kPreVote: {
      const Index last = GetId<Index>(in);
      return PreVote{term, last, GetId<Term>(in)};
    }
    case Kind::kPreVoteReply:
      return PreVoteReply{term, GetBool(in)};
    case Kind::kVote: {
      const Index last = GetId<Index>(in);
      const Term last_term = GetId<Term>(in);
      return Vote{term, last, last_term, GetBool(in)};
    }
    case Kind::kVoteReply:
      return VoteReply{term, GetBool(in)};
    case Kind::kAppend:
      return GetAppend(in, term);
    case Kind::kAppendReply:
      return GetAppendReply(in, term);
    case Kind::kHeartbeat: {
      const Index commit = GetId<Index>(in);
      const Round round = GetId<Round>(in);
      return Heartbeat{term, commit, round, Micros{in.U32()}};
    }
    case Kind::kHeartbeatReply: {
      const Round round = GetId<Round>(in);
      return HeartbeatReply{term, round, in.U8()};
    }
    case Kind::kInstallSnapshot: {
      InstallSnapshot m{.term = term, .meta = GetMeta(in)};
      m.offset = in.U64();
      m.total = in.U64();
      m.bytes = std::string(in.String());
      if (m.total > kMaxNumber || m.offset > m.total || m.bytes.size() > m.total - m.offset)
        in.Fail();
      return m;
    }
    case Kind::kInstallSnapshotReply: {
      InstallSnapshotReply m{.term = term, .index = GetId<Index>(in)};
      m.received = in.U64();
      m.installed = GetBool(in);
      return m;
    }
    case Kind::kTimeoutNow:
      return TimeoutNow{term};
    case Kind::kReadIndex: {
      const uint64_t life = in.U64();
      return ReadIndex{term, life, GetId<ReadId>(in)};
    }
    case Kind::kReadIndexReply: {
      const uint64_t life = in.U64();
      const ReadId id = GetId<ReadId>(in);
      return ReadIndexReply{term, life, id, GetId<Index>(in)};
    }
    case Kind::kMatchLost:
      return MatchLost{term, GetId<Index>(in)};
  }
  in.Fail();
  return TimeoutNow{term};
}

}  // namespace

void EncodeMeta(const SnapshotMeta& meta, std::string& out) {
  PutU64(out, meta.index.value());
  PutU64(out, meta.term.value());
  std::string configuration;
  EncodeConfiguration(meta.configuration, configuration);
  PutString(out, configuration);
}

void Encode(const Message& message, std::string& out) { std::visit(Put{out}, message); }

std::optional<Message> Decode(std::string_view bytes) {
  Reader in(bytes);
  const auto kind = static_cast<Kind>(in.U8());
  const Term term = GetId<Term>(in);
  if (term == Term()) return std::nullopt;
  Message message = GetBody(in, kind, term);
  if (!in.Done()) return std::nullopt;
  return message;
}

}  // namespace kvorum::raft
