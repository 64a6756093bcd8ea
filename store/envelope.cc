// SPDX-License-Identifier: Apache-2.0
#include "store/envelope.h"

#include <cstring>

#include "base/check.h"
#include "store/families.h"
#include "store/limits.h"

namespace kvorum::store {

namespace {
constexpr size_t kWallAt = 1;
constexpr size_t kSeedAt = kWallAt + 8;
constexpr size_t kCountAt = kSeedAt + 8;
// Of the buffer, after a proposal that was larger.
constexpr size_t kMostKeptBytes = size_t{1} << 20;
static_assert(kCountAt + 4 == kEnvelopeHeaderBytes);
}  // namespace

void EnvelopeWriter::Begin() {
  if (bytes_.capacity() > kMostKeptBytes) bytes_ = {};
  bytes_.assign(kEnvelopeHeaderBytes, '\0');
}

void EnvelopeWriter::Add(Opcode opcode, uint8_t database, const Origin* origin,
                         std::span<const std::string_view> argv) {
  KV_CHECK(opcode != Opcode::kNone && !argv.empty());
  if (count_ == 0) Begin();
  PutVarint(bytes_, static_cast<uint64_t>(opcode));
  PutU8(bytes_, database);
  PutU8(bytes_, origin != nullptr ? 1 : 0);
  if (origin != nullptr) {
    PutVarint(bytes_, origin->node.value());
    PutU64(bytes_, origin->start);
    PutVarint(bytes_, origin->sequence);
  }
  PutVarint(bytes_, argv.size() - 1);
  for (const std::string_view arg : argv.subspan(1)) PutString(bytes_, arg);
  ++count_;
}

const std::string& EnvelopeWriter::Finish(UnixMs wall, uint64_t seed) {
  if (count_ == 0) Begin();
  bytes_[0] = static_cast<char>(kEnvelopeVersion);
  std::memcpy(&bytes_[kWallAt], &wall, sizeof(wall));
  std::memcpy(&bytes_[kSeedAt], &seed, sizeof(seed));
  PatchU32(bytes_, kCountAt, count_);
  count_ = 0;
  return bytes_;
}

EnvelopeReader::EnvelopeReader(std::string_view bytes) : reader_(bytes) {
  const uint8_t version = reader_.U8();
  wall_ = reader_.Fixed<UnixMs>();
  seed_ = reader_.U64();
  count_ = reader_.U32();
  if (version != kEnvelopeVersion) reader_.Fail();
}

bool EnvelopeReader::Next(EnvelopeCommand& command) {
  if (!reader_.ok() || read_ == count_) return false;
  const uint64_t opcode = reader_.Varint();
  command.database = reader_.U8();
  const uint8_t has_origin = reader_.U8();
  command.origin.reset();
  if (has_origin == 1) {
    Origin& origin = command.origin.emplace();
    origin.node = NodeId(reader_.Varint());
    origin.start = reader_.U64();
    origin.sequence = reader_.Varint();
  }
  const uint64_t argc = reader_.Varint();
  // An argument takes a byte at least: no count can make us allocate more than the bytes allow.
  if (opcode == 0 || opcode > UINT16_MAX || has_origin > 1 || argc > reader_.remaining()) {
    reader_.Fail();
    return false;
  }
  command.opcode = static_cast<Opcode>(opcode);
  command.args.clear();
  command.args.emplace_back();
  for (uint64_t i = 0; i < argc && reader_.ok(); ++i) command.args.push_back(reader_.String());
  if (!reader_.ok()) return false;
  ++read_;
  return true;
}

Status EnvelopeReader::Validate(std::string_view bytes) {
  EnvelopeReader reader(bytes);
  EnvelopeCommand command;
  while (reader.Next(command)) {
    // Alone in its entry, so that one look tells what an entry demands.
    if (command.opcode == Opcode::kRaiseFeatureLevel && !FeatureRaiseIn(bytes)) {
      return {StatusCode::kCorrupt, "envelope: bad feature level"};
    }
    const CommandRow* const row = StoreIndex().Find(command.opcode);
    if (row == nullptr) return {StatusCode::kCorrupt, "envelope: unknown opcode"};
    if (!CheckArity(*row, command.args.size())) {
      return {StatusCode::kCorrupt, "envelope: wrong number of arguments"};
    }
    if (command.database >= kDatabases) {
      return {StatusCode::kCorrupt, "envelope: bad database"};
    }
  }
  if (!reader.Done()) return {StatusCode::kCorrupt, "envelope: malformed"};
  return Status::Ok();
}

}  // namespace kvorum::store
