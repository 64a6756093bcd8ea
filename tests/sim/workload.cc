// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/workload.h"

#include "tests/model/draw_command.h"

namespace kvorum::sim {
namespace {

using Words = std::vector<std::string>;

class Draw {
 public:
  Draw(Rng& rng, int keys, const std::string& unique) : rng_(rng), keys_(keys), unique_(unique) {}

  Words Counter() {
    const uint64_t dice = rng_.Below(100);
    if (dice < 60) return {"INCR", "counter"};
    if (dice < 70) return {"DECRBY", "counter", std::to_string(rng_.Below(5))};
    return {"GET", "counter"};
  }

  Words OneKey() {
    const std::string key = Key();
    const uint64_t dice = rng_.Below(100);
    if (dice < 40) return {"GET", key};
    if (dice < 65) return {"SET", key, unique_};
    if (dice < 77) return {"APPEND", key, unique_};
    if (dice < 82) return {"DEL", key};
    if (dice < 86) return {"GETSET", key, unique_};
    if (dice < 90) return {"SETNX", key, unique_};
    if (dice < 93) return {"SET", key, unique_, "XX", "GET"};
    if (dice < 95) return {"GETDEL", key};
    if (dice < 98) return Flag();
    return {"STRLEN", key};
  }

  // Of the newest feature level: where two releases would part, if they did not agree on one.
  Words Flag() {
    const auto side = [this] { return std::string(rng_.OneIn(1, 2) ? "left" : "right"); };
    if (rng_.OneIn(1, 5)) return {"SET", "flag", side()};
    if (rng_.OneIn(1, 5)) return {"GET", "flag"};
    return {"SET", "flag", side(), "IFEQ", side()};
  }

  Words ManyKeys() {
    const uint64_t dice = rng_.Below(100);
    if (dice < 25) return {"MSET", Key(), unique_ + "1;", Key(), unique_ + "2;"};
    if (dice < 60) return {"MGET", Key(), Key(), Key()};
    if (dice < 70) return {"DEL", Key(), Key()};
    if (dice < 80) return {"RENAME", Key(), Key()};
    if (dice < 90) return {"COPY", Key(), Key(), "REPLACE"};
    return {"MSETNX", Key(), unique_ + "1;", Key(), unique_ + "2;"};
  }

  Words Expiring() {
    const std::string key = "ttl" + std::to_string(rng_.Below(2));
    const std::string ms = std::to_string(rng_.Between(1, 1500));
    switch (rng_.Below(9)) {
      case 0:
      case 1:
        return {"SET", key, unique_, "PX", ms};
      case 2:
        return {"PEXPIRE", key, ms};
      case 3:
        return {"PERSIST", key};
      case 4:
        return {"PTTL", key};
      case 5:
        return {"GETEX", key, "PX", ms};
      case 6:
        return {"SET", key, unique_, "KEEPTTL"};
      default:
        return {"GET", key};
    }
  }

 private:
  std::string Key() { return "key" + std::to_string(rng_.Below(static_cast<uint64_t>(keys_))); }

  Rng& rng_;
  int keys_;
  const std::string& unique_;
};

class StreamChoices final : public model::Choices {
 public:
  explicit StreamChoices(Rng& rng) : rng_(rng) {}
  uint64_t Below(uint64_t bound) override { return rng_.Below(bound); }

 private:
  Rng& rng_;
};

Words Wild(Rng& rng) {
  StreamChoices choices(rng);
  Words words = model::DrawCommand(choices);
  for (char& c : words.front()) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return words;
}

}  // namespace

Words DrawOperation(Rng& rng, Mix mix, int keys, const std::string& unique) {
  Draw draw(rng, keys, unique);
  if (mix == Mix::kWild && rng.OneIn(2, 3)) return Wild(rng);
  if (mix != Mix::kPlain && rng.OneIn(1, 3)) return draw.Expiring();
  const uint64_t dice = rng.Below(100);
  if (dice < 25) return draw.Counter();
  return dice < 85 ? draw.OneKey() : draw.ManyKeys();
}

}  // namespace kvorum::sim
