// SPDX-License-Identifier: Apache-2.0
#include "tests/model/model.h"

#include <algorithm>
#include <limits>
#include <set>
#include <string>
#include <string_view>

#include "base/check.h"
#include "tests/model/text.h"

namespace kvorum::model {

namespace {

constexpr std::string_view kOk = "+OK\r\n";
constexpr std::string_view kNull = "$-1\r\n";
constexpr std::string_view kSyntax = "-ERR syntax error\r\n";
constexpr std::string_view kNotInteger = "-ERR value is not an integer or out of range\r\n";
constexpr std::string_view kRange = "-ERR DB index is out of range\r\n";
constexpr std::string_view kSame = "-ERR source and destination objects are the same\r\n";
constexpr std::string_view kNoKey = "-ERR no such key\r\n";
constexpr std::string_view kBadExpiry = "-ERR invalid expire time\r\n";
constexpr std::string_view kTooLong = "-ERR string exceeds maximum allowed size\r\n";
constexpr std::string_view kOverflow = "-ERR increment or decrement would overflow\r\n";
constexpr std::string_view kNotFloat = "-ERR value is not a valid float\r\n";

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
constexpr int64_t kMin = std::numeric_limits<int64_t>::min();

// One command on its way through the model. Handlers return the reply; where the server may choose
// they look at what it answered and return that if it is allowed, and else what would have been.
struct Run {
  const std::vector<std::string>& argv;
  Databases& databases;
  int number;
  UnixMs now;
  std::optional<UnixMs> display;
  size_t max_string_bytes;
  int& feature_level;
  const std::string* answered;

