// SPDX-License-Identifier: Apache-2.0
//
// One key with its value, in one block of a RecordHeap.
//
//   0      1       2       4           6             8             (or 16)
//   +------+-------+-------+-----------+-------------+------------+-----+-------+
//   | type | flags | epoch | key bytes | value bytes | deadline 8 | key | value |
//   +------+-------+-------+-----------+-------------+------------+-----+-------+
//                                    only with kHasDeadline ^
//   0      1       2       4           8             12            16            (or 24)
//   +------+-------+-------+-----------+-------------+-------------+------------+-----+-------+
//   | type | flags | epoch | key bytes | value bytes | value room  | deadline 8 | key | value |
//   +------+-------+-------+-----------+-------------+-------------+------------+-----+-------+
//          kLong: for what does not fit the short form
//
//   flags: bits 0-2 encoding, 3-5 room behind the value of the short form, 6 kLong, 7 kHasDeadline
//   value, by encoding:
//     kInt     int64_t, 8 bytes: the text is its canonical decimal
//     kEmbstr  the bytes; was set whole and has at most 44 of them (what OBJECT ENCODING says)
//     kRaw     the bytes; their room may be larger, so that APPEND does not copy every time
//     kObject  Object*, 8 bytes: every type that is not a string
//
// A 16-byte key with a 64-byte value is exactly 88 bytes. A pointer to a separate value (as Redis
// has) would cost 16 bytes and a cache miss more.
//
// The epoch is the snapshot that has this record already: see store/snapshot_writer.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "resp/format.h"
#include "store/limits.h"
#include "store/record_heap.h"

namespace kvorum::store {

// Persisted in snapshots: append-only.
enum class Type : uint8_t { kString = 1 };
std::string_view TypeName(Type type);  // as TYPE replies

// Persisted in snapshots: append-only.
enum class Encoding : uint8_t { kInt = 0, kEmbstr = 1, kRaw = 2, kObject = 3 };

inline constexpr size_t kEmbstrBytes = 44;

// The value of a type that is not a string. Owned by its record.
class Object {
 public:
  virtual ~Object() = default;
  [[nodiscard]] virtual std::string_view EncodingName() const = 0;
  [[nodiscard]] virtual size_t MemoryBytes() const = 0;
  // Same content, same bytes, whatever the insertion order was: the digest is taken over them.
  virtual void Serialize(std::string& out) const = 0;
  [[nodiscard]] virtual std::unique_ptr<Object> Clone() const = 0;
};

// Room for the text of a kInt value.
struct Digits {
  char chars[resp::kIntegerChars];
};

class Record {
 public:
  Record(const Record&) = delete;
  Record& operator=(const Record&) = delete;

  // What a value is made of, before it has a record. `text` is borrowed.
  struct Value {
    Encoding encoding = Encoding::kRaw;
    std::string_view text;  // kEmbstr, kRaw
    int64_t integer = 0;    // kInt
  };
  // The encoding that Redis gives a value that is set whole: kInt if the text is canonical.
  static Value Encode(std::string_view text);
  static Value Integer(int64_t integer) { return {Encoding::kInt, {}, integer}; }

  // The caller owns the result and gives it to a table or to Free, with the same heap. What one
  // function frees and makes is of the same heap, too.
  static Record* Create(RecordHeap& heap, std::string_view key, const Value& value,
                        std::optional<UnixMs> deadline, uint16_t epoch);
  static Record* Create(RecordHeap& heap, std::string_view key, Type type,
                        std::unique_ptr<Object> object, std::optional<UnixMs> deadline,
                        uint16_t epoch);
  // A record like this one under another key. The value is copied (kObject: cloned).
  [[nodiscard]] Record* CopyAs(RecordHeap& heap, std::string_view key, uint16_t epoch) const;
  // The same value under another key, deadline and epoch; the old record is gone. An object moves,
  // it is not cloned.
  static Record* Rebuild(RecordHeap& heap, Record* record, std::string_view key,
                         std::optional<UnixMs> deadline, uint16_t epoch);
  static void Free(RecordHeap& heap, Record* record);
  // The same record as a kRaw string of `size` bytes, zeroes appended; may move it. A string only.
  static Record* Resize(RecordHeap& heap, Record* record, size_t size);

  [[nodiscard]] Type type() const { return type_; }
  [[nodiscard]] Encoding encoding() const { return static_cast<Encoding>(flags_ & kEncodingBits); }
  [[nodiscard]] std::string_view EncodingName() const;
  [[nodiscard]] std::string_view key() const { return {Bytes() + KeyOffset(), key_bytes()}; }
  [[nodiscard]] std::optional<UnixMs> deadline() const {
    if (!has_deadline()) return std::nullopt;
    UnixMs at = 0;
    std::memcpy(&at, Bytes() + HeaderBytes(), sizeof(at));
    return at;
  }
  [[nodiscard]] bool has_deadline() const { return (flags_ & kHasDeadline) != 0; }
  [[nodiscard]] bool ExpiredAt(UnixMs now) const { return has_deadline() && *deadline() <= now; }
  void ChangeDeadline(UnixMs at) { std::memcpy(Bytes() + HeaderBytes(), &at, sizeof(at)); }

