// SPDX-License-Identifier: Apache-2.0
//
// SCAN, KEYS, RANDOMKEY, DBSIZE.
//
// A SCAN cursor is a position and nothing else: the slot in the upper 14 of 63 bits, the top 49
// bits of the hash below. Keys are visited in (slot, hash) order, which no split, merge, copy or
// restart changes, so a key that is there during a whole iteration is returned exactly once, by
// whichever node answers (if all have the same hash seed).
#include <optional>
#include <string_view>
#include <vector>

#include "store/call.h"
#include "store/families.h"
#include "store/glob.h"
#include "store/options.h"

namespace kvorum::store {

namespace {

constexpr unsigned kHashShift = 64 - kCursorHashBits;

uint64_t ToCursor(const Database::Position& position) {
  if (position.AtEnd()) return 0;
  return (uint64_t{position.slot} << kCursorHashBits) | (position.hash >> kHashShift);
}

// Of a cursor that we never gave out: the iteration just ends or begins in the middle of a page.
Database::Position FromCursor(uint64_t cursor) {
  const uint64_t slot = cursor >> kCursorHashBits;
  if (slot >= kSlots) return {kSlots, 0};
  return {static_cast<uint32_t>(slot), cursor << kHashShift};
}

struct ScanOptions {
  uint64_t cursor = 0;
  int64_t count = kScanCount;
  std::optional<Glob> match;
  std::optional<std::string_view> type;
};

bool ParseScan(Argv argv, resp::Reply& reply, ScanOptions& scan) {
  Options options(argv, 2);
  const auto cursor = resp::ParseUnsigned(argv[1]);
  if (!cursor.has_value()) options.Fail("ERR invalid cursor");
  scan.cursor = cursor.value_or(0);
  while (options.Next()) {
    if (options.Is("count") && options.HasMore()) {
      scan.count = options.Integer();
      if (scan.count < 1) options.Syntax();
    } else if (options.Is("match") && options.HasMore()) {
      scan.match.emplace(options.Argument());
    } else if (options.Is("type") && options.HasMore()) {
      scan.type = options.Argument();
    } else {
      options.Syntax();
    }
  }
  return options.Finish(reply);
}

void ReplyKeys(Call& call, const std::vector<std::string_view>& keys) {
  call.reply.Array(keys.size());
  for (const std::string_view key : keys) call.reply.Bulk(key);
}

void Scan(Call& call) {
  ScanOptions scan;
  if (!ParseScan(call.argv, call.reply, scan)) return;
  std::vector<std::string_view> keys;
  Database::Position position{kSlots, 0};
  if (const Database* const db = call.Db()) {
    position = FromCursor(scan.cursor);
    // COUNT bounds the keys that are looked at, not the keys that pass.
    int64_t seen = 0;
    while (!position.AtEnd() && seen < scan.count) {
      db->VisitPage(position, [&](const Record* record) {
        ++seen;
        if (record->ExpiredAt(call.now())) return;
        if (scan.type.has_value() &&
            !resp::EqualsIgnoreCase(TypeName(record->type()), *scan.type)) {
          return;
        }
        if (scan.match.has_value() && !scan.match->Matches(record->key())) return;
        keys.push_back(record->key());
      });
    }
  }
  char digits[resp::kIntegerChars];
  call.reply.Array(2);
  call.reply.Bulk(resp::FormatUnsigned(ToCursor(position), digits));
  ReplyKeys(call, keys);
}

void Keys(Call& call) {
  const Glob pattern(call.Arg(1));
  const bool all = pattern.MatchesAll();
  std::vector<std::string_view> keys;
  if (const Database* const db = call.Db()) {
    db->ForEach([&](const Record* record) {
      if (record->ExpiredAt(call.now())) return;
      if (all || pattern.Matches(record->key())) keys.push_back(record->key());
    });
  }
  ReplyKeys(call, keys);
}

// Any key: a random place, and from there the first page that has one alive. Keys behind a long gap
// are likelier than others; nobody is promised a uniform choice.
void Randomkey(Call& call) {
  const Database* const db = call.Db();
  std::vector<std::string_view> keys;
  if (db != nullptr) {
    const Database::Position start{static_cast<uint32_t>(call.ArbitraryNumber() % kSlots),
                                   call.ArbitraryNumber()};
    for (const Database::Position& from : {start, Database::Position{}}) {
      Database::Position position = from;
      while (!position.AtEnd() && keys.empty()) {
        db->VisitPage(position, [&](const Record* record) {
          if (!record->ExpiredAt(call.now())) keys.push_back(record->key());
        });
      }
    }
  }
  if (keys.empty()) {
    call.reply.Null();
    return;
  }
  call.reply.Bulk(keys[call.ArbitraryNumber() % keys.size()]);
}

// Counts keys that have expired and were not removed yet, as Redis does.
void Dbsize(Call& call) {
  call.reply.Integer(call.Db() == nullptr ? 0 : static_cast<int64_t>(call.Db()->size()));
}

constexpr CommandRow kRows[] = {
    {.name = "scan",
     .arity = -2,
     .route = Route::kRead,
     .flags = kFlagReadonly,
     .docs = {"Iterates over the key names in the database.", "2.8.0", "generic",
              "O(1) for every call. O(N) for a complete iteration."},
     .handler = Scan},
    {.name = "keys",
     .arity = 2,
     .route = Route::kRead,
     .flags = kFlagReadonly | kAclDangerous,
     .docs = {"Returns all key names that match a pattern.", "1.0.0", "generic",
              "O(N) with N being the number of keys in the database."},
     .handler = Keys},
    {.name = "randomkey",
     .arity = 1,
     .route = Route::kRead,
     .flags = kFlagReadonly,
     .docs = {"Returns a random key name from the database.", "1.0.0", "generic", "O(1)"},
     .handler = Randomkey},
    {.name = "dbsize",
     .arity = 1,
     .route = Route::kRead,
     .flags = kFlagReadonly | kFlagFast | kAclKeyspace,
     .docs = {"Returns the number of keys in the database.", "1.0.0", "server", "O(1)"},
     .handler = Dbsize},
};
static_assert(ValidRows(kRows));

}  // namespace

std::span<const CommandRow> IterationCommands() { return kRows; }

}  // namespace kvorum::store
