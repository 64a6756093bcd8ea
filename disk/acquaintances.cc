// SPDX-License-Identifier: Apache-2.0
#include "disk/acquaintances.h"

#include <utility>

#include "base/coding.h"
#include "base/crc32c.h"
#include "disk/limits.h"

namespace kvorum::disk {
namespace {

constexpr const char* kName = "peers";
constexpr uint64_t kMagic = 0x5352505F4D52564BULL;  // "KVRM_PRS"
constexpr uint32_t kVersion = 1;

std::string Encode(const std::map<NodeId, uint64_t>& met) {
  std::string bytes;
  PutU64(bytes, kMagic);
  PutU32(bytes, kVersion);
  PutVarint(bytes, met.size());
  for (const auto& [node, incarnation] : met) {
    PutU64(bytes, node.value());
    PutU64(bytes, incarnation);
  }
  PutU32(bytes, Crc32c(0, bytes));
  return bytes;
}

}  // namespace

Result<Acquaintances> Acquaintances::Open(Files& files, const std::string& dir, uint64_t self) {
  Acquaintances known(files, dir, self);
  const std::string path = JoinPath(dir, kName);
  const Result<std::string> bytes = ReadWhole(files, path);
  if (!bytes.ok()) {
    if (bytes.status().code() == StatusCode::kNotFound) return known;
    return bytes.status();
  }
  Reader in(bytes.value());
  const uint64_t magic = in.U64();
  const uint32_t version = in.U32();
  const uint64_t count = in.Varint();
  for (uint64_t i = 0; in.ok() && i < count; ++i) {
    const NodeId node(in.U64());
    known.met_[node] = in.U64();
  }
  const uint32_t crc = in.U32();
  if (!in.Done() || magic != kMagic ||
      crc != Crc32c(0, std::string_view(bytes.value()).substr(0, bytes.value().size() - 4))) {
    return Status(StatusCode::kCorrupt, path + " at offset 0: damaged");
  }
  if (version != kVersion) {
    return Status(StatusCode::kInvalid,
                  path + ": format version " + std::to_string(version) + " is not known");
  }
  return known;
}

uint64_t Acquaintances::KnownAs(NodeId node) const {
  const auto found = met_.find(node);
  return found == met_.end() ? 0 : found->second;
}

Result<Acquaintances::Meeting> Acquaintances::Meet(NodeId node, uint64_t incarnation,
                                                   uint64_t knows_this_as) {
  if (knows_this_as != 0 && knows_this_as != self_) return Meeting::kForgotten;
  const uint64_t known = KnownAs(node);
  if (known != 0) return known == incarnation ? Meeting::kWelcome : Meeting::kAnotherDisk;
  std::map<NodeId, uint64_t> met = met_;
  met[node] = incarnation;
  if (met.size() > kMaxAcquaintances) {
    return Status(StatusCode::kInvalid, "more ids have spoken to this node than are possible");
  }
  if (Status status = ReplaceFile(*files_, dir_, kName, Encode(met)); !status.ok()) return status;
  met_ = std::move(met);
  return Meeting::kWelcome;
}

}  // namespace kvorum::disk
