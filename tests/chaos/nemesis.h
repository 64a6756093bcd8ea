// SPDX-License-Identifier: Apache-2.0
//
// What goes wrong, drawn from a seed: each kind of fault is a family of shapes, begins at a random
// moment, lasts a random time and overlaps with others. Nothing here knows what clients do.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/rng.h"
#include "base/time.h"
#include "tests/chaos/arena.h"

namespace kvorum::chaos {

enum class Fault : uint8_t {
  kKill,     // kill -9 of the leader, of one, of some, of all; at a moment or at a call to the disk
  kPower,    // the same, and what was not synced is gone, or some of it
  kStop,     // SIGSTOP, SIGCONT
  kRestart,  // SIGTERM one after the other
  kPartition,  // every shape
  kReset,      // links are reset, in the middle of a frame too, or refused for a while
  kSlowLink,   // delay, jitter, little bandwidth
  kDisk,       // slow, failing, full
  kClock,      // the wall clock jumps
  kMembers,  // one is removed, living or dead, and another one joins in its place. Those who joined
             // are reached past the proxies, so what goes wrong with links passes them by
};

inline constexpr Fault kAllFaults[] = {Fault::kKill,     Fault::kPower,     Fault::kStop,
                                       Fault::kRestart,  Fault::kPartition, Fault::kReset,
                                       Fault::kSlowLink, Fault::kDisk,      Fault::kClock};
// "churn": members come and go, and processes, disks and clocks fail.
inline constexpr Fault kMemberFaults[] = {Fault::kMembers, Fault::kMembers, Fault::kMembers,
                                          Fault::kKill,    Fault::kPower,   Fault::kStop,
                                          Fault::kRestart, Fault::kDisk,    Fault::kClock};

std::string NameOf(Fault fault);
// "kill,power", "all" (but members) or "churn"; nothing when a word is none of them.
std::optional<std::vector<Fault>> ParseFaults(const std::string& text);

class Nemesis {
 public:
  Nemesis(Arena& arena, std::vector<Fault> faults, uint64_t seed, bool talkative);

  // Does harm for so long. Returns what was found that no fault explains.
  std::vector<std::string> Run(Micros duration);
  // Undoes all of it; every node is started. Returns the same.
  std::vector<std::string> Heal();

  [[nodiscard]] const std::map<std::string, uint64_t>& counts() const { return counts_; }

 private:
  struct Active {
    Micros until;
    std::function<void()> end;
  };

  void Begin(Fault fault);
  void BeginKill();
  void BeginPower();
  void BeginStop();
  void BeginRestart();
  void BeginPartition();
  void BeginReset();
  void BeginSlowLink();
  void BeginDisk();
  void BeginClock();
  void BeginMembers();
  void SettleMembers();
  void Flap();
  void Shape(int shape);
  void Say(const std::string& what);
  // Calls `end` after a random time.
  void During(Micros least, Micros most, std::function<void()> end);
  void StartLater(const std::vector<int>& nodes);
  void EndDue(Micros now);
  void Look();

  [[nodiscard]] int AnyNode();
  [[nodiscard]] int LeaderOrAny();
  // One node (often the leader), a minority, or all of them.
  [[nodiscard]] std::vector<int> Victims();
  // All nodes in random order.
  [[nodiscard]] std::vector<int> Shuffled();

  Arena& arena_;
  std::vector<Fault> faults_;
  Rng random_;
  bool talkative_;
  std::vector<Active> active_;
  std::set<int> unsettled_;  // seats whose member may be removed, or not taken in
  std::vector<std::string> findings_;
  std::map<std::string, uint64_t> counts_;
};

}  // namespace kvorum::chaos
