// SPDX-License-Identifier: Apache-2.0
//
// The data commands, as simply as they can be written: what a checker believes Kvorum does. Written
// from the commands' documentation and not from store/, with which it shares no code; the two are
// compared command by command under random sequences (tests/fuzz, tests/model).
//
// Where Kvorum's documentation departs from Redis's, the model follows Kvorum's: arguments are
// checked before the key is looked up (GETEX missing EX junk is an error), INCRBYFLOAT is exact
// decimal arithmetic, and SCAN takes a cursor of digits only.
#pragma once

#include <compare>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"

namespace kvorum::model {

struct Value {
  std::string bytes;
  std::optional<UnixMs> expires_at;
  auto operator<=>(const Value&) const = default;
};

using Keys = std::map<std::string, Value>;
using Databases = std::map<int, Keys>;

// Copyable, compared and hashed by its content. Sixteen databases, like the server.
class Model {
 public:
  static constexpr int kDatabases = 16;
  static constexpr size_t kMaxStringBytes = size_t{512} << 20;

  // `max_string_bytes`: what APPEND and SETRANGE may make of a string.
  explicit Model(size_t max_string_bytes = kMaxStringBytes) : max_string_bytes_(max_string_bytes) {}

  // The commands it covers: every read and write of the keyspace.
  static bool Knows(const std::vector<std::string>& argv);
  // The keys that the command touches; for those that touch every key (FLUSHALL, KEYS, DBSIZE, ...)
  // `everything` is set. Keys are names only: what a command does to a name in another database
  // (MOVE, COPY ... DB) is under the same name.
  struct Touched {
    std::vector<std::string> keys;
    bool everything = false;
  };
  static Touched KeysOf(const std::vector<std::string>& argv);
  // Whether the reply or effect depends on the time of day: commands that set an expiry, look at
  // one or remove one.
  static bool DependsOnTime(const std::vector<std::string>& argv);

  // Executes at log time `now`, which never goes back. `reply`: what the server answered, as RESP2
  // bytes, or nullptr when that is not known; returns whether it is an answer that this state
  // allows (always true for nullptr). Where the server may choose (RANDOMKEY, SCAN, the order of
  // KEYS), every choice that it may make is allowed. A command that the server refuses (wrong type
  // of argument, arity) changes nothing; its error is compared by its first word only.
  //
  // TTL and PTTL are answered against the clock of the node that answers when that is ahead of the
  // log: `display` is that clock. Without it, everything from 0 to what is left by the log is
  // allowed.
  bool Step(const std::vector<std::string>& argv, int database, UnixMs now,
            const std::string* reply, std::optional<UnixMs> display = std::nullopt);

  // Which behaviour is meant: that of a feature level (store/feature.h), or, with 0, of any: a
  // command that came with a level may have been refused or not, as its reply says. A log has
  // entries that raise it (FEATURE-LEVEL level release).
  void SetFeatureLevel(int level) { feature_level_ = level; }
  [[nodiscard]] int feature_level() const { return feature_level_; }

  // The same text for equal states only: for memoization and for people.
  [[nodiscard]] std::string Canonical() const;

  [[nodiscard]] const Databases& databases() const { return databases_; }
  friend bool operator==(const Model& a, const Model& b) {
    return a.databases_ == b.databases_ && a.feature_level_ == b.feature_level_;
  }

 private:
  void Forget(UnixMs now);

  Databases databases_;  // those that have keys, no others
  size_t max_string_bytes_;
  int feature_level_ = 0;
  // No deadline is before this one; it saves looking for expired keys at every step.
  std::optional<UnixMs> earliest_;
};

}  // namespace kvorum::model
