// SPDX-License-Identifier: Apache-2.0
//
// Commands on whole string values: SET and GET in all their forms.
#include <optional>

#include "store/call.h"
#include "store/expiry_time.h"
#include "store/families.h"
#include "store/options.h"

namespace kvorum::store {

namespace {

void ReplyText(Call& call, const Record* record) {
  if (record == nullptr) {
    call.reply.Null();
    return;
  }
  Digits digits;
  call.reply.Bulk(record->Text(digits));
}

bool IsText(const Record* record, std::string_view text) {
  Digits digits;
  return record != nullptr && record->Text(digits) == text;
}

// A deadline that has come already means the key is not there: it is removed, not stored.
void SetUntil(Call& call, std::string_view key, const Record::Value& value,
              std::optional<UnixMs> deadline) {
  if (deadline.has_value() && *deadline <= call.now()) {
    call.Remove(key);
    return;
  }
  call.WritableDb().Set(key, value, deadline);
}

// The options of SET and GETEX. IFEQ is Valkey's (8.1), as it is there: with GET the old value is
// the reply whether or not it was replaced. The same expiry word may be repeated, two different
// ones may not: that is what Redis's parser does.
struct StringOptions {
  bool nx = false;
  bool xx = false;
  bool get = false;
  bool keep_ttl = false;
  bool persist = false;
  std::optional<std::string_view> ifeq;
  std::optional<ExpiryText> expiry;

