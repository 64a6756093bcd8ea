// SPDX-License-Identifier: Apache-2.0
#include "replica/leader_health.h"

#include <algorithm>
#include <utility>

namespace kvorum::replica {
namespace {

constexpr Micros kLeak = 4;  // of four microseconds that pass one is forgiven

}  // namespace

void LeaderHealth::TurnBegins(Micros now, Micros due, Micros election_timeout_us) {
  if (last_turn_ != 0) starved_us_ = std::max<Micros>(0, starved_us_ - (now - last_turn_) / kLeak);
  last_turn_ = now;
  const Micros late = now - due;
  if (late <= heartbeat_us_ || due == std::exchange(last_due_, due)) return;
  // What the disk has done meanwhile is not known yet.
  for (UnderWay& save : saves_) save.at = std::min(now, save.at + late);
  starved_us_ += std::min(late, election_timeout_us / 2);
}

void LeaderHealth::Persisted(BatchNumber number) {
  while (!saves_.empty() && saves_.front().number <= number) saves_.pop_front();
}

Micros LeaderHealth::disk_waits(Micros now) const {
  return saves_.empty() ? 0 : now - saves_.front().at;
}

LeaderHealth::Sickness LeaderHealth::Judge(Micros now, Micros election_timeout_us) const {
  if (disk_waits(now) > election_timeout_us) return Sickness::kDisk;
  if (starved_us_ > election_timeout_us) return Sickness::kLoop;
  return Sickness::kNone;
}

std::string_view NameOf(LeaderHealth::Sickness sickness) {
  switch (sickness) {
    case LeaderHealth::Sickness::kNone:
      return "none";
    case LeaderHealth::Sickness::kDisk:
      return "disk";
    case LeaderHealth::Sickness::kLoop:
      return "loop";
  }
  return "none";
}

}  // namespace kvorum::replica
