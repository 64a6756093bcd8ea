// SPDX-License-Identifier: Apache-2.0
#include "tests/chaos/load.h"

#include <chrono>

namespace kvorum::chaos {
namespace {

constexpr int kKeysOfGroup = 3;
constexpr int kFillerKeys = 24;
constexpr size_t kFillerBytes = 8192;

void Pause(Rng& random, int most_ms) {
  const auto us = random.Below(static_cast<uint64_t>(most_ms) * 1000 + 1);
  std::this_thread::sleep_for(std::chrono::microseconds(us));
}

// Longer than an outage most of the time; now and then a client that soon loses patience.
int PatienceMs(Rng& random) {
  return static_cast<int>(random.OneIn(1, 5) ? random.Between(100, 800)
                                             : random.Between(2000, 7000));
}

}  // namespace

Load::Load(const e2e::TestCluster& cluster, Recorder& recorder, const LoadShape& shape,
           uint64_t seed)
    : cluster_(cluster), recorder_(recorder), shape_(shape) {
  Rng random(seed);
  for (int i = 1; i <= shape_.clients; ++i) {
    threads_.emplace_back([this, i, own = random.Next()] { Run(i, own); });
  }
  if (shape_.filler) threads_.emplace_back([this, own = random.Next()] { Fill(own); });
}

Load::~Load() { Stop(); }

void Load::Stop() {
  stop_ = true;
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

std::vector<std::string> Load::KeysOf(int group) const {
  std::vector<std::string> keys;
  keys.reserve(kKeysOfGroup);
  for (int i = 0; i < kKeysOfGroup; ++i) {
    keys.push_back(shape_.prefix + ":" + std::to_string(group) + static_cast<char>('a' + i));
  }
  return keys;
}

std::vector<std::string> Load::Keys() const {
  std::vector<std::string> all;
  for (int group = 0; group < shape_.groups; ++group) {
    for (std::string& key : KeysOf(group)) all.push_back(std::move(key));
  }
  return all;
}

void Load::Run(int number, uint64_t seed) {
  Rng random(seed);
  const Door door = number % 2 == 0 ? Door::kProxy : Door::kCluster;
  Client client(cluster_, recorder_, number, door, random.Next());
  uint64_t serial = 0;
  while (!stop_) {
    std::vector<Argv> pipeline;
    const uint64_t depth = random.OneIn(1, 8) ? 2 + random.Below(6) : 1;
    while (pipeline.size() < depth) pipeline.push_back(Next(random, number, &serial));
    client.Do(pipeline, PatienceMs(random));
    if (random.OneIn(1, 60)) client.Choose(1 + static_cast<int>(random.Below(cluster_.size())));
    Pause(random, shape_.pause_ms);
  }
}

void Load::Fill(uint64_t seed) {
  Rng random(seed);
  Client client(cluster_, unchecked_, 0, Door::kProxy, random.Next());
  while (!stop_) {
    const std::string key = "filler:" + std::to_string(random.Below(kFillerKeys));
    const auto letter = static_cast<char>('a' + random.Below(26));
    client.Do({{"SET", key, std::string(kFillerBytes, letter)}}, 2000);
    Pause(random, shape_.pause_ms);
  }
}

Argv Load::Next(Rng& random, int number, uint64_t* serial) const {
  const auto group = static_cast<int>(random.Below(static_cast<uint64_t>(shape_.groups)));
  const std::vector<std::string> keys = KeysOf(group);
  const std::string value = "v" + std::to_string(number) + "." + std::to_string(++*serial) + ";";
  // The last key of a group is a counter most of the time.
  const std::string& counter = keys.back();
  const std::string& key = keys[random.Below(keys.size())];
  const uint64_t dice = random.Below(100);
  if (dice < 26) return {"GET", key};
  if (dice < 38) return {"SET", key, value};
  if (dice < 50) return {"INCR", counter};
  if (dice < 53) return {"INCRBY", counter, std::to_string(random.Between(-50, 50))};
  if (dice < 55) return {"DECR", counter};
  if (dice < 64) return {"APPEND", key, value};
  if (dice < 68) return {"DEL", key};
  if (dice < 72) return {"GETSET", key, value};
  if (dice < 76) return {"SETNX", key, value};
  if (dice < 78) return {"GETDEL", key};
  if (dice < 80) return {"SET", key, value, random.OneIn(1, 2) ? "XX" : "NX", "GET"};
  if (dice < 81) return {"SETRANGE", key, "2", value};
  if (dice < 83) return {"STRLEN", key};
  if (dice < 84) return {"GETRANGE", key, "0", "5"};
  return NextOfSeveral(random, keys, value);
}

Argv Load::NextOfSeveral(Rng& random, const std::vector<std::string>& keys,
                         const std::string& value) const {
  const std::string& a = keys[random.Below(keys.size())];
  const std::string& b = keys[random.Below(keys.size())];
  const uint64_t dice = random.Below(16);
  if (dice < 4) return {"MGET", keys[0], keys[1], keys[2]};
  if (dice < 7) return {"MSET", a, value + "1", b, value + "2"};
  if (dice < 8) return {"MSETNX", a, value + "1", b, value + "2"};
  if (dice < 10) return {"RENAME", a, b};
  if (dice < 11) return {"RENAMENX", a, b};
  if (dice < 13) return {"COPY", a, b, "REPLACE"};
  if (dice < 14) return {"EXISTS", keys[0], keys[1], keys[2]};
  return {"DEL", keys[0], keys[1], keys[2]};
}

}  // namespace kvorum::chaos
