// SPDX-License-Identifier: Apache-2.0
//
// What happened to the group, for RAFT EVENTS and for a file: elections, votes, roles, hand-overs,
// snapshots. One JSON object a line, so that the files of all nodes, sorted together, tell an
// outage. Reactor's thread.
#pragma once

#include <deque>
#include <string>

#include "base/ids.h"
#include "base/time.h"
#include "replica/event.h"

namespace kvorum::server {

class EventLog {
 public:
  struct Recorded {
    UnixMs at = 0;
    replica::Event event;
  };

  // The last kEventsKept are kept.
  const Recorded& Add(UnixMs at, replica::Event event);
  // Oldest first.
  [[nodiscard]] const std::deque<Recorded>& recent() const { return recent_; }

  // {"time":"2026-01-31T10:00:00.123Z","node":1,"term":5,"event":"votes","for":2}, no line end.
  [[nodiscard]] static std::string Line(NodeId node, const Recorded& recorded);

 private:
  std::deque<Recorded> recent_;
};

// 2026-01-31T10:00:00.123Z
[[nodiscard]] std::string TimeText(UnixMs at);

}  // namespace kvorum::server