  [[nodiscard]] bool is_string() const { return type_ == Type::kString; }
  // Of a string: its bytes; `digits` is used for kInt. Valid until the record changes.
  [[nodiscard]] std::string_view Text(Digits& digits) const {
    if (encoding() == Encoding::kInt) return resp::FormatInteger(integer(), digits.chars);
    return {ValueBytes(), value_bytes()};
  }
  [[nodiscard]] int64_t integer() const {
    int64_t value = 0;
    std::memcpy(&value, ValueBytes(), sizeof(value));
    return value;
  }
  [[nodiscard]] Object* object() const {
    Object* object = nullptr;
    std::memcpy(static_cast<void*>(&object), ValueBytes(), sizeof(object));
    return object;
  }
  // kEmbstr and kRaw only.
  char* MutableBytes() { return ValueBytes(); }
  // Replaces a string's value in place if it fits without wasting much; false: nothing changed.
  bool AssignInPlace(const Value& value);

  // Asks the processor for what a short record holds, without waiting for it.
  void Prefetch() const {
    __builtin_prefetch(this);
    __builtin_prefetch(Bytes() + kCacheLineBytes);
  }
  [[nodiscard]] uint16_t epoch() const { return epoch_; }
  void set_epoch(uint16_t epoch) { epoch_ = epoch; }
  // What was asked of the heap, and an object's own.
  [[nodiscard]] size_t AllocatedBytes() const {
    return BlockBytes() + (encoding() == Encoding::kObject ? object()->MemoryBytes() : 0);
  }

 private:
  static constexpr uint8_t kEncodingBits = 0x07;
  static constexpr unsigned kSpareShift = 3;
  static constexpr size_t kMostSpare = 7;
  static constexpr uint8_t kLong = 0x40;
  static constexpr uint8_t kHasDeadline = 0x80;
  // Offsets, of both forms and of one.
  static constexpr size_t kKeyBytesAt = 4;
  static constexpr size_t kShortValueBytesAt = 6;
  static constexpr size_t kLongValueBytesAt = 8;
  static constexpr size_t kLongRoomAt = 12;
  static constexpr size_t kShortHeaderBytes = 8;
  static constexpr size_t kLongHeaderBytes = 16;
  static constexpr size_t kCacheLineBytes = 64;

  Record() = default;
  enum class Form : uint8_t { kThatFits, kLong };
  static Record* Allocate(RecordHeap& heap, std::string_view key, size_t value_room,
                          std::optional<UnixMs> deadline, uint16_t epoch,
                          Form form = Form::kThatFits);
  // Of the long form.
  static Record* WithRoom(RecordHeap& heap, Record* record, size_t value_room);
  void SetEncoding(Encoding encoding) {
    flags_ = static_cast<uint8_t>((flags_ & ~kEncodingBits) | static_cast<uint8_t>(encoding));
  }
  // At most what there is room for.
  void SetValueBytes(size_t bytes);
  void StoreValue(const Value& value);

  template <class Number>
  [[nodiscard]] size_t Get(size_t offset) const {
    Number number = 0;
    std::memcpy(&number, Bytes() + offset, sizeof(number));
    return number;
  }
  template <class Number>
  void Set(size_t offset, size_t value) {
    const auto number = static_cast<Number>(value);
    std::memcpy(Bytes() + offset, &number, sizeof(number));
  }
  [[nodiscard]] bool is_long() const { return (flags_ & kLong) != 0; }
  [[nodiscard]] size_t key_bytes() const {
    return is_long() ? Get<uint32_t>(kKeyBytesAt) : Get<uint16_t>(kKeyBytesAt);
  }
  [[nodiscard]] size_t value_bytes() const {
    return is_long() ? Get<uint32_t>(kLongValueBytesAt) : Get<uint16_t>(kShortValueBytesAt);
  }
  [[nodiscard]] size_t value_room() const {
    return is_long() ? Get<uint32_t>(kLongRoomAt)
                     : Get<uint16_t>(kShortValueBytesAt) + ((flags_ >> kSpareShift) & kMostSpare);
  }

  [[nodiscard]] size_t HeaderBytes() const {
    return is_long() ? kLongHeaderBytes : kShortHeaderBytes;
  }
  [[nodiscard]] size_t KeyOffset() const {
    return HeaderBytes() + (has_deadline() ? sizeof(UnixMs) : 0);
  }
  [[nodiscard]] size_t BlockBytes() const { return KeyOffset() + key_bytes() + value_room(); }
  [[nodiscard]] char* Bytes() const {
    return const_cast<char*>(reinterpret_cast<const char*>(this));
  }
  [[nodiscard]] char* ValueBytes() const { return Bytes() + KeyOffset() + key_bytes(); }

  // What both forms begin with.
  Type type_ = Type::kString;
  uint8_t flags_ = 0;
  uint16_t epoch_ = 0;
};

}  // namespace kvorum::store