  [[nodiscard]] size_t argc() const { return argv.size(); }
  [[nodiscard]] const std::string& operator[](size_t i) const { return argv[i]; }
  [[nodiscard]] Keys& keys() const { return databases[number]; }
  [[nodiscard]] Value* Find(const std::string& key) const {
    const auto it = keys().find(key);
    return it == keys().end() ? nullptr : &it->second;
  }
  [[nodiscard]] std::string Text(const std::string& key) const {
    const Value* const value = Find(key);
    return value == nullptr ? std::string(kNull) : Bulk(value->bytes);
  }
  // A deadline that has come means that the key is gone.
  void Put(const std::string& key, const std::string& bytes, std::optional<UnixMs> at) const {
    keys()[key] = {bytes, at};
    if (at.has_value() && *at <= now) keys().erase(key);
  }
  // What the server may choose is fine when nobody knows what it chose.
  template <class Allowed>
  [[nodiscard]] std::string Choice(Allowed allowed, std::string otherwise) const {
    if (answered == nullptr) return otherwise;
    return allowed(ReadReply(*answered)) ? *answered : otherwise;
  }
};

using Error = std::optional<std::string_view>;

// ---- deadlines -------------------------------------------------------------------------------

struct Unit {
  bool seconds;
  bool absolute;
  friend bool operator==(const Unit&, const Unit&) = default;
};

std::optional<Unit> UnitOf(std::string_view word) {
  if (word == "ex") return Unit{true, false};
  if (word == "px") return Unit{false, false};
  if (word == "exat") return Unit{true, true};
  if (word == "pxat") return Unit{false, true};
  return std::nullopt;
}

// `past`: whether zero and less are welcome, as they are for EXPIRE.
Error Deadline(const std::string& text, Unit unit, UnixMs now, bool past, UnixMs& at) {
  const auto number = ToInteger(text);
  if (!number.has_value()) return kNotInteger;
  if (!past && *number <= 0) return kBadExpiry;
  __int128 ms = *number;
  if (unit.seconds) ms *= 1000;
  if (ms > kMax || ms < kMin) return kBadExpiry;
  if (!unit.absolute) ms += now;
  if (ms > kMax) return kBadExpiry;
  at = static_cast<UnixMs>(ms);
  return std::nullopt;
}

// The options of SET and GETEX.
struct Options {
  bool nx = false;
  bool xx = false;
  bool get = false;
  bool keep = false;
  bool persist = false;
  std::optional<std::string> ifeq;
  std::optional<UnixMs> at;
};

constexpr int kIfeqLevel = 2;

bool KnowsIfeq(const Run& run) {
  if (run.feature_level != 0) return run.feature_level >= kIfeqLevel;
  return run.answered == nullptr || !run.answered->starts_with("-");
}

Error ReadOptions(const Run& run, size_t from, bool is_set, Options& options) {
  std::optional<Unit> unit;
  std::string amount;
  for (size_t i = from; i < run.argc(); ++i) {
    const std::string word = Lower(run[i]);
    const auto its_unit = UnitOf(word);
    if (is_set && word == "nx" && !options.xx && !options.ifeq) {
      options.nx = true;
    } else if (is_set && word == "xx" && !options.nx && !options.ifeq) {
      options.xx = true;
    } else if (is_set && word == "ifeq" && KnowsIfeq(run) && !options.nx && !options.xx &&
               !options.ifeq && i + 1 < run.argc()) {
      options.ifeq = run[++i];
    } else if (is_set && word == "get") {
      options.get = true;
    } else if (is_set && word == "keepttl" && !unit.has_value()) {
      options.keep = true;
    } else if (!is_set && word == "persist" && !unit.has_value()) {
      options.persist = true;
    } else if (its_unit.has_value() && !options.keep && !options.persist &&
               unit.value_or(*its_unit) == *its_unit && i + 1 < run.argc()) {
      unit = its_unit;
      amount = run[++i];
    } else {
      return kSyntax;
    }
  }
  if (!unit.has_value()) return std::nullopt;
  UnixMs at = 0;
  if (const Error error = Deadline(amount, *unit, run.now, false, at)) return error;
  options.at = at;
  return std::nullopt;
}

// ---- whole strings ---------------------------------------------------------------------------

std::string Get(const Run& run) { return run.Text(run[1]); }

std::string Set(const Run& run) {
  Options options;
  if (const Error error = ReadOptions(run, 3, true, options)) return std::string(*error);
  const Value* const old = run.Find(run[1]);
  const std::string before = run.Text(run[1]);
  const bool differs = options.ifeq && (old == nullptr || old->bytes != *options.ifeq);
  if ((options.nx && old != nullptr) || (options.xx && old == nullptr) || differs) {
    return options.get ? before : std::string(kNull);
  }
  if (options.keep && old != nullptr) options.at = old->expires_at;
  run.Put(run[1], run[2], options.at);
  return options.get ? before : std::string(kOk);
}

std::string Setnx(const Run& run) {
  if (run.Find(run[1]) != nullptr) return Integer(0);
  run.Put(run[1], run[2], std::nullopt);
  return Integer(1);
}

template <bool kSeconds>
std::string Setex(const Run& run) {
  UnixMs at = 0;
  if (const Error error = Deadline(run[2], {kSeconds, false}, run.now, false, at)) {
    return std::string(*error);
  }
  run.Put(run[1], run[3], at);
  return std::string(kOk);
}

std::string Getset(const Run& run) {
  std::string before = run.Text(run[1]);
  run.Put(run[1], run[2], std::nullopt);
  return before;
}

std::string Getdel(const Run& run) {
  std::string before = run.Text(run[1]);
  run.keys().erase(run[1]);
  return before;
}

std::string Getex(const Run& run) {
  Options options;
  if (const Error error = ReadOptions(run, 2, false, options)) return std::string(*error);
  std::string before = run.Text(run[1]);
  if (Value* const value = run.Find(run[1])) {
    if (options.persist) value->expires_at.reset();
    if (options.at.has_value()) run.Put(run[1], std::string(value->bytes), options.at);
  }
  return before;
}

std::string Mget(const Run& run) {
  std::string out = "*" + std::to_string(run.argc() - 1) + "\r\n";
  for (size_t i = 1; i < run.argc(); ++i) out += run.Text(run[i]);
  return out;
}

void SetPairs(const Run& run) {
  for (size_t i = 1; i < run.argc(); i += 2) run.Put(run[i], run[i + 1], std::nullopt);
}

std::string Mset(const Run& run) {
  if (run.argc() % 2 == 0) return "-ERR wrong number of arguments\r\n";
  SetPairs(run);
  return std::string(kOk);
}

std::string Msetnx(const Run& run) {
  if (run.argc() % 2 == 0) return "-ERR wrong number of arguments\r\n";
  for (size_t i = 1; i < run.argc(); i += 2) {
    if (run.Find(run[i]) != nullptr) return Integer(0);
  }
  SetPairs(run);
  return Integer(1);
}

// ---- parts of strings and numbers ------------------------------------------------------------

// What a change of its value leaves a key: its deadline.
void Change(const Run& run, std::string bytes) { run.keys()[run[1]].bytes = std::move(bytes); }

std::string Append(const Run& run) {
  const Value* const old = run.Find(run[1]);
  const std::string bytes = old == nullptr ? run[2] : old->bytes + run[2];
  if (old != nullptr && bytes.size() > run.max_string_bytes) return std::string(kTooLong);
  Change(run, bytes);
  return Integer(static_cast<int64_t>(bytes.size()));
}

std::string Strlen(const Run& run) {
  const Value* const value = run.Find(run[1]);
  return Integer(value == nullptr ? 0 : static_cast<int64_t>(value->bytes.size()));
}

std::string Getrange(const Run& run) {
  const auto from = ToInteger(run[2]);
  const auto to = ToInteger(run[3]);
  if (!from.has_value() || !to.has_value()) return std::string(kNotInteger);
  const Value* const value = run.Find(run[1]);
  const std::string bytes = value == nullptr ? "" : value->bytes;
  const auto size = static_cast<int64_t>(bytes.size());
  // Redis: only when both count from the end, "behind each other" is seen before they are clamped.
  if (*from < 0 && *to < 0 && *from > *to) return Bulk("");
  const int64_t first = std::max<int64_t>(*from < 0 ? size + *from : *from, 0);
  const int64_t last = std::min(std::max<int64_t>(*to < 0 ? size + *to : *to, 0), size - 1);
  if (first > last) return Bulk("");
  return Bulk(bytes.substr(static_cast<size_t>(first), static_cast<size_t>(last - first) + 1));
}

std::string Setrange(const Run& run) {
  const auto offset = ToInteger(run[2]);
  if (!offset.has_value()) return std::string(kNotInteger);
  if (*offset < 0) return "-ERR offset is out of range\r\n";
  const Value* const old = run.Find(run[1]);
  std::string bytes = old == nullptr ? "" : old->bytes;
  if (!run[3].empty()) {
    const __int128 end = static_cast<__int128>(*offset) + run[3].size();
    if (end > static_cast<__int128>(run.max_string_bytes)) return std::string(kTooLong);
    bytes.resize(std::max(bytes.size(), static_cast<size_t>(end)), '\0');
    bytes.replace(static_cast<size_t>(*offset), run[3].size(), run[3]);
    Change(run, bytes);
  }
  return Integer(static_cast<int64_t>(bytes.size()));
}

std::string Add(const Run& run, __int128 amount) {
  const Value* const old = run.Find(run[1]);
  const auto number = ToInteger(old == nullptr ? "0" : old->bytes);
  if (!number.has_value()) return std::string(kNotInteger);
  const __int128 sum = *number + amount;
  if (sum > kMax || sum < kMin) return std::string(kOverflow);
  const auto result = static_cast<int64_t>(sum);
  Change(run, std::to_string(result));
  return Integer(result);
}

std::string Incr(const Run& run) { return Add(run, 1); }
std::string Decr(const Run& run) { return Add(run, -1); }

std::string Incrby(const Run& run) {
  const auto amount = ToInteger(run[2]);
  return amount.has_value() ? Add(run, *amount) : std::string(kNotInteger);
}

std::string Decrby(const Run& run) {
  const auto amount = ToInteger(run[2]);
  if (!amount.has_value()) return std::string(kNotInteger);
  if (*amount == kMin) return "-ERR decrement would overflow\r\n";
  return Add(run, -static_cast<__int128>(*amount));
}

std::string Incrbyfloat(const Run& run) {
  const Value* const old = run.Find(run[1]);
  const auto sum = AddDecimals(old == nullptr ? "0" : old->bytes, run[2]);
  if (!sum.has_value()) return std::string(kNotFloat);
  Change(run, *sum);
  return Bulk(*sum);
}

// ---- keys ------------------------------------------------------------------------------------

std::string Del(const Run& run) {
  int64_t removed = 0;
  for (size_t i = 1; i < run.argc(); ++i) removed += static_cast<int64_t>(run.keys().erase(run[i]));
  return Integer(removed);
}

std::string Exists(const Run& run) {
  int64_t found = 0;
  for (size_t i = 1; i < run.argc(); ++i) found += run.Find(run[i]) != nullptr ? 1 : 0;
  return Integer(found);
}

std::string Type(const Run& run) {
  return run.Find(run[1]) == nullptr ? "+none\r\n" : "+string\r\n";
}

template <bool kNx>
std::string Rename(const Run& run) {
  const Value* const from = run.Find(run[1]);
  if (from == nullptr) return std::string(kNoKey);
  if (kNx && run.Find(run[2]) != nullptr) return Integer(0);
  const Value moved = *from;
  run.keys().erase(run[1]);
  run.keys()[run[2]] = moved;
  return kNx ? Integer(1) : std::string(kOk);
}

// A number of a database as an argument.
Error ReadDatabase(const std::string& text, int& number) {
  const auto value = ToInteger(text);
  if (!value.has_value()) return kNotInteger;
  if (*value < 0 || *value >= Model::kDatabases) return kRange;
  number = static_cast<int>(*value);
  return std::nullopt;
}

std::string Copy(const Run& run) {
  int target = run.number;
  bool replace = false;
  for (size_t i = 3; i < run.argc(); ++i) {
    const std::string word = Lower(run[i]);
    if (word == "replace") {
      replace = true;
    } else if (word == "db" && i + 1 < run.argc()) {
      if (const Error error = ReadDatabase(run[++i], target)) return std::string(*error);
    } else {
      return std::string(kSyntax);
    }
  }
  if (target == run.number && run[1] == run[2]) return std::string(kSame);
  const Value* const from = run.Find(run[1]);
  if (from == nullptr) return Integer(0);
  const Value copied = *from;
  Keys& keys = run.databases[target];
  if (keys.contains(run[2]) && !replace) return Integer(0);
  keys[run[2]] = copied;
  return Integer(1);
}

std::string Move(const Run& run) {
  int target = 0;
  if (const Error error = ReadDatabase(run[2], target)) return std::string(*error);
  if (target == run.number) return std::string(kSame);
  const Value* const from = run.Find(run[1]);
  if (from == nullptr || run.databases[target].contains(run[1])) return Integer(0);
  run.databases[target][run[1]] = *from;
  run.keys().erase(run[1]);
  return Integer(1);
}

// ---- expiry ----------------------------------------------------------------------------------

template <bool kSeconds, bool kAbsolute>
std::string Expire(const Run& run) {
  bool nx = false;
  bool xx = false;
  bool gt = false;
  bool lt = false;
  for (size_t i = 3; i < run.argc(); ++i) {
    const std::string word = Lower(run[i]);
    if (word != "nx" && word != "xx" && word != "gt" && word != "lt") {
      return "-ERR Unsupported option\r\n";
    }
    (word == "nx" ? nx : word == "xx" ? xx : word == "gt" ? gt : lt) = true;
  }
  if ((nx && (xx || gt || lt)) || (gt && lt)) return "-ERR options are not compatible\r\n";
  UnixMs at = 0;
  if (const Error error = Deadline(run[2], {kSeconds, kAbsolute}, run.now, true, at)) {
    return std::string(*error);
  }
  Value* const value = run.Find(run[1]);
  if (value == nullptr) return Integer(0);
  // No deadline is the latest of all.
  const bool has = value->expires_at.has_value();
  const UnixMs old = value->expires_at.value_or(0);
  const bool later = has && at > old;
  const bool sooner = !has || at < old;
  if ((nx && has) || (xx && !has) || (gt && !later) || (lt && !sooner)) return Integer(0);
  run.Put(run[1], std::string(value->bytes), at);
  return Integer(1);
}

int64_t Seconds(int64_t ms) {
  return static_cast<int64_t>((static_cast<__int128>(ms) + 500) / 1000);
}

template <bool kSeconds, bool kAbsolute>
std::string Ttl(const Run& run) {
  const Value* const value = run.Find(run[1]);
  if (value == nullptr) return Integer(-2);
  if (!value->expires_at.has_value()) return Integer(-1);
  const auto shown = [](int64_t ms) { return kSeconds ? Seconds(ms) : ms; };
  const UnixMs at = *value->expires_at;
  if (kAbsolute) return Integer(shown(at));
  if (run.display.has_value()) {
    return Integer(shown(std::max<int64_t>(at - std::max(*run.display, run.now), 0)));
  }
  const int64_t most = shown(at - run.now);
  return run.Choice(
      [&](const Reply& reply) {
        const auto left = reply.type == ':' ? ToInteger(reply.text) : std::nullopt;
        return left.has_value() && *left >= 0 && *left <= most;
      },
      Integer(most));
}

std::string Persist(const Run& run) {
  Value* const value = run.Find(run[1]);
  if (value == nullptr || !value->expires_at.has_value()) return Integer(0);
  value->expires_at.reset();
  return Integer(1);
}

// ---- whole databases -------------------------------------------------------------------------

// The keys of a reply, each once; nullopt if it is no array of texts or has one twice.
std::optional<std::set<std::string>> SetOf(const Reply& reply) {
  if (reply.type != '*' || reply.null) return std::nullopt;
  std::set<std::string> keys;
  for (const Reply& element : reply.elements) {
    if (element.type != '$' || element.null || !keys.insert(element.text).second) {
      return std::nullopt;
    }
  }
  return keys;
}

std::set<std::string> Matching(const Run& run, const std::string& pattern) {
  std::set<std::string> keys;
  for (const auto& [key, value] : run.keys()) {
    if (MatchesPattern(pattern, key)) keys.insert(key);
  }
  return keys;
}

std::string ArrayOf(const std::set<std::string>& keys) {
  std::string out = "*" + std::to_string(keys.size()) + "\r\n";
  for (const std::string& key : keys) out += Bulk(key);
  return out;
}

std::string KeysMatching(const Run& run) {
  const auto keys = Matching(run, run[1]);
  return run.Choice([&](const Reply& reply) { return SetOf(reply) == keys; }, ArrayOf(keys));
}

bool IsCursor(const std::string& text) {
  if (text.empty()) return false;
  unsigned __int128 value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + static_cast<unsigned>(c - '0');
    if (value > UINT64_MAX) return false;
  }
  return true;
}

// Any part of the keys will do; all of them if the iteration begins and ends with this call.
std::string Scan(const Run& run) {
  std::string pattern = "*";
  bool strings = true;
  if (!IsCursor(run[1])) return "-ERR invalid cursor\r\n";
  for (size_t i = 2; i < run.argc(); ++i) {
    const std::string word = Lower(run[i]);
    if (i + 1 == run.argc()) return std::string(kSyntax);
    const std::string& argument = run[++i];
    if (word == "count") {
      const auto count = ToInteger(argument);
      if (!count.has_value()) return std::string(kNotInteger);
      if (*count < 1) return std::string(kSyntax);
    } else if (word == "match") {
      pattern = argument;
    } else if (word == "type") {
      strings = Lower(argument) == "string";
    } else {
      return std::string(kSyntax);
    }
  }
  const std::set<std::string> keys = strings ? Matching(run, pattern) : std::set<std::string>();
  const auto allowed = [&](const Reply& reply) {
    if (reply.type != '*' || reply.elements.size() != 2) return false;
    const Reply& cursor = reply.elements[0];
    const auto page = SetOf(reply.elements[1]);
    if (cursor.type != '$' || !IsCursor(cursor.text) || !page.has_value()) return false;
    const bool whole = run[1].find_first_not_of('0') == std::string::npos && cursor.text == "0";
    return whole ? *page == keys
                 : std::includes(keys.begin(), keys.end(), page->begin(), page->end());
  };
  return run.Choice(allowed, "*2\r\n" + Bulk("0") + ArrayOf(keys));
}

std::string Randomkey(const Run& run) {
  if (run.keys().empty()) return std::string(kNull);
  return run.Choice(
      [&](const Reply& reply) {
        return reply.type == '$' && !reply.null && run.keys().contains(reply.text);
      },
      Bulk(run.keys().begin()->first));
}

std::string Dbsize(const Run& run) { return Integer(static_cast<int64_t>(run.keys().size())); }

Error ReadFlush(const Run& run) {
  if (run.argc() == 1) return std::nullopt;
  const std::string word = Lower(run[1]);
  if (run.argc() > 2 || (word != "async" && word != "sync")) return kSyntax;
  return std::nullopt;
}

std::string Flushdb(const Run& run) {
  if (const Error error = ReadFlush(run)) return std::string(*error);
  run.keys().clear();
  return std::string(kOk);
}

std::string Flushall(const Run& run) {
  if (const Error error = ReadFlush(run)) return std::string(*error);
  run.databases.clear();
  return std::string(kOk);
}

std::string Swapdb(const Run& run) {
  int a = 0;
  int b = 0;
  if (const Error error = ReadDatabase(run[1], a)) return std::string(*error);
  if (const Error error = ReadDatabase(run[2], b)) return std::string(*error);
  if (a != b) std::swap(run.databases[a], run.databases[b]);
  return std::string(kOk);
}

// How a value is kept is the server's business.
std::string Object(const Run& run) {
  const std::string word = Lower(run[1]);
  if (word == "help" && run.argc() == 2) {
    return run.Choice([](const Reply& reply) { return reply.type == '*'; }, "*0\r\n");
  }
  if (run.argc() != 3) return "-ERR wrong number of arguments\r\n";
  const bool known =
      word == "encoding" || word == "freq" || word == "idletime" || word == "refcount";
  if (!known) return "-ERR unknown subcommand\r\n";
  if (run.Find(run[2]) == nullptr) return std::string(kNull);
  if (word == "freq") return "-ERR An LFU maxmemory policy is not selected\r\n";
  const char type = word == "encoding" ? '$' : ':';
  return run.Choice([&](const Reply& reply) { return reply.type == type && !reply.null; },
                    type == '$' ? Bulk("raw") : Integer(1));
}

std::string RaiseLevel(const Run& run) {
  run.feature_level = std::max(run.feature_level, std::stoi(run[1]));
  return std::string(kOk);
}

// ---- the commands ----------------------------------------------------------------------------

// Where the keys are: none at all, all of them, the first argument, ...
enum class Where : unsigned char { kNone, kAll, kFirst, kFirstTwo, kEach, kEachSecond, kSecond };

struct Command {
  std::string_view name;
  int arity;  // as Redis writes it
  std::string (*run)(const Run&);
  Where keys = Where::kFirst;
  bool time = false;
};

constexpr Command kCommands[] = {
    {"get", 2, Get},
    {"set", -3, Set},
    {"setnx", 3, Setnx},
    {"setex", 4, Setex<true>, Where::kFirst, true},
    {"psetex", 4, Setex<false>, Where::kFirst, true},
    {"getset", 3, Getset},
    {"getdel", 2, Getdel},
    {"getex", -2, Getex},
    {"mget", -2, Mget, Where::kEach},
    {"mset", -3, Mset, Where::kEachSecond},
    {"msetnx", -3, Msetnx, Where::kEachSecond},
    {"append", 3, Append},
    {"strlen", 2, Strlen},
    {"getrange", 4, Getrange},
    {"substr", 4, Getrange},
    {"setrange", 4, Setrange},
    {"incr", 2, Incr},
    {"decr", 2, Decr},
    {"incrby", 3, Incrby},
    {"decrby", 3, Decrby},
    {"incrbyfloat", 3, Incrbyfloat},
    {"del", -2, Del, Where::kEach},
    {"unlink", -2, Del, Where::kEach},
    {"exists", -2, Exists, Where::kEach},
    {"touch", -2, Exists, Where::kEach},
    {"type", 2, Type},
    {"rename", 3, Rename<false>, Where::kFirstTwo},
    {"renamenx", 3, Rename<true>, Where::kFirstTwo},
    {"copy", -3, Copy, Where::kFirstTwo},
    {"move", 3, Move},
    {"expire", -3, Expire<true, false>, Where::kFirst, true},
    {"pexpire", -3, Expire<false, false>, Where::kFirst, true},
    {"expireat", -3, Expire<true, true>, Where::kFirst, true},
    {"pexpireat", -3, Expire<false, true>, Where::kFirst, true},
    {"ttl", 2, Ttl<true, false>, Where::kFirst, true},
    {"pttl", 2, Ttl<false, false>, Where::kFirst, true},
    {"expiretime", 2, Ttl<true, true>, Where::kFirst, true},
    {"pexpiretime", 2, Ttl<false, true>, Where::kFirst, true},
    {"persist", 2, Persist, Where::kFirst, true},
    {"scan", -2, Scan, Where::kAll},
    {"keys", 2, KeysMatching, Where::kAll},
    {"randomkey", 1, Randomkey, Where::kAll},
    {"dbsize", 1, Dbsize, Where::kAll},
    {"flushdb", -1, Flushdb, Where::kAll},
    {"flushall", -1, Flushall, Where::kAll},
    {"swapdb", 3, Swapdb, Where::kAll},
    {"object", -2, Object, Where::kSecond},
    {"feature-level", 3, RaiseLevel, Where::kNone},
};

const Command* FindCommand(const std::vector<std::string>& argv) {
  static const auto* const by_name = [] {
    auto* const built = new std::map<std::string, const Command*, std::less<>>();
    for (const Command& command : kCommands) built->emplace(command.name, &command);
    return built;
  }();
  if (argv.empty()) return nullptr;
  const auto it = by_name->find(Lower(argv[0]));
  return it == by_name->end() ? nullptr : it->second;
}

bool TakesThatMany(const Command& command, size_t argc) {
  const auto count = static_cast<int>(argc);
  return command.arity > 0 ? count == command.arity : count >= -command.arity;
}

// The code of an error, all of anything else.
std::string_view ComparedPart(std::string_view reply) {
  return !reply.empty() && reply[0] == '-' ? reply.substr(0, reply.find_first_of(" \r")) : reply;
}

void AppendQuoted(std::string& out, std::string_view bytes) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out.push_back('"');
  for (const char c : bytes) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte < ' ' || byte > '~' || c == '"' || c == '\\') {
      out.append("\\x").push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 15]);
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
}

}  // namespace

