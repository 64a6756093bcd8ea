// SPDX-License-Identifier: Apache-2.0
//
// Whole databases: FLUSHDB, FLUSHALL, SWAPDB. All take constant time: a dropped database is freed
// in slices later, and a running snapshot keeps it as long as it needs.
#include "store/call.h"
#include "store/database_number.h"
#include "store/families.h"
#include "store/options.h"

namespace kvorum::store {

namespace {

// ASYNC and SYNC are the same here.
bool CheckFlush(Argv argv, FeatureLevel /*level*/, resp::Reply& error) {
  if (argv.size() == 1) return true;
  if (argv.size() == 2 &&
      (resp::EqualsIgnoreCase(argv[1], "async") || resp::EqualsIgnoreCase(argv[1], "sync"))) {
    return true;
  }
  error.Error(kErrSyntax);
  return false;
}

void Flushdb(Call& call) {
  if (!CheckFlush(call.argv, call.feature_level(), call.reply)) return;
  call.WritableKeyspace().Drop(call.database());
  call.reply.Ok();
}

void Flushall(Call& call) {
  if (!CheckFlush(call.argv, call.feature_level(), call.reply)) return;
  for (int i = 0; i < call.databases(); ++i) {
    call.WritableKeyspace().Drop(static_cast<size_t>(i));
  }
  call.reply.Ok();
}

bool ParseSwapdb(Argv argv, int databases, resp::Reply& reply, int64_t& a, int64_t& b) {
  Options options(argv, argv.size());
  a = TakeDatabase(options, argv[1], "ERR invalid first DB index");
  b = TakeDatabase(options, argv[2], "ERR invalid second DB index");
  if (!DatabaseExists(a, databases) || !DatabaseExists(b, databases)) {
    options.Fail(kErrDatabaseRange);
  }
  return options.Finish(reply);
}

bool CheckSwapdb(Argv argv, FeatureLevel /*level*/, resp::Reply& error) {
  int64_t a = 0;
  int64_t b = 0;
  return ParseSwapdb(argv, kDatabases, error, a, b);
}

void Swapdb(Call& call) {
  int64_t a = 0;
  int64_t b = 0;
  if (!ParseSwapdb(call.argv, call.databases(), call.reply, a, b)) return;
  call.WritableKeyspace().Swap(static_cast<size_t>(a), static_cast<size_t>(b));
  call.reply.Ok();
}

constexpr CommandRow kRows[] = {
    {.name = "flushdb",
     .opcode = Opcode::kFlushdb,
     .arity = -1,
     .route = Route::kWrite,
     .flags = kFlagWrite | kAclKeyspace | kAclDangerous,
     .docs = {"Remove all keys from the current database.", "1.0.0", "server", "O(1)"},
     .handler = Flushdb,
     .check = CheckFlush},
    {.name = "flushall",
     .opcode = Opcode::kFlushall,
     .arity = -1,
     .route = Route::kWrite,
     .flags = kFlagWrite | kAclKeyspace | kAclDangerous,
     .docs = {"Removes all keys from all databases.", "1.0.0", "server", "O(1)"},
     .handler = Flushall,
     .check = CheckFlush},
    {.name = "swapdb",
     .opcode = Opcode::kSwapdb,
     .arity = 3,
     .route = Route::kWrite,
     .flags = kFlagWrite | kFlagFast | kAclKeyspace | kAclDangerous,
     .docs = {"Swaps two Redis databases.", "4.0.0", "server", "O(1)"},
     .handler = Swapdb,
     .check = CheckSwapdb},
};
static_assert(ValidRows(kRows));

}  // namespace

std::span<const CommandRow> DatabaseCommands() { return kRows; }

}  // namespace kvorum::store
