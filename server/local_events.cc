// SPDX-License-Identifier: Apache-2.0
//
// RAFT EVENTS: what happened to the group lately, as this member saw it.
#include <algorithm>
#include <optional>
#include <string>

#include "server/event_log.h"
#include "server/limits.h"
#include "server/local_call.h"
#include "server/local_subcommands.h"

namespace kvorum::server {

void RaftEvents(LocalCall& call) {
  const std::optional<size_t> most = CountArgument(call, kEventsDefault, kEventsKept);
  if (!most) return;
  const std::deque<EventLog::Recorded>& events = call.node.events().recent();
  const size_t count = std::min(events.size(), *most);
  resp::Reply& reply = call.reply;
  reply.Array(count);
  for (size_t i = events.size() - count; i < events.size(); ++i) {
    const replica::Event& event = events[i].event;
    reply.Map(3 + event.details.size());
    reply.Bulk("time");
    reply.Bulk(TimeText(events[i].at));
    reply.Bulk("term");
    reply.Integer(static_cast<int64_t>(event.term.value()));
    reply.Bulk("event");
    reply.Bulk(event.name);
    for (const auto& [name, value] : event.details) {
      reply.Bulk(name);
      if (const auto* number = std::get_if<uint64_t>(&value)) {
        reply.Integer(static_cast<int64_t>(*number));
      } else {
        reply.Bulk(std::get<std::string>(value));
      }
    }
  }
}

}  // namespace kvorum::server
