// SPDX-License-Identifier: Apache-2.0
//
// Rounds of load and harm. After each one everything is healed, and then it must hold: writes work
// again in bounded time; the round's history is linearizable; every node has the same state; what
// earlier rounds left has not changed; no process has ended that nobody ended; descriptors and
// memory are bounded.
#pragma once

#include <cstdint>
#include <future>
#include <map>
#include <string>
#include <vector>

#include "tests/chaos/arena.h"
#include "tests/chaos/load.h"
#include "tests/chaos/nemesis.h"
#include "tests/chaos/recorder.h"

namespace kvorum::chaos {

struct CampaignOptions {
  std::string server;
  int nodes = 3;
  int seconds = 60;
  uint64_t seed = 1;
  std::vector<Fault> faults;
  bool talkative = false;
  bool keep = false;  // logs, data and histories, though nothing was found
};

class Campaign {
 public:
  explicit Campaign(const CampaignOptions& options);

  // Until the time is over or something is found. True: nothing was.
  bool Run();
  void PrintSummary() const;

 private:
  struct Checked {
    std::string why;  // empty: linearizable
    std::string file;
    Micros took = 0;
  };

  void RunRound(int round);
  bool Settle();
  void CheckHistory(int round, check::History history);
  void CollectCheck();
  void CheckStates(const std::string& prefix);
  void CheckResources();
  void Found(const std::string& what);

  CampaignOptions options_;
  Arena arena_;
  Rng random_;
  Nemesis nemesis_;
  Recorder recorder_;
  std::future<Checked> check_;
  std::map<std::string, std::string> settled_;  // what earlier rounds left
  std::vector<std::string> findings_;
  int rounds_ = 0;
  Micros longest_check_ = 0;
  Micros longest_heal_ = 0;
  uint64_t largest_history_ = 0;
};

}  // namespace kvorum::chaos