  void TakeExpiry(Options& options, bool seconds, bool absolute) {
    const bool other =
        expiry.has_value() && (expiry->seconds != seconds || expiry->absolute != absolute);
    if (other || keep_ttl || persist) options.Syntax();
    expiry = ExpiryText{options.Argument(), seconds, absolute};
  }
  bool TakeExpiryWord(Options& options) {
    if (options.Is("ex")) {
      TakeExpiry(options, true, false);
    } else if (options.Is("px")) {
      TakeExpiry(options, false, false);
    } else if (options.Is("exat")) {
      TakeExpiry(options, true, true);
    } else if (options.Is("pxat")) {
      TakeExpiry(options, false, true);
    } else {
      return false;
    }
    return true;
  }
  // `deadline` is set when there is an expiry; see ResolveExpiry about `now`.
  bool Finish(const Options& options, std::string_view command, UnixMs now, resp::Reply& reply,
              std::optional<UnixMs>& deadline) const {
    if (!options.Finish(reply)) return false;
    if (!expiry.has_value()) return true;
    UnixMs at = 0;
    if (!ResolveExpiry(*expiry, command, now, reply, at)) return false;
    deadline = at;
    return true;
  }
};

bool ParseSet(Argv argv, FeatureLevel level, UnixMs now, resp::Reply& reply, StringOptions& set,
              std::optional<UnixMs>& deadline) {
  Options options(argv, 3);
  while (options.Next()) {
    if (options.Is("nx")) {
      if (set.xx || set.ifeq.has_value()) options.Syntax();
      set.nx = true;
    } else if (options.Is("xx")) {
      if (set.nx || set.ifeq.has_value()) options.Syntax();
      set.xx = true;
    } else if (level >= kIfeqLevel && options.Is("ifeq")) {
      if (set.nx || set.xx || set.ifeq.has_value()) options.Syntax();
      set.ifeq = options.Argument();
    } else if (options.Is("get")) {
      set.get = true;
    } else if (options.Is("keepttl")) {
      if (set.expiry.has_value()) options.Syntax();
      set.keep_ttl = true;
    } else if (!set.TakeExpiryWord(options)) {
      options.Syntax();
    }
  }
  return set.Finish(options, "set", now, reply, deadline);
}

bool CheckSet(Argv argv, FeatureLevel level, resp::Reply& error) {
  StringOptions set;
  std::optional<UnixMs> deadline;
  return ParseSet(argv, level, 0, error, set, deadline);
}

void Set(Call& call) {
  StringOptions set;
  std::optional<UnixMs> deadline;
  if (!ParseSet(call.argv, call.feature_level(), call.now(), call.reply, set, deadline)) return;
  const std::string_view key = call.Arg(1);
  const Record* const old = call.FindForWrite(key);
  if ((set.get || set.ifeq.has_value()) && !call.WantString(old)) return;
  if (set.get) ReplyText(call, old);
  const bool differs = set.ifeq.has_value() && !IsText(old, *set.ifeq);
  if ((set.nx && old != nullptr) || (set.xx && old == nullptr) || differs) {
    if (!set.get) call.reply.Null();
    return;
  }
  if (set.keep_ttl && old != nullptr) deadline = old->deadline();
  SetUntil(call, key, Record::Encode(call.Arg(2)), deadline);
  if (!set.get) call.reply.Ok();
}

void Setnx(Call& call) {
  const bool absent = call.FindForWrite(call.Arg(1)) == nullptr;
  if (absent) call.WritableDb().Set(call.Arg(1), Record::Encode(call.Arg(2)), std::nullopt);
  call.reply.Integer(absent ? 1 : 0);
}

bool ResolveSetex(Argv argv, bool seconds, UnixMs now, resp::Reply& reply, UnixMs& deadline) {
  return ResolveExpiry({argv[2], seconds, false}, seconds ? "setex" : "psetex", now, reply,
                       deadline);
}

template <bool kSeconds>
bool CheckSetex(Argv argv, FeatureLevel /*level*/, resp::Reply& error) {
  UnixMs deadline = 0;
  return ResolveSetex(argv, kSeconds, 0, error, deadline);
}

template <bool kSeconds>
void Setex(Call& call) {
  UnixMs deadline = 0;
  if (!ResolveSetex(call.argv, kSeconds, call.now(), call.reply, deadline)) return;
  SetUntil(call, call.Arg(1), Record::Encode(call.Arg(3)), deadline);
  call.reply.Ok();
}

void Get(Call& call) {
  const Record* const record = call.Lookup(call.Arg(1));
  if (call.WantString(record)) ReplyText(call, record);
}

void Getset(Call& call) {
  const Record* const old = call.FindForWrite(call.Arg(1));
  if (!call.WantString(old)) return;
  ReplyText(call, old);
  call.WritableDb().Set(call.Arg(1), Record::Encode(call.Arg(2)), std::nullopt);
}

void Getdel(Call& call) {
  const Record* const old = call.FindForWrite(call.Arg(1));
  if (!call.WantString(old)) return;
  ReplyText(call, old);
  if (old != nullptr) call.WritableDb().Remove(call.Arg(1));
}

bool ParseGetex(Argv argv, UnixMs now, resp::Reply& reply, StringOptions& getex,
                std::optional<UnixMs>& deadline) {
  Options options(argv, 2);
  while (options.Next()) {
    if (options.Is("persist")) {
      if (getex.expiry.has_value()) options.Syntax();
      getex.persist = true;
    } else if (!getex.TakeExpiryWord(options)) {
      options.Syntax();
    }
  }
  return getex.Finish(options, "getex", now, reply, deadline);
}

bool CheckGetex(Argv argv, FeatureLevel /*level*/, resp::Reply& error) {
  StringOptions getex;
  std::optional<UnixMs> deadline;
  return ParseGetex(argv, 0, error, getex, deadline);
}

void Getex(Call& call) {
  StringOptions getex;
  std::optional<UnixMs> deadline;
  if (!ParseGetex(call.argv, call.now(), call.reply, getex, deadline)) return;
  const std::string_view key = call.Arg(1);
  const Record* const record = call.FindForWrite(key);
  if (!call.WantString(record)) return;
  ReplyText(call, record);
  if (record == nullptr) return;
  if (getex.persist) {
    call.WritableDb().SetDeadline(key, std::nullopt);
  } else if (deadline.has_value() && *deadline <= call.now()) {
    call.WritableDb().Remove(key);
  } else if (deadline.has_value()) {
    call.WritableDb().SetDeadline(key, deadline);
  }
}

void Mget(Call& call) {
  call.reply.Array(call.argc() - 1);
  for (const std::string_view key : call.argv.subspan(1)) {
    const Record* const record = call.Lookup(key);
    ReplyText(call, record != nullptr && record->is_string() ? record : nullptr);
  }
}

template <bool kOnlyIfAbsent>
bool CheckMset(Argv argv, FeatureLevel /*level*/, resp::Reply& error) {
  if (argv.size() % 2 == 1) return true;
  error.Error(kOnlyIfAbsent ? "ERR wrong number of arguments for 'msetnx' command"
                            : "ERR wrong number of arguments for 'mset' command");
  return false;
}

void SetPairs(Call& call) {
  for (size_t i = 1; i < call.argc(); i += 2) {
    call.WritableDb().Set(call.Arg(i), Record::Encode(call.Arg(i + 1)), std::nullopt);
  }
}

void Mset(Call& call) {
  if (!CheckMset<false>(call.argv, call.feature_level(), call.reply)) return;
  SetPairs(call);
  call.reply.Ok();
}

void Msetnx(Call& call) {
  if (!CheckMset<true>(call.argv, call.feature_level(), call.reply)) return;
  // All are looked at before one is set: a key named twice is no conflict with itself.
  for (size_t i = 1; i < call.argc(); i += 2) {
    if (call.FindForWrite(call.Arg(i)) != nullptr) {
      call.reply.Integer(0);
      return;
    }
  }
  SetPairs(call);
  call.reply.Integer(1);
}

constexpr CommandRow kRows[] = {
    {.name = "get",
     .arity = 2,
     .route = Route::kRead,
     .flags = kFlagReadonly | kFlagFast,
     .keys = {1, 1, 1},
     .docs = {"Returns the string value of a key.", "1.0.0", "string", "O(1)"},
     .handler = Get},
    {.name = "set",
     .opcode = Opcode::kSet,
     .arity = -3,
     .route = Route::kWrite,
     .flags = kFlagWrite | kFlagDenyOom,
     .keys = {1, 1, 1},
     .docs = {"Sets the string value of a key, ignoring its type. The key is created if it doesn't "
              "exist.",
              "1.0.0", "string", "O(1)"},
     .handler = Set,
     .check = CheckSet},
    {.name = "setnx",
     .opcode = Opcode::kSetnx,
     .arity = 3,
     .route = Route::kWrite,
     .flags = kFlagWrite | kFlagDenyOom | kFlagFast,
     .keys = {1, 1, 1},
     .docs = {"Set the string value of a key only when the key doesn't exist.", "1.0.0", "string",
              "O(1)"},
     .handler = Setnx},
    {.name = "setex",
     .opcode = Opcode::kSetex,
     .arity = 4,
     .route = Route::kWrite,
     .flags = kFlagWrite | kFlagDenyOom,
     .keys = {1, 1, 1},
     .docs = {"Sets the string value and expiration time of a key. Creates the key if it doesn't "
              "exist.",
              "2.0.0", "string", "O(1)"},
     .handler = Setex<true>,
     .check = CheckSetex<true>},
    {.name = "psetex",
     .opcode = Opcode::kPsetex,
     .arity = 4,
     .route = Route::kWrite,
     .flags = kFlagWrite | kFlagDenyOom,
     .keys = {1, 1, 1},
     .docs = {"Sets both string value and expiration time in milliseconds of a key. The key is "
              "created if it doesn't exist.",
              "2.6.0", "string", "O(1)"},
     .handler = Setex<false>,
     .check = CheckSetex<false>},
    {.name = "getset",
     .opcode = Opcode::kGetset,
     .arity = 3,
     .route = Route::kWrite,
     .flags = kFlagWrite | kFlagDenyOom | kFlagFast,
     .keys = {1, 1, 1},
     .docs = {"Returns the previous string value of a key after setting it to a new value.",
              "1.0.0", "string", "O(1)"},
     .handler = Getset},
    {.name = "getdel",
     .opcode = Opcode::kGetdel,
     .arity = 2,
     .route = Route::kWrite,
     .flags = kFlagWrite | kFlagFast,
     .keys = {1, 1, 1},
     .docs = {"Returns the string value of a key after deleting the key.", "6.2.0", "string",
              "O(1)"},
     .handler = Getdel},
    {.name = "getex",
     .opcode = Opcode::kGetex,
     .arity = -2,
     .route = Route::kWrite,
     .flags = kFlagWrite | kFlagFast,
     .keys = {1, 1, 1},
     .docs = {"Returns the string value of a key after setting its expiration time.", "6.2.0",
              "string", "O(1)"},
     .handler = Getex,
     .check = CheckGetex},
    {.name = "mget",
     .arity = -2,
     .route = Route::kRead,
     .flags = kFlagReadonly | kFlagFast,
     .keys = {1, -1, 1},
     .docs = {"Atomically returns the string values of one or more keys.", "1.0.0", "string",
              "O(N) where N is the number of keys to retrieve."},
     .handler = Mget},
    {.name = "mset",
     .opcode = Opcode::kMset,
     .arity = -3,
     .route = Route::kWrite,
     .flags = kFlagWrite | kFlagDenyOom,
     .keys = {1, -1, 2},
     .docs = {"Atomically creates or modifies the string values of one or more keys.", "1.0.1",
              "string", "O(N) where N is the number of keys to set."},
     .handler = Mset,
     .check = CheckMset<false>},
    {.name = "msetnx",
     .opcode = Opcode::kMsetnx,
     .arity = -3,
     .route = Route::kWrite,
     .flags = kFlagWrite | kFlagDenyOom,
     .keys = {1, -1, 2},
     .docs = {"Atomically modifies the string values of one or more keys only when all keys don't "
              "exist.",
              "1.0.1", "string", "O(N) where N is the number of keys to set."},
     .handler = Msetnx,
     .check = CheckMset<true>},
};
static_assert(ValidRows(kRows));

}  // namespace

std::span<const CommandRow> StringCommands() { return kRows; }

}  // namespace kvorum::store