bool Model::Knows(const std::vector<std::string>& argv) { return FindCommand(argv) != nullptr; }

Model::Touched Model::KeysOf(const std::vector<std::string>& argv) {
  const Command* const command = FindCommand(argv);
  Touched touched;
  if (command == nullptr || !TakesThatMany(*command, argv.size())) return touched;
  const auto take = [&](size_t first, size_t last, size_t step) {
    for (size_t i = first; i <= last && i < argv.size(); i += step) touched.keys.push_back(argv[i]);
  };
  switch (command->keys) {
    case Where::kNone:
      break;
    case Where::kAll:
      touched.everything = true;
      break;
    case Where::kFirst:
      take(1, 1, 1);
      break;
    case Where::kFirstTwo:
      take(1, 2, 1);
      break;
    case Where::kEach:
      take(1, argv.size(), 1);
      break;
    case Where::kEachSecond:
      take(1, argv.size(), 2);
      break;
    case Where::kSecond:
      take(2, 2, 1);
      break;
  }
  return touched;
}

bool Model::DependsOnTime(const std::vector<std::string>& argv) {
  const Command* const command = FindCommand(argv);
  if (command == nullptr) return false;
  if (command->run != Set && command->run != Getex) return command->time;
  const size_t options = command->run == Set ? 3 : 2;
  return std::any_of(argv.begin() + static_cast<ptrdiff_t>(std::min(options, argv.size())),
                     argv.end(), [](const std::string& word) {
                       const std::string lower = Lower(word);
                       return UnitOf(lower).has_value() || lower == "persist";
                     });
}

