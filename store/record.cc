// SPDX-License-Identifier: Apache-2.0
#include "store/record.h"

#include <algorithm>
#include <cstdlib>
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

Record* Record::Allocate(std::string_view key, size_t value_bytes, std::optional<UnixMs> deadline,
                         uint16_t epoch) {
  KV_CHECK(key.size() <= kMaxKeyBytes && value_bytes <= kMaxStringBytes);
  const size_t header = sizeof(Record) + (deadline.has_value() ? sizeof(UnixMs) : 0);
  void* place = std::malloc(header + key.size() + value_bytes);
  KV_CHECK_MSG(place != nullptr, "out of memory");
  auto* record = new (place) Record();
  record->epoch_ = epoch;
  record->key_bytes_ = static_cast<uint32_t>(key.size());
  record->value_bytes_ = static_cast<uint32_t>(value_bytes);
  record->value_capacity_ = record->value_bytes_;
  if (deadline.has_value()) {
    record->flags_ = kHasDeadline;
    record->ChangeDeadline(*deadline);
  }
  if (!key.empty()) std::memcpy(record->Bytes() + header, key.data(), key.size());
  return record;
}

void Record::StoreValue(const Value& value) {
  SetEncoding(value.encoding);
  value_bytes_ = static_cast<uint32_t>(ValueSize(value));
  if (value.encoding == Encoding::kInt) {
    std::memcpy(ValueBytes(), &value.integer, sizeof(value.integer));
  } else if (!value.text.empty()) {
    std::memmove(ValueBytes(), value.text.data(), value.text.size());
  }
}

Record* Record::Create(std::string_view key, const Value& value, std::optional<UnixMs> deadline,
                       uint16_t epoch) {
  Record* record = Allocate(key, ValueSize(value), deadline, epoch);
  record->StoreValue(value);
  return record;
}

Record* Record::Create(std::string_view key, Type type, std::unique_ptr<Object> object,
                       std::optional<UnixMs> deadline, uint16_t epoch) {
  Record* record = Allocate(key, sizeof(Object*), deadline, epoch);
  record->type_ = type;
  record->SetEncoding(Encoding::kObject);
  Object* const owned = object.release();
  std::memcpy(record->ValueBytes(), static_cast<const void*>(&owned), sizeof(owned));
  return record;
}

Record* Record::CopyAs(std::string_view key, std::optional<UnixMs> deadline, uint16_t epoch) const {
  if (encoding() == Encoding::kObject) {
    return Create(key, type_, object()->Clone(), deadline, epoch);
  }
  if (encoding() == Encoding::kInt) return Create(key, Integer(integer()), deadline, epoch);
  return Create(key, Value{encoding(), {ValueBytes(), value_bytes_}, 0}, deadline, epoch);
}

Record* Record::Rebuild(Record* record, std::string_view key, std::optional<UnixMs> deadline,
                        uint16_t epoch) {
  // Encoding and bytes move as they are, slack included.
  Record* const built = Allocate(key, record->value_capacity_, deadline, epoch);
  built->type_ = record->type_;
  built->value_bytes_ = record->value_bytes_;
  built->SetEncoding(record->encoding());
  std::memcpy(built->ValueBytes(), record->ValueBytes(), record->value_bytes_);
  std::free(record);
  return built;
}

void Record::Free(Record* record) {
  if (record->encoding() == Encoding::kObject) delete record->object();
  std::free(record);
}

bool Record::AssignInPlace(const Value& value) {
  if (!is_string()) return false;
  const size_t size = ValueSize(value);
  if (size > value_capacity_ || value_capacity_ - size > kTolerableWasteBytes) return false;
  StoreValue(value);
  return true;
}

Record* Record::Resize(Record* record, size_t size) {
  KV_CHECK(record->is_string() && size <= kMaxStringBytes);
  Digits digits;
  std::string_view integer_text;
  if (record->encoding() == Encoding::kInt) integer_text = record->Text(digits);
  const size_t old_size =
      record->encoding() == Encoding::kInt ? integer_text.size() : record->value_bytes_;
  if (std::max(size, integer_text.size()) > record->value_capacity_) {
    const size_t capacity = std::min(
        std::max(size, integer_text.size()) + std::min(size, kMaxSlackBytes), kMaxStringBytes);
    void* place = std::realloc(static_cast<void*>(record),
                               record->KeyOffset() + record->key_bytes_ + capacity);
    KV_CHECK_MSG(place != nullptr, "out of memory");
    record = static_cast<Record*>(place);
    record->value_capacity_ = static_cast<uint32_t>(capacity);
  }
  if (!integer_text.empty()) {
    std::memcpy(record->ValueBytes(), integer_text.data(), integer_text.size());
  }
  if (size > old_size) std::memset(record->ValueBytes() + old_size, 0, size - old_size);
  record->value_bytes_ = static_cast<uint32_t>(size);
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
