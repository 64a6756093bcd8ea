// SPDX-License-Identifier: Apache-2.0
#include "store/snapshot_format.h"

#include "base/coding.h"

namespace kvorum::store {

namespace {

constexpr uint8_t kFlagDeadline = 1;

size_t VarintBytes(uint64_t value) {
  size_t bytes = 1;
  for (; value >= 0x80; value >>= 7) ++bytes;
  return bytes;
}

void AppendFrame(std::string& out, SnapshotKind kind, size_t body_bytes) {
  PutU8(out, static_cast<uint8_t>(kind));
  PutVarint(out, body_bytes);
}

}  // namespace

void AppendSnapshotHeader(std::string& out, const SnapshotHeader& header) {
  std::string body;
  if (header.level == kFirstFeatureLevel) {
    PutVarint(body, kSnapshotVersion);
  } else {
    PutVarint(body, kLevelledSnapshotVersion);
    PutVarint(body, header.level);
    PutString(body, ReleaseOf(header.level));
  }
  PutFixed(body, header.log_time);
  PutVarint(body, header.databases);
  AppendFrame(out, SnapshotKind::kHeader, body.size());
  out.append(body);
}

void AppendSnapshotRecord(std::string& out, uint8_t database, const Record& record) {
  // The value is the rest of the body: its length need not be known before a large object has been
  // serialized, only the body's.
  const std::string_view key = record.key();
  const auto deadline = record.deadline();
  std::string object_bytes;
  Digits digits;
  std::string_view value;
  if (record.encoding() == Encoding::kObject) {
    record.object()->Serialize(object_bytes);
    value = object_bytes;
  } else {
    value = record.Text(digits);
  }
  AppendFrame(
      out, SnapshotKind::kRecord,
      4 + (deadline.has_value() ? 8 : 0) + VarintBytes(key.size()) + key.size() + value.size());
  PutU8(out, database);
  PutU8(out, static_cast<uint8_t>(record.type()));
  PutU8(out, static_cast<uint8_t>(record.encoding()));
  PutU8(out, deadline.has_value() ? kFlagDeadline : 0);
  if (deadline.has_value()) PutFixed(out, *deadline);
  PutString(out, key);
  out.append(value);
}

void AppendSnapshotEnd(std::string& out, uint64_t records) {
  AppendFrame(out, SnapshotKind::kEnd, VarintBytes(records));
  PutVarint(out, records);
}

Status DemandOf(std::string_view header, FeatureLevel known) {
  Reader reader(header);
  if (reader.Varint() < kLevelledSnapshotVersion) return Status::Ok();
  const uint64_t level = reader.Varint();
  const std::string_view release = reader.String();
  if (!reader.ok() || level <= known || level > UINT16_MAX || release.size() > kMaxReleaseBytes) {
    return Status::Ok();
  }
  return TooNew("the snapshot", static_cast<FeatureLevel>(level), release, known);
}

bool ReadSnapshotHeader(std::string_view body, SnapshotHeader& header) {
  Reader reader(body);
  const uint64_t version = reader.Varint();
  if (version == kLevelledSnapshotVersion) {
    const uint64_t level = reader.Varint();
    (void)reader.String();
    if (level <= kFirstFeatureLevel || level > kFeatureLevel) return false;
    header.level = static_cast<FeatureLevel>(level);
  } else if (version != kSnapshotVersion) {
    return false;
  }
  header.log_time = reader.Fixed<UnixMs>();
  const uint64_t databases = reader.Varint();
  header.databases = static_cast<uint32_t>(databases);
  return reader.Done() && databases >= 1 && databases <= kDatabases;
}

bool ReadSnapshotRecord(std::string_view body, size_t max_string_bytes, SnapshotRecord& record) {
  Reader reader(body);
  record.database = reader.U8();
  const uint8_t type = reader.U8();
  const uint8_t encoding = reader.U8();
  const uint8_t flags = reader.U8();
  record.deadline.reset();
  if ((flags & kFlagDeadline) != 0) record.deadline = reader.Fixed<UnixMs>();
  record.key = reader.String();
  const std::string_view text = reader.Take(reader.remaining());
  if (!reader.ok() || (flags & ~kFlagDeadline) != 0 || record.key.size() > kMaxKeyBytes) {
    return false;
  }
  if (type != static_cast<uint8_t>(Type::kString) || text.size() > max_string_bytes) return false;
  record.value = {static_cast<Encoding>(encoding), text, 0};
  switch (record.value.encoding) {
    case Encoding::kInt: {
      const auto integer = resp::ParseInteger(text);
      if (!integer.has_value()) return false;
      record.value = Record::Integer(*integer);
      break;
    }
    case Encoding::kEmbstr:
      if (text.size() > kEmbstrBytes) return false;
      break;
    case Encoding::kRaw:
      break;
    case Encoding::kObject:
    default:
      return false;
  }
  return true;
}

bool ReadSnapshotEnd(std::string_view body, uint64_t& records) {
  Reader reader(body);
  records = reader.Varint();
  return reader.Done();
}

}  // namespace kvorum::store
