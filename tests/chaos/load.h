// SPDX-License-Identifier: Apache-2.0
//
// The clients of one round: some through `port`, some through `proxy-port`, on keys of this round
// alone, so that the round's history can be checked by itself. Keys come in groups of a few;
// commands on several keys stay within a group, so that groups can be checked one by one.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "tests/chaos/client.h"
#include "tests/chaos/recorder.h"

namespace kvorum::chaos {

struct LoadShape {
  int clients = 8;
  int groups = 6;
  int pause_ms = 12;   // at most, between two requests of a client
  bool filler = true;  // one more client that writes large values, for snapshots' sake
  std::string prefix;  // of this round's keys
};

class Load {
 public:
  Load(const e2e::TestCluster& cluster, Recorder& recorder, const LoadShape& shape, uint64_t seed);
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  void Stop();
  [[nodiscard]] std::vector<std::string> Keys() const;

 private:
  void Run(int number, uint64_t seed);
  void Fill(uint64_t seed);
  Argv Next(Rng& random, int number, uint64_t* serial) const;
  Argv NextOfSeveral(Rng& random, const std::vector<std::string>& keys,
                     const std::string& value) const;
  [[nodiscard]] std::vector<std::string> KeysOf(int group) const;

  const e2e::TestCluster& cluster_;
  Recorder& recorder_;
  Recorder unchecked_;  // of the filler
  LoadShape shape_;
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};

}  // namespace kvorum::chaos
