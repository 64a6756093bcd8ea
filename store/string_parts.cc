// SPDX-License-Identifier: Apache-2.0
//
// Commands on parts of a string: APPEND, STRLEN, GETRANGE, SETRANGE.
#include <algorithm>
#include <cstring>

#include "store/call.h"
#include "store/families.h"
#include "store/options.h"

namespace kvorum::store {

namespace {

constexpr std::string_view kErrOffsetRange = "ERR offset is out of range";

size_t Length(const Record& record) {
  Digits digits;
  return record.Text(digits).size();
}

bool CheckLength(Call& call, size_t size, size_t more) {
  if (size <= call.max_string_bytes() && more <= call.max_string_bytes() - size) return true;
  call.reply.Error(kErrStringTooLong);
  return false;
}

void Append(Call& call) {
  const std::string_view key = call.Arg(1);
  const std::string_view tail = call.Arg(2);
  const Record* const record = call.FindForWrite(key);
  if (!call.WantString(record)) return;
  if (record == nullptr) {
    call.WritableDb().Set(key, Record::Encode(tail), std::nullopt);
    call.reply.Integer(static_cast<int64_t>(tail.size()));
    return;
  }
  const size_t size = Length(*record);
  if (!CheckLength(call, size, tail.size())) return;
  char* const bytes = call.WritableDb().Grow(key, size + tail.size());
  if (!tail.empty()) std::memcpy(bytes + size, tail.data(), tail.size());
  call.reply.Integer(static_cast<int64_t>(size + tail.size()));
}

void Strlen(Call& call) {
  const Record* const record = call.Lookup(call.Arg(1));
  if (!call.WantString(record)) return;
  call.reply.Integer(record == nullptr ? 0 : static_cast<int64_t>(Length(*record)));
}

// The part of `text` from `start` to `end` inclusive; negative counts from the end.
std::string_view Part(std::string_view text, int64_t start, int64_t end) {
  const auto size = static_cast<int64_t>(text.size());
  if (start < 0 && end < 0 && start > end) return {};
  // The sums cannot overflow: one side is negative, the other at most 512 MiB.
  if (start < 0) start = std::max<int64_t>(size + start, 0);
  if (end < 0) end = std::max<int64_t>(size + end, 0);
  end = std::min(end, size - 1);
  if (start > end || size == 0) return {};
  return text.substr(static_cast<size_t>(start), static_cast<size_t>(end - start + 1));
}

void Getrange(Call& call) {
  Options options(call.argv, 2);
  const int64_t start = options.Integer();
  const int64_t end = options.Integer();
  if (!options.Finish(call.reply)) return;
  const Record* const record = call.Lookup(call.Arg(1));
  if (!call.WantString(record)) return;
  Digits digits;
  call.reply.Bulk(record == nullptr ? std::string_view() : Part(record->Text(digits), start, end));
}

bool ParseSetrange(Argv argv, resp::Reply& reply, int64_t& offset) {
  Options options(argv, 2);
  offset = options.Integer();
  if (offset < 0) options.Fail(kErrOffsetRange);
  return options.Finish(reply);
}

bool CheckSetrange(Argv argv, FeatureLevel /*level*/, resp::Reply& error) {
  int64_t offset = 0;
  return ParseSetrange(argv, error, offset);
}

void Setrange(Call& call) {
  int64_t signed_offset = 0;
  if (!ParseSetrange(call.argv, call.reply, signed_offset)) return;
  const auto offset = static_cast<size_t>(signed_offset);
  const std::string_view key = call.Arg(1);
  const std::string_view patch = call.Arg(3);
  const Record* const record = call.FindForWrite(key);
  if (!call.WantString(record)) return;
  const size_t size = record == nullptr ? 0 : Length(*record);
  if (patch.empty()) {
    call.reply.Integer(static_cast<int64_t>(size));
    return;
  }
  if (!CheckLength(call, offset, patch.size())) return;
  Database& db = call.WritableDb();
  if (record == nullptr) db.Set(key, {Encoding::kRaw, {}, 0}, std::nullopt);
  const size_t new_size = std::max(size, offset + patch.size());
  std::memcpy(db.Grow(key, new_size) + offset, patch.data(), patch.size());
  call.reply.Integer(static_cast<int64_t>(new_size));
}

constexpr CommandRow kRows[] = {
    {.name = "append",
     .opcode = Opcode::kAppend,
     .arity = 3,
     .route = Route::kWrite,
     .flags = kFlagWrite | kFlagDenyOom | kFlagFast,
     .keys = {1, 1, 1},
     .docs = {"Appends a string to the value of a key. Creates the key if it doesn't exist.",
              "2.0.0", "string",
              "O(1). The amortized time complexity is O(1) assuming the appended value is small."},
     .handler = Append},
    {.name = "strlen",
     .arity = 2,
     .route = Route::kRead,
     .flags = kFlagReadonly | kFlagFast,
     .keys = {1, 1, 1},
     .docs = {"Returns the length of a string value.", "2.2.0", "string", "O(1)"},
     .handler = Strlen},
    {.name = "getrange",
     .arity = 4,
     .route = Route::kRead,
     .flags = kFlagReadonly,
     .keys = {1, 1, 1},
     .docs = {"Returns a substring of the string stored at a key.", "2.4.0", "string",
              "O(N) where N is the length of the returned string."},
     .handler = Getrange},
    {.name = "substr",
     .arity = 4,
     .route = Route::kRead,
     .flags = kFlagReadonly,
     .keys = {1, 1, 1},
     .docs = {"Returns a substring from a string value.", "1.0.0", "string",
              "O(N) where N is the length of the returned string."},
     .handler = Getrange},
    {.name = "setrange",
     .opcode = Opcode::kSetrange,
     .arity = 4,
     .route = Route::kWrite,
     .flags = kFlagWrite | kFlagDenyOom,
     .keys = {1, 1, 1},
     .docs = {"Overwrites a part of a string value with another by an offset. Creates the key if "
              "it doesn't exist.",
              "2.2.0", "string",
              "O(1), not counting the time taken to copy the new string in place."},
     .handler = Setrange,
     .check = CheckSetrange},
};
static_assert(ValidRows(kRows));

}  // namespace

std::span<const CommandRow> StringPartCommands() { return kRows; }

}  // namespace kvorum::store