bool Model::Step(const std::vector<std::string>& argv, int database, UnixMs now,
                 const std::string* reply, std::optional<UnixMs> display) {
  const Command* const command = FindCommand(argv);
  KV_CHECK(command != nullptr && database >= 0 && database < kDatabases);
  Forget(now);
  const Run run{argv, databases_, database, now, display, max_string_bytes_, feature_level_, reply};
  const std::string expected = TakesThatMany(*command, argv.size())
                                   ? command->run(run)
                                   : "-ERR wrong number of arguments\r\n";
  std::erase_if(databases_, [](const auto& entry) { return entry.second.empty(); });
  // Any deadline that this command made is of one of its keys, or was there before.
  for (const std::string& key : KeysOf(argv).keys) {
    for (const auto& [number, keys] : databases_) {
      const auto it = keys.find(key);
      if (it == keys.end() || !it->second.expires_at.has_value()) continue;
      earliest_ = std::min(earliest_.value_or(*it->second.expires_at), *it->second.expires_at);
    }
  }
  return reply == nullptr || ComparedPart(*reply) == ComparedPart(expected);
}

void Model::Forget(UnixMs now) {
  if (!earliest_.has_value() || *earliest_ > now) return;
  earliest_.reset();
  for (auto& [number, keys] : databases_) {
    std::erase_if(keys, [&](const auto& entry) {
      const auto& at = entry.second.expires_at;
      if (!at.has_value()) return false;
      if (*at <= now) return true;
      earliest_ = std::min(earliest_.value_or(*at), *at);
      return false;
    });
  }
  std::erase_if(databases_, [](const auto& entry) { return entry.second.empty(); });
}

std::string Model::Canonical() const {
  std::string out;
  for (const auto& [number, keys] : databases_) {
    out.append(std::to_string(number)).push_back('{');
    for (const auto& [key, value] : keys) {
      AppendQuoted(out, key);
      out.push_back('=');
      AppendQuoted(out, value.bytes);
      if (value.expires_at.has_value()) out.append("@").append(std::to_string(*value.expires_at));
      out.push_back(' ');
    }
    out.push_back('}');
  }
  return out;
}

}  // namespace kvorum::model
