// SPDX-License-Identifier: Apache-2.0
//
// Deadlines: EXPIRE and its kind set them, TTL and its kind show them, PERSIST removes them.
#include <limits>
#include <string>

#include "store/call.h"
#include "store/expiry_time.h"
#include "store/families.h"
#include "store/options.h"

namespace kvorum::store {

namespace {

// How the four commands read their number.
struct ExpireForm {
  std::string_view name;
  bool seconds;
  bool absolute;
};
constexpr ExpireForm kExpire{"expire", true, false};
constexpr ExpireForm kPexpire{"pexpire", false, false};
constexpr ExpireForm kExpireat{"expireat", true, true};
constexpr ExpireForm kPexpireat{"pexpireat", false, true};

struct ExpireOptions {
  bool nx = false;
  bool xx = false;
  bool gt = false;
  bool lt = false;
  UnixMs deadline = 0;
};

// Unlike EX of SET a time in the past is allowed: it removes the key.
bool ToDeadline(const ExpireForm& form, std::string_view text, UnixMs now, resp::Reply& reply,
                UnixMs& deadline) {
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  const auto value = resp::ParseInteger(text);
  if (!value.has_value()) {
    reply.Error(kErrNotInteger);
    return false;
  }
  int64_t ms = *value;
  const bool too_long = form.seconds && (ms > kMax / 1000 || ms < kMin / 1000);
  if (!too_long && form.seconds) ms *= 1000;
  if (too_long || (!form.absolute && ms > kMax - now)) {
    ReplyInvalidExpiry(form.name, reply);
    return false;
  }
  deadline = form.absolute ? ms : ms + now;
  return true;
}

bool ParseExpire(const ExpireForm& form, Argv argv, UnixMs now, resp::Reply& reply,
                 ExpireOptions& expire) {
  for (const std::string_view word : argv.subspan(3)) {
    if (resp::EqualsIgnoreCase(word, "nx")) {
      expire.nx = true;
    } else if (resp::EqualsIgnoreCase(word, "xx")) {
      expire.xx = true;
    } else if (resp::EqualsIgnoreCase(word, "gt")) {
      expire.gt = true;
    } else if (resp::EqualsIgnoreCase(word, "lt")) {
      expire.lt = true;
    } else {
      reply.Error("ERR Unsupported option " + std::string(word.substr(0, kErrorEchoBytes)));
      return false;
    }
  }
  if (expire.nx && (expire.xx || expire.gt || expire.lt)) {
    reply.Error("ERR NX and XX, GT or LT options at the same time are not compatible");
    return false;
  }
  if (expire.gt && expire.lt) {
    reply.Error("ERR GT and LT options at the same time are not compatible");
    return false;
  }
  return ToDeadline(form, argv[2], now, reply, expire.deadline);
}

// No deadline is later than every deadline.
bool MayReplace(const ExpireOptions& expire, std::optional<UnixMs> current) {
  if (expire.nx && current.has_value()) return false;
  if (expire.xx && !current.has_value()) return false;
  if (expire.gt && (!current.has_value() || expire.deadline <= *current)) return false;
  if (expire.lt && current.has_value() && expire.deadline >= *current) return false;
  return true;
}

template <const ExpireForm& kForm>
bool CheckExpire(Argv argv, FeatureLevel /*level*/, resp::Reply& error) {
  ExpireOptions expire;
  return ParseExpire(kForm, argv, 0, error, expire);
}

template <const ExpireForm& kForm>
void Expire(Call& call) {
  ExpireOptions expire;
  if (!ParseExpire(kForm, call.argv, call.now(), call.reply, expire)) return;
  const std::string_view key = call.Arg(1);
  const Record* const record = call.FindForWrite(key);
  if (record == nullptr || !MayReplace(expire, record->deadline())) {
    call.reply.Integer(0);
    return;
  }
  if (expire.deadline <= call.now()) {
    call.WritableDb().Remove(key);
  } else {
    call.WritableDb().SetDeadline(key, expire.deadline);
  }
  call.reply.Integer(1);
}

int64_t ToSeconds(int64_t ms) {
  // To the nearest; the sum cannot overflow as unsigned and fits again after the division.
  return static_cast<int64_t>((static_cast<uint64_t>(ms) + 500) / 1000);
}

template <bool kSeconds, bool kAbsolute>
void Ttl(Call& call) {
  const Record* const record = call.Find(call.Arg(1));
  if (record == nullptr) {
    call.reply.Integer(-2);
    return;
  }
  if (!record->has_deadline()) {
    call.reply.Integer(-1);
    return;
  }
  int64_t ms = *record->deadline();
  // A key that the log still has is there, even if the clock on the wall is past its deadline.
  if (!kAbsolute) ms = ms > call.display_now() ? ms - call.display_now() : 0;
  call.reply.Integer(kSeconds ? ToSeconds(ms) : ms);
}

void Persist(Call& call) {
  const std::string_view key = call.Arg(1);
  const Record* const record = call.FindForWrite(key);
  const bool had_deadline = record != nullptr && record->has_deadline();
  if (had_deadline) call.WritableDb().SetDeadline(key, std::nullopt);
  call.reply.Integer(had_deadline ? 1 : 0);
}

constexpr CommandRow kRows[] = {
    {.name = "expire",
     .opcode = Opcode::kExpire,
     .arity = -3,
     .route = Route::kWrite,
     .flags = kFlagWrite | kFlagFast,
     .keys = {1, 1, 1},
     .docs = {"Sets the expiration time of a key in seconds.", "1.0.0", "generic", "O(1)"},
     .handler = Expire<kExpire>,
     .check = CheckExpire<kExpire>},
    {.name = "pexpire",
     .opcode = Opcode::kPexpire,
     .arity = -3,
     .route = Route::kWrite,
     .flags = kFlagWrite | kFlagFast,
     .keys = {1, 1, 1},
     .docs = {"Sets the expiration time of a key in milliseconds.", "2.6.0", "generic", "O(1)"},
     .handler = Expire<kPexpire>,
     .check = CheckExpire<kPexpire>},
    {.name = "expireat",
     .opcode = Opcode::kExpireat,
     .arity = -3,
     .route = Route::kWrite,
     .flags = kFlagWrite | kFlagFast,
     .keys = {1, 1, 1},
     .docs = {"Sets the expiration time of a key to a Unix timestamp.", "1.2.0", "generic", "O(1)"},
     .handler = Expire<kExpireat>,
     .check = CheckExpire<kExpireat>},
    {.name = "pexpireat",
     .opcode = Opcode::kPexpireat,
     .arity = -3,
     .route = Route::kWrite,
     .flags = kFlagWrite | kFlagFast,
     .keys = {1, 1, 1},
     .docs = {"Sets the expiration time of a key to a Unix milliseconds timestamp.", "2.6.0",
              "generic", "O(1)"},
     .handler = Expire<kPexpireat>,
     .check = CheckExpire<kPexpireat>},
    {.name = "ttl",
     .arity = 2,
     .route = Route::kRead,
     .flags = kFlagReadonly | kFlagFast,
     .keys = {1, 1, 1},
     .docs = {"Returns the expiration time in seconds of a key.", "1.0.0", "generic", "O(1)"},
     .handler = Ttl<true, false>},
    {.name = "pttl",
     .arity = 2,
     .route = Route::kRead,
     .flags = kFlagReadonly | kFlagFast,
     .keys = {1, 1, 1},
     .docs = {"Returns the expiration time in milliseconds of a key.", "2.6.0", "generic", "O(1)"},
     .handler = Ttl<false, false>},
    {.name = "expiretime",
     .arity = 2,
     .route = Route::kRead,
     .flags = kFlagReadonly | kFlagFast,
     .keys = {1, 1, 1},
     .docs = {"Returns the expiration time of a key as a Unix timestamp.", "7.0.0", "generic",
              "O(1)"},
     .handler = Ttl<true, true>},
    {.name = "pexpiretime",
     .arity = 2,
     .route = Route::kRead,
     .flags = kFlagReadonly | kFlagFast,
     .keys = {1, 1, 1},
     .docs = {"Returns the expiration time of a key as a Unix milliseconds timestamp.", "7.0.0",
              "generic", "O(1)"},
     .handler = Ttl<false, true>},
    {.name = "persist",
     .opcode = Opcode::kPersist,
     .arity = 2,
     .route = Route::kWrite,
     .flags = kFlagWrite | kFlagFast,
     .keys = {1, 1, 1},
     .docs = {"Removes the expiration time of a key.", "2.2.0", "generic", "O(1)"},
     .handler = Persist},
};
static_assert(ValidRows(kRows));

}  // namespace

std::span<const CommandRow> ExpiryCommands() { return kRows; }

}  // namespace kvorum::store
