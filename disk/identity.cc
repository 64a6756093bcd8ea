// SPDX-License-Identifier: Apache-2.0
#include "disk/identity.h"

#include "base/coding.h"
#include "base/crc32c.h"

namespace kvorum::disk {
namespace {

constexpr const char* kIdentityName = "identity";
constexpr const char* kLockName = "lock";
constexpr uint64_t kMagic = 0x5344495F4D52564BULL;  // "KVRM_IDS"
constexpr uint32_t kVersion = 2;

std::string Describe(const Identity& identity) {
  return "node " + std::to_string(identity.node.value()) + " of cluster " +
         Hex16(identity.cluster_id);
}

}  // namespace

Result<std::optional<Identity>> ReadIdentity(Files& files, const std::string& dir) {
  const std::string path = JoinPath(dir, kIdentityName);
  Result<std::string> bytes = ReadWhole(files, path);
  if (!bytes.ok()) {
    if (bytes.status().code() == StatusCode::kNotFound) return std::optional<Identity>();
    return bytes.status();
  }
  Reader in(bytes.value());
  const uint64_t magic = in.U64();
  const uint32_t version = in.U32();
  Identity identity;
  identity.cluster_id = in.U64();
  identity.node = NodeId(in.U64());
  identity.incarnation = in.U64();
  const uint32_t crc = in.U32();
  if (magic == kMagic && version != kVersion) {
    return Status(StatusCode::kInvalid,
                  path + ": format version " + std::to_string(version) + " is not known");
  }
  if (!in.Done() || magic != kMagic ||
      crc != Crc32c(0, std::string_view(bytes.value()).substr(0, bytes.value().size() - 4))) {
    return Status(StatusCode::kCorrupt, path + " at offset 0: damaged");
  }
  return std::optional<Identity>(identity);
}

Result<Identity> EnsureIdentity(Files& files, const std::string& dir, const Identity& wanted) {
  if (Status s = files.MakeDir(dir); !s.ok()) return s;
  Result<std::optional<Identity>> found = ReadIdentity(files, dir);
  if (!found.ok()) return found.status();
  if (found.value().has_value()) {
    const Identity& there = *found.value();
    if (there.cluster_id == wanted.cluster_id && there.node == wanted.node) return there;
    return Status(StatusCode::kInvalid, "the data directory belongs to " + Describe(there) +
                                            ", but this is " + Describe(wanted) +
                                            ": check the configuration and the mount");
  }
  std::string bytes;
  PutU64(bytes, kMagic);
  PutU32(bytes, kVersion);
  PutU64(bytes, wanted.cluster_id);
  PutU64(bytes, wanted.node.value());
  PutU64(bytes, wanted.incarnation);
  PutU32(bytes, Crc32c(0, bytes));
  if (Status s = ReplaceFile(files, dir, kIdentityName, bytes); !s.ok()) return s;
  return wanted;
}

Result<std::unique_ptr<Lock>> LockDirectory(Files& files, const std::string& dir) {
  if (Status s = files.MakeDir(dir); !s.ok()) return s;
  Result<std::unique_ptr<Lock>> lock = files.LockFile(JoinPath(dir, kLockName));
  if (!lock.ok() && lock.status().code() == StatusCode::kBusy) {
    return Status(StatusCode::kBusy, "another process runs on data directory '" + dir + "'");
  }
  return lock;
}

}  // namespace kvorum::disk
