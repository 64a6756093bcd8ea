// SPDX-License-Identifier: Apache-2.0
//
// Commands on keys of any type: DEL, EXISTS, TYPE, RENAME, COPY, MOVE, TOUCH.
#include "store/call.h"
#include "store/database_number.h"
#include "store/families.h"
#include "store/options.h"

namespace kvorum::store {

namespace {

void Del(Call& call) {
  int64_t removed = 0;
  for (const std::string_view key : call.argv.subspan(1)) removed += call.Remove(key) ? 1 : 0;
  call.reply.Integer(removed);
}

// A key named twice counts twice.
void Exists(Call& call) {
  int64_t found = 0;
  for (const std::string_view key : call.argv.subspan(1)) {
    found += call.Lookup(key) != nullptr ? 1 : 0;
  }
  call.reply.Integer(found);
}

void Type(Call& call) {
  const Record* const record = call.Find(call.Arg(1));
  call.reply.Simple(record == nullptr ? "none" : TypeName(record->type()));
}

template <bool kOnlyIfAbsent>
void Rename(Call& call) {
  const std::string_view from = call.Arg(1);
  const std::string_view to = call.Arg(2);
  if (call.FindForWrite(from) == nullptr) {
    call.reply.Error(kErrNoSuchKey);
    return;
  }
  if (from == to) {
    kOnlyIfAbsent ? call.reply.Integer(0) : call.reply.Ok();
    return;
  }
  if (kOnlyIfAbsent && call.FindForWrite(to) != nullptr) {
    call.reply.Integer(0);
    return;
  }
  Database& db = call.WritableDb();
  db.Put(db.MoveOut(from, to));
  kOnlyIfAbsent ? call.reply.Integer(1) : call.reply.Ok();
}

struct CopyOptions {
  std::optional<int64_t> database;
  bool replace = false;
};

bool ParseCopy(Argv argv, int databases, resp::Reply& reply, CopyOptions& copy) {
  Options options(argv, 3);
  while (options.Next()) {
    if (options.Is("replace")) {
      copy.replace = true;
    } else if (options.Is("db") && options.HasMore()) {
      copy.database = TakeDatabase(options, options.Argument());
      if (!DatabaseExists(*copy.database, databases)) options.Fail(kErrDatabaseRange);
    } else {
      options.Syntax();
    }
  }
  return options.Finish(reply);
}

bool CheckCopy(Argv argv, FeatureLevel /*level*/, resp::Reply& error) {
  CopyOptions copy;
  return ParseCopy(argv, kDatabases, error, copy);
}

void Copy(Call& call) {
  CopyOptions copy;
  if (!ParseCopy(call.argv, call.databases(), call.reply, copy)) return;
  const std::string_view from = call.Arg(1);
  const std::string_view to = call.Arg(2);
  const auto target = static_cast<size_t>(copy.database.value_or(call.database()));
  if (target == call.database() && from == to) {
    call.reply.Error(kErrSameObject);
    return;
  }
  if (call.FindForWrite(from) == nullptr ||
      (call.FindForWriteIn(target, to) != nullptr && !copy.replace)) {
    call.reply.Integer(0);
    return;
  }
  const Record* const record = call.FindForWrite(from);
  Database& db = call.WritableDb(target);
  db.Put(record->CopyAs(db.heap(), to, db.epoch()));
  call.reply.Integer(1);
}

bool ParseMove(Argv argv, int databases, resp::Reply& reply, int64_t& target) {
  Options options(argv, argv.size());
  target = TakeDatabase(options, argv[2]);
  if (!DatabaseExists(target, databases)) options.Fail(kErrDatabaseRange);
  return options.Finish(reply);
}

bool CheckMove(Argv argv, FeatureLevel /*level*/, resp::Reply& error) {
  int64_t target = 0;
  return ParseMove(argv, kDatabases, error, target);
}

void Move(Call& call) {
  int64_t target = 0;
  if (!ParseMove(call.argv, call.databases(), call.reply, target)) return;
  const auto to = static_cast<size_t>(target);
  if (to == call.database()) {
    call.reply.Error(kErrSameObject);
    return;
  }
  const std::string_view key = call.Arg(1);
  if (call.FindForWrite(key) == nullptr || call.FindForWriteIn(to, key) != nullptr) {
    call.reply.Integer(0);
    return;
  }
  call.WritableDb(to).Put(call.WritableDb().MoveOut(key, key));
  call.reply.Integer(1);
}

// No access time is kept, so TOUCH counts what exists and has nothing else to do: a read.
constexpr CommandRow kRows[] = {
    {.name = "del",
     .opcode = Opcode::kDel,
     .arity = -2,
     .route = Route::kWrite,
     .flags = kFlagWrite,
     .keys = {1, -1, 1},
     .docs = {"Deletes one or more keys.", "1.0.0", "generic",
              "O(N) where N is the number of keys that will be removed."},
     .handler = Del},
    {.name = "unlink",
     .opcode = Opcode::kUnlink,
     .arity = -2,
     .route = Route::kWrite,
     .flags = kFlagWrite | kFlagFast,
     .keys = {1, -1, 1},
     .docs = {"Asynchronously deletes one or more keys.", "4.0.0", "generic",
              "O(1) for each key removed regardless of its size."},
     .handler = Del},
    {.name = "exists",
     .arity = -2,
     .route = Route::kRead,
     .flags = kFlagReadonly | kFlagFast,
     .keys = {1, -1, 1},
     .docs = {"Determines whether one or more keys exist.", "1.0.0", "generic",
              "O(N) where N is the number of keys to check."},
     .handler = Exists},
    {.name = "touch",
     .arity = -2,
     .route = Route::kRead,
     .flags = kFlagReadonly | kFlagFast,
     .keys = {1, -1, 1},
     .docs = {"Returns the number of existing keys out of those specified. No access time is kept.",
              "3.2.1", "generic", "O(N) where N is the number of keys that will be touched."},
     .handler = Exists},
    {.name = "type",
     .arity = 2,
     .route = Route::kRead,
     .flags = kFlagReadonly | kFlagFast,
     .keys = {1, 1, 1},
     .docs = {"Determines the type of value stored at a key.", "1.0.0", "generic", "O(1)"},
     .handler = Type},
    {.name = "rename",
     .opcode = Opcode::kRename,
     .arity = 3,
     .route = Route::kWrite,
     .flags = kFlagWrite,
     .keys = {1, 2, 1},
     .docs = {"Renames a key and overwrites the destination.", "1.0.0", "generic", "O(1)"},
     .handler = Rename<false>},
    {.name = "renamenx",
     .opcode = Opcode::kRenamenx,
     .arity = 3,
     .route = Route::kWrite,
     .flags = kFlagWrite | kFlagFast,
     .keys = {1, 2, 1},
     .docs = {"Renames a key only when the target key name doesn't exist.", "1.0.0", "generic",
              "O(1)"},
     .handler = Rename<true>},
    {.name = "copy",
     .opcode = Opcode::kCopy,
     .arity = -3,
     .route = Route::kWrite,
     .flags = kFlagWrite | kFlagDenyOom,
     .keys = {1, 2, 1},
     .docs = {"Copies the value of a key to a new key.", "6.2.0", "generic",
              "O(N) worst case for collections, where N is the number of nested items. O(1) for "
              "string values."},
     .handler = Copy,
     .check = CheckCopy},
    {.name = "move",
     .opcode = Opcode::kMove,
     .arity = 3,
     .route = Route::kWrite,
     .flags = kFlagWrite | kFlagFast,
     .keys = {1, 1, 1},
     .docs = {"Moves a key to another database.", "1.0.0", "generic", "O(1)"},
     .handler = Move,
     .check = CheckMove},
};
static_assert(ValidRows(kRows));

}  // namespace

std::span<const CommandRow> KeyCommands() { return kRows; }

}  // namespace kvorum::store
