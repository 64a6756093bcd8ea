// SPDX-License-Identifier: Apache-2.0
//
// Is this leader well enough to lead? One that is dead is replaced by an election, and one that
// hears no majority steps down (CheckQuorum, thesis 6.2). What is left are leaders that are sick
// without being dead: everybody waits for them, and nobody votes against them. Two signs, both of
// which the member sees in itself:
//
//   disk   what was given to the disk an election timeout ago is not durable yet
//   loop   turns begin late, again and again: each one's lateness beyond a heartbeat is added up,
//          half an election timeout at most, and a quarter of the time that passes is taken off;
//          an election timeout is too much. One long pause is no sign, four short ones are.
//
// A sick leader hands its leadership to a follower that is well, if there is one.
#pragma once

#include <deque>
#include <optional>
#include <string_view>

#include "base/ids.h"
#include "base/time.h"

namespace kvorum::replica {

class LeaderHealth {
 public:
  enum class Sickness : uint8_t { kNone, kDisk, kLoop };

  explicit LeaderHealth(Micros heartbeat_us) : heartbeat_us_(heartbeat_us) {}

  // A turn begins, or goes on, that was due at `due`; both in boot time. A due time counts once.
  void TurnBegins(Micros now, Micros due, Micros election_timeout_us);
  void Saving(BatchNumber number, Micros now) { saves_.push_back({number, now}); }
  void Persisted(BatchNumber number);

  [[nodiscard]] Sickness Judge(Micros now, Micros election_timeout_us) const;
  // How long the oldest save has been under way; 0: none is.
  [[nodiscard]] Micros disk_waits(Micros now) const;
  [[nodiscard]] Micros starved() const { return starved_us_; }
  // A new judgement of the loop begins.
  void Forgive() { starved_us_ = 0; }

 private:
  struct UnderWay {
    BatchNumber number;
    Micros at;
  };

  Micros heartbeat_us_;
  std::deque<UnderWay> saves_;  // number ascends
  Micros last_turn_ = 0;
  Micros last_due_ = 0;
  Micros starved_us_ = 0;
};

[[nodiscard]] std::string_view NameOf(LeaderHealth::Sickness sickness);

}  // namespace kvorum::replica
