// SPDX-License-Identifier: Apache-2.0
#include "store/record.h"

#include <algorithm>
#include <new>

#include "base/check.h"

namespace kvorum::store {

namespace {

// How much APPEND and SETRANGE reserve ahead: as much again, at most 1 MiB (as Redis's strings).
constexpr size_t kMaxSlackBytes = size_t{1} << 20;
// A shorter value may stay in a larger place if this little is wasted.
constexpr size_t kTolerableWasteBytes = 15;

size_t ValueSize(const Record::Value& value) {
  return value.encoding == Encoding::kInt ? sizeof(int64_t) : value.text.size();
}

}  // namespace

std::string_view TypeName(Type type) {
  switch (type) {
    case Type::kString:
      return "string";
  }
  return "none";
}

Record::Value Record::Encode(std::string_view text) {
  if (const auto integer = resp::ParseInteger(text)) return Integer(*integer);
  return {text.size() <= kEmbstrBytes ? Encoding::kEmbstr : Encoding::kRaw, text, 0};
}

Record* Record::Allocate(RecordHeap& heap, std::string_view key, size_t value_room,
                         std::optional<UnixMs> deadline, uint16_t epoch, Form form) {
  KV_CHECK(key.size() <= kMaxKeyBytes && value_room <= kMaxStringBytes);
  const bool is_long = form == Form::kLong || std::max(key.size(), value_room) > UINT16_MAX;
  const size_t header = (is_long ? kLongHeaderBytes : kShortHeaderBytes) +
                        (deadline.has_value() ? sizeof(UnixMs) : 0);
  auto* record = new (heap.Allocate(header + key.size() + value_room)) Record();
  record->epoch_ = epoch;
  if (is_long) {
    record->flags_ = kLong;
    record->Set<uint32_t>(kKeyBytesAt, key.size());
    record->Set<uint32_t>(kLongValueBytesAt, value_room);
    record->Set<uint32_t>(kLongRoomAt, value_room);
  } else {
    record->Set<uint16_t>(kKeyBytesAt, key.size());
    record->Set<uint16_t>(kShortValueBytesAt, value_room);
  }
  if (deadline.has_value()) {
    record->flags_ |= kHasDeadline;
    record->ChangeDeadline(*deadline);
  }
  if (!key.empty()) std::memcpy(record->Bytes() + header, key.data(), key.size());
  return record;
}

void Record::SetValueBytes(size_t bytes) {
  if (is_long()) {
    Set<uint32_t>(kLongValueBytesAt, bytes);
    return;
  }
  const size_t spare = value_room() - bytes;
  KV_CHECK(spare <= kMostSpare);
  flags_ = static_cast<uint8_t>((flags_ & ~(kMostSpare << kSpareShift)) | spare << kSpareShift);
  Set<uint16_t>(kShortValueBytesAt, bytes);
}

void Record::StoreValue(const Value& value) {
  SetEncoding(value.encoding);
  SetValueBytes(ValueSize(value));
  if (value.encoding == Encoding::kInt) {
    std::memcpy(ValueBytes(), &value.integer, sizeof(value.integer));
  } else if (!value.text.empty()) {
    std::memmove(ValueBytes(), value.text.data(), value.text.size());
  }
}

Record* Record::Create(RecordHeap& heap, std::string_view key, const Value& value,
                       std::optional<UnixMs> deadline, uint16_t epoch) {
  Record* record = Allocate(heap, key, ValueSize(value), deadline, epoch);
  record->StoreValue(value);
  return record;
}

Record* Record::Create(RecordHeap& heap, std::string_view key, Type type,
                       std::unique_ptr<Object> object, std::optional<UnixMs> deadline,
                       uint16_t epoch) {
  Record* record = Allocate(heap, key, sizeof(Object*), deadline, epoch);
  record->type_ = type;
  record->SetEncoding(Encoding::kObject);
  Object* const owned = object.release();
  std::memcpy(record->ValueBytes(), static_cast<const void*>(&owned), sizeof(owned));
  return record;
}

Record* Record::CopyAs(RecordHeap& heap, std::string_view key, uint16_t epoch) const {
  if (encoding() == Encoding::kObject) {
    return Create(heap, key, type_, object()->Clone(), deadline(), epoch);
  }
  if (encoding() == Encoding::kInt) return Create(heap, key, Integer(integer()), deadline(), epoch);
  return Create(heap, key, Value{encoding(), {ValueBytes(), value_bytes()}, 0}, deadline(), epoch);
}

Record* Record::Rebuild(RecordHeap& heap, Record* record, std::string_view key,
                        std::optional<UnixMs> deadline, uint16_t epoch) {
  // Encoding and bytes move as they are, room included.
  Record* const built = Allocate(heap, key, record->value_room(), deadline, epoch,
                                 record->is_long() ? Form::kLong : Form::kThatFits);
  built->type_ = record->type_;
  built->SetEncoding(record->encoding());
  built->SetValueBytes(record->value_bytes());
  std::memcpy(built->ValueBytes(), record->ValueBytes(), record->value_bytes());
  heap.Free(record, record->BlockBytes());
  return built;
}

void Record::Free(RecordHeap& heap, Record* record) {
  if (record->encoding() == Encoding::kObject) delete record->object();
  heap.Free(record, record->BlockBytes());
}

bool Record::AssignInPlace(const Value& value) {
  if (!is_string()) return false;
  const size_t size = ValueSize(value);
  const size_t room = value_room();
  const size_t tolerable = is_long() ? kTolerableWasteBytes : kMostSpare;
  if (size > room || room - size > tolerable) return false;
  StoreValue(value);
  return true;
}

Record* Record::WithRoom(RecordHeap& heap, Record* record, size_t value_room) {
  const size_t before = record->BlockBytes();
  if (record->is_long()) {
    const size_t after = before - record->value_room() + value_room;
    auto* const resized = static_cast<Record*>(heap.Resize(record, before, after));
    resized->Set<uint32_t>(kLongRoomAt, value_room);
    return resized;
  }
  Record* const built =
      Allocate(heap, record->key(), value_room, record->deadline(), record->epoch_, Form::kLong);
  // An integer may be longer than the text it is about to become.
  const size_t kept = std::min(record->value_bytes(), value_room);
  built->SetValueBytes(kept);
  std::memcpy(built->ValueBytes(), record->ValueBytes(), kept);
  heap.Free(record, before);
  return built;
}

Record* Record::Resize(RecordHeap& heap, Record* record, size_t size) {
  KV_CHECK(record->is_string() && size <= kMaxStringBytes);
  Digits digits;
  std::string_view integer_text;
  if (record->encoding() == Encoding::kInt) integer_text = record->Text(digits);
  const size_t old_size =
      record->encoding() == Encoding::kInt ? integer_text.size() : record->value_bytes();
  KV_CHECK(size >= old_size);
  const size_t room = record->value_room();
  // The short form cannot say that much is left behind a short text.
  if (size > room || (!record->is_long() && room - size > kMostSpare)) {
    record =
        WithRoom(heap, record, std::min(size + std::min(size, kMaxSlackBytes), kMaxStringBytes));
  }
  if (!integer_text.empty()) {
    std::memcpy(record->ValueBytes(), integer_text.data(), integer_text.size());
  }
  if (size > old_size) std::memset(record->ValueBytes() + old_size, 0, size - old_size);
  record->SetValueBytes(size);
  record->SetEncoding(Encoding::kRaw);
  return record;
}

std::string_view Record::EncodingName() const {
  switch (encoding()) {
    case Encoding::kInt:
      return "int";
    case Encoding::kEmbstr:
      return "embstr";
    case Encoding::kRaw:
      return "raw";
    case Encoding::kObject:
      return object()->EncodingName();
  }
  return "raw";
}

}  // namespace kvorum::store
