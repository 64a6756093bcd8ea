// SPDX-License-Identifier: Apache-2.0
//
// Random commands against the obvious implementation: a std::map of strings with deadlines.
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <optional>
#include <string>

#include "base/rng.h"
#include "resp/format.h"
#include "store/decimal.h"
#include "tests/store/fixture.h"
#include "tests/store/printable.h"
#include "tests/store/random_words.h"

namespace kvorum::store {
namespace {

struct Value {
  std::string text;
  std::optional<UnixMs> deadline;
};

class Model {
 public:
  using Keys = std::map<std::string, Value>;

  // The printable reply to what RandomWrite makes.
  std::string Run(const Words& w, UnixMs now, size_t number) {
    now_ = now;
    Forget();
    Keys& keys = databases_[number];
    const std::string& name = w[0];
    if (name == "FLUSHDB") return keys.clear(), "OK";
    if (name == "FLUSHALL") return databases_ = {}, "OK";
    if (name == "SWAPDB") return Swap(std::stoul(w[1]), std::stoul(w[2]));
    if (name == "DEL") return Count(keys.erase(w[1]) + keys.erase(w[2]));
    if (name == "MSETNX") return Msetnx(keys, w);
    if (name == "SET") return Set(keys, w);
    if (name == "APPEND") return keys[w[1]].text += w[2], Count(keys[w[1]].text.size());
    if (name == "SETRANGE") return Setrange(keys[w[1]].text, std::stoul(w[2]), w[3]);
    if (name == "INCR") return Incr(keys, w[1]);
    if (name == "INCRBYFLOAT") return Incrbyfloat(keys, w[1], w[2]);
    const auto it = keys.find(w[1]);
    if (name == "GETDEL" || name == "GETEX") return Get(keys, it, name == "GETDEL");
    if (it == keys.end()) return name == "RENAME" ? "(error) ERR no such key" : Absent(w, number);
    if (name == "PEXPIRE") return Pexpire(keys, it, std::stoll(w[2]));
    if (name == "PERSIST") return Persist(it->second);
    if (name == "MOVE") return Move(keys, it, number, std::stoul(w[2]));
    return RenameOrCopy(keys, it, w);
  }
  [[nodiscard]] const Keys& keys(size_t number, UnixMs now) {
    now_ = now;
    Forget();
    return databases_[number];
  }

