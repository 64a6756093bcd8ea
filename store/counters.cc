// SPDX-License-Identifier: Apache-2.0
//
// Strings as numbers: INCR, DECR, INCRBY, DECRBY, INCRBYFLOAT.
#include <limits>

#include "store/call.h"
#include "store/decimal.h"
#include "store/families.h"
#include "store/options.h"

namespace kvorum::store {

namespace {

constexpr std::string_view kErrDecrementOverflow = "ERR decrement would overflow";
constexpr std::string_view kErrNotFinite = "ERR increment would produce NaN or Infinity";

void Add(Call& call, int64_t increment) {
  const std::string_view key = call.Arg(1);
  const Record* const record = call.FindForWrite(key);
  if (!call.WantString(record)) return;
  int64_t value = 0;
  if (record != nullptr && record->encoding() == Encoding::kInt) {
    value = record->integer();
  } else if (record != nullptr) {
    Digits digits;
    const auto parsed = resp::ParseInteger(record->Text(digits));
    if (!parsed.has_value()) {
      call.reply.Error(kErrNotInteger);
      return;
    }
    value = *parsed;
  }
  int64_t sum = 0;
  if (__builtin_add_overflow(value, increment, &sum)) {
    call.reply.Error(kErrOverflow);
    return;
  }
  const auto deadline = record == nullptr ? std::nullopt : record->deadline();
  call.WritableDb().Set(key, Record::Integer(sum), deadline);
  call.reply.Integer(sum);
}

void Incr(Call& call) { Add(call, 1); }
void Decr(Call& call) { Add(call, -1); }

bool ParseIncrby(Argv argv, resp::Reply& reply, int64_t& increment) {
  Options options(argv, 2);
  increment = options.Integer();
  return options.Finish(reply);
}

bool CheckIncrby(Argv argv, FeatureLevel /*level*/, resp::Reply& error) {
  int64_t increment = 0;
  return ParseIncrby(argv, error, increment);
}

void Incrby(Call& call) {
  int64_t increment = 0;
  if (ParseIncrby(call.argv, call.reply, increment)) Add(call, increment);
}

bool ParseDecrby(Argv argv, resp::Reply& reply, int64_t& decrement) {
  Options options(argv, 2);
  decrement = options.Integer();
  // Its negative is not an int64_t.
  if (decrement == std::numeric_limits<int64_t>::min()) options.Fail(kErrDecrementOverflow);
  return options.Finish(reply);
}

bool CheckDecrby(Argv argv, FeatureLevel /*level*/, resp::Reply& error) {
  int64_t decrement = 0;
  return ParseDecrby(argv, error, decrement);
}

void Decrby(Call& call) {
  int64_t decrement = 0;
  if (ParseDecrby(call.argv, call.reply, decrement)) Add(call, -decrement);
}

bool CheckIncrbyfloat(Argv argv, FeatureLevel /*level*/, resp::Reply& error) {
  if (Decimal::Parse(argv[2]).has_value()) return true;
  error.Error(kErrNotFloat);
  return false;
}

void Incrbyfloat(Call& call) {
  const std::string_view key = call.Arg(1);
  const Record* const record = call.FindForWrite(key);
  if (!call.WantString(record)) return;
  Digits digits;
  const auto value = Decimal::Parse(record == nullptr ? "0" : record->Text(digits));
  const auto increment = Decimal::Parse(call.Arg(2));
  if (!value.has_value() || !increment.has_value()) {
    call.reply.Error(kErrNotFloat);
    return;
  }
  const auto sum = Decimal::Sum(*value, *increment);
  if (!sum.has_value()) {
    call.reply.Error(kErrNotFinite);
    return;
  }
  // Never kInt, even for a whole number: so does Redis, and OBJECT ENCODING shows it.
  const Encoding encoding = sum->size() <= kEmbstrBytes ? Encoding::kEmbstr : Encoding::kRaw;
  const auto deadline = record == nullptr ? std::nullopt : record->deadline();
  call.WritableDb().Set(key, {encoding, *sum, 0}, deadline);
  call.reply.Bulk(*sum);
}

constexpr uint32_t kFlags = kFlagWrite | kFlagDenyOom | kFlagFast;

constexpr CommandRow kRows[] = {
    {.name = "incr",
     .opcode = Opcode::kIncr,
     .arity = 2,
     .route = Route::kWrite,
     .flags = kFlags,
     .keys = {1, 1, 1},
     .docs = {"Increments the integer value of a key by one. Uses 0 as initial value if the key "
              "doesn't exist.",
              "1.0.0", "string", "O(1)"},
     .handler = Incr},
    {.name = "decr",
     .opcode = Opcode::kDecr,
     .arity = 2,
     .route = Route::kWrite,
     .flags = kFlags,
     .keys = {1, 1, 1},
     .docs = {"Decrements the integer value of a key by one. Uses 0 as initial value if the key "
              "doesn't exist.",
              "1.0.0", "string", "O(1)"},
     .handler = Decr},
    {.name = "incrby",
     .opcode = Opcode::kIncrby,
     .arity = 3,
     .route = Route::kWrite,
     .flags = kFlags,
     .keys = {1, 1, 1},
     .docs = {"Increments the integer value of a key by a number. Uses 0 as initial value if the "
              "key doesn't exist.",
              "1.0.0", "string", "O(1)"},
     .handler = Incrby,
     .check = CheckIncrby},
    {.name = "decrby",
     .opcode = Opcode::kDecrby,
     .arity = 3,
     .route = Route::kWrite,
     .flags = kFlags,
     .keys = {1, 1, 1},
     .docs = {"Decrements a number from the integer value of a key. Uses 0 as initial value if the "
              "key doesn't exist.",
              "1.0.0", "string", "O(1)"},
     .handler = Decrby,
     .check = CheckDecrby},
    {.name = "incrbyfloat",
     .opcode = Opcode::kIncrbyfloat,
     .arity = 3,
     .route = Route::kWrite,
     .flags = kFlags,
     .keys = {1, 1, 1},
     .docs = {"Increment the floating point value of a key by a number. Uses 0 as initial value if "
              "the key doesn't exist.",
              "2.6.0", "string", "O(1)"},
     .handler = Incrbyfloat,
     .check = CheckIncrbyfloat},
};
static_assert(ValidRows(kRows));

}  // namespace

std::span<const CommandRow> CounterCommands() { return kRows; }

}  // namespace kvorum::store