 private:
  static std::string Count(size_t n) { return "(integer) " + std::to_string(n); }
  void Forget() {
    for (Keys& keys : databases_) {
      std::erase_if(keys, [&](const auto& entry) {
        return entry.second.deadline.has_value() && *entry.second.deadline <= now_;
      });
    }
  }
  std::string Swap(size_t a, size_t b) {
    if (a != b) databases_[a].swap(databases_[b]);
    return "OK";
  }
  static std::string Absent(const Words& w, size_t number) {
    const bool same_database = w[0] == "MOVE" && std::stoul(w[2]) == number;
    const bool same_key = w[0] == "COPY" && w[1] == w[2];
    if (same_database || same_key) {
      return "(error) ERR source and destination objects are the same";
    }
    return w[0] == "RENAMENX" ? "(error) ERR no such key" : Count(0);
  }
  std::string Set(Keys& keys, const Words& w) {
    Value& value = keys[w[1]];
    value.text = w[2];
    if (w.size() < 4 || w[3] != "KEEPTTL") value.deadline.reset();
    if (w.size() == 5) value.deadline = now_ + std::stoll(w[4]);
    return "OK";
  }
  static std::string Msetnx(Keys& keys, const Words& w) {
    if (keys.contains(w[1]) || keys.contains(w[3])) return Count(0);
    keys[w[1]] = {w[2], std::nullopt};
    keys[w[3]] = {w[4], std::nullopt};
    return Count(1);
  }
  static std::string Setrange(std::string& text, size_t offset, const std::string& patch) {
    if (text.size() < offset + patch.size()) text.resize(offset + patch.size());
    text.replace(offset, patch.size(), patch);
    return Count(text.size());
  }
  static std::string Incr(Keys& keys, const std::string& key) {
    const auto number =
        keys.contains(key) ? resp::ParseInteger(keys[key].text) : std::optional<int64_t>(0);
    if (!number.has_value()) return "(error) ERR value is not an integer or out of range";
    keys[key].text = std::to_string(*number + 1);
    return "(integer) " + keys[key].text;
  }
  static std::string Incrbyfloat(Keys& keys, const std::string& key, const std::string& by) {
    const auto number = Decimal::Parse(keys.contains(key) ? keys[key].text : "0");
    if (!number.has_value()) return "(error) ERR value is not a valid float";
    keys[key].text = Decimal::Sum(*number, *Decimal::Parse(by)).value();
    return Quoted(keys[key].text);
  }
  std::string Get(Keys& keys, Keys::iterator it, bool remove) {
    if (it == keys.end()) return "(nil)";
    std::string reply = Quoted(it->second.text);
    if (remove) {
      keys.erase(it);
    } else {
      it->second.deadline = now_ + 100;
    }
    return reply;
  }
  std::string Pexpire(Keys& keys, Keys::iterator it, int64_t ms) {
    if (ms <= 0) {
      keys.erase(it);
    } else {
      it->second.deadline = now_ + ms;
    }
    return Count(1);
  }
  static std::string Persist(Value& value) {
    const bool had = value.deadline.has_value();
    value.deadline.reset();
    return Count(had ? 1 : 0);
  }
  std::string Move(Keys& keys, Keys::iterator it, size_t from, size_t to) {
    if (from == to) return "(error) ERR source and destination objects are the same";
    if (databases_[to].contains(it->first)) return Count(0);
    databases_[to].insert(*it);
    keys.erase(it);
    return Count(1);
  }
  static std::string RenameOrCopy(Keys& keys, Keys::iterator it, const Words& w) {
    const bool same = w[1] == w[2];
    if (w[0] == "COPY") {
      if (same) return "(error) ERR source and destination objects are the same";
      keys[w[2]] = Value(it->second);
      return Count(1);
    }
    if (w[0] == "RENAMENX" && keys.contains(w[2])) return Count(0);
    if (!same) {
      const Value moved = it->second;
      keys.erase(it);
      keys[w[2]] = moved;
    }
    return w[0] == "RENAME" ? "OK" : Count(1);
  }

  UnixMs now_ = 0;
  std::array<Keys, 16> databases_;
};

void Compare(Store& store, Model& model) {
  for (uint8_t number = 0; number < 3; ++number) {
    store.SetDatabase(number);
    const auto& keys = model.keys(number, store.now());
    ASSERT_EQ(store.Run({"DBSIZE"}), "(integer) " + std::to_string(keys.size()));
    for (const auto& [key, value] : keys) {
      ASSERT_EQ(store.Run({"GET", key}), Quoted(value.text)) << key;
      ASSERT_EQ(store.Run({"PEXPIRETIME", key}),
                "(integer) " + std::to_string(value.deadline.value_or(-1)))
          << key;
    }
  }
}

TEST(Model, RandomCommandsAgreeWithAMap) {
  for (uint64_t seed = 0; seed < 8; ++seed) {
    Rng rng(seed);
    Store store;
    Model model;
    const uint64_t keys = seed % 2 == 0 ? 12 : 200;
    for (int step = 0; step < 3000; ++step) {
      if (rng.OneIn(1, 10)) store.Advance(rng.Between(0, 80));
      const auto number = static_cast<uint8_t>(rng.OneIn(3, 4) ? 0 : rng.Below(3));
      store.SetDatabase(number);
      const Words words = RandomWrite(rng, keys);
      const std::string expected = model.Run(words, store.now(), number);
      ASSERT_EQ(store.Run(words), expected)
          << "seed " << seed << " step " << step << " " << words[0];
      if (rng.OneIn(1, 300)) {
        store.Pulse();
        Compare(store, model);
        store.Reload();
        Compare(store, model);
        while (store.machine().Housekeep(10)) {
        }
      }
    }
  }
}

}  // namespace
}  // namespace kvorum::store
