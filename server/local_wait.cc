// SPDX-License-Identifier: Apache-2.0
//
// WAIT and WAITAOF. Whatever was acknowledged is on the disks of a majority already; these wait for
// more than that.
#include <limits>

#include "server/local_call.h"
#include "server/local_families.h"

namespace kvorum::server {
namespace {

// Other nodes that certainly have everything this node has acknowledged.
size_t CertainFollowers(const Node& node) {
  return node.member().core().configuration().voters.size() / 2;
}

// The deadline of the timeout in argv[at]; 0: never. Nothing: the error was written.
std::optional<Micros> DeadlineArgument(LocalCall& call, size_t at) {
  const auto timeout_ms =
      IntegerArgument(call, at, "ERR timeout is not an integer or out of range");
  if (!timeout_ms) return std::nullopt;
  if (*timeout_ms < 0) {
    call.reply.Error("ERR timeout is negative");
    return std::nullopt;
  }
  const Micros now = call.node.now().boot_us;
  if (*timeout_ms > (std::numeric_limits<Micros>::max() - now) / 1000) {
    call.reply.Error("ERR timeout is out of range");
    return std::nullopt;
  }
  return *timeout_ms == 0 ? 0 : now + *timeout_ms * 1000;
}

void WaitFor(LocalCall& call, size_t wanted, Micros deadline, bool array) {
  const bool leads = call.node.member().core().IsLeader();
  const size_t have = leads ? call.node.FollowersAt(call.session.last_write)
                            : std::min(wanted, CertainFollowers(call.node));
  if (leads && have < wanted) {
    call.node.BeginWait(call.session, wanted, deadline, array, call.mute);
    call.deferred = true;
    return;
  }
  if (array) {
    call.reply.Array(2);
    call.reply.Integer(1);
  }
  call.reply.Integer(static_cast<int64_t>(have));
}

void Wait(LocalCall& call) {
  const std::optional<int64_t> wanted = IntegerArgument(call, 1);
  if (!wanted) return;
  const std::optional<Micros> deadline = DeadlineArgument(call, 2);
  if (!deadline) return;
  WaitFor(call, static_cast<size_t>(std::max<int64_t>(*wanted, 0)), *deadline, false);
}

// The local copy is always there: nothing is acknowledged that is not on this disk or on a
// majority of others.
void Waitaof(LocalCall& call) {
  const std::optional<int64_t> local = IntegerArgument(call, 1);
  if (!local) return;
  if (*local < 0 || *local > 1) {
    return call.reply.Error("ERR value is out of range, must be between 0 and 1");
  }
  const std::optional<int64_t> wanted = IntegerArgument(call, 2);
  if (!wanted) return;
  if (*wanted < 0) return call.reply.Error("ERR value is out of range, must be positive");
  const std::optional<Micros> deadline = DeadlineArgument(call, 3);
  if (!deadline) return;
  WaitFor(call, static_cast<size_t>(*wanted), *deadline, true);
}

constexpr CommandRow kRows[] = {
    {.name = "wait",
     .arity = 3,
     .flags = store::kFlagBlocking,
     .docs = {"Blocks until the asynchronous replication of all preceding write commands sent by "
              "the connection is completed.",
              "3.0.0", "connection", "O(1)"},
     .local = Wait},
    {.name = "waitaof",
     .arity = 4,
     .flags = store::kFlagBlocking | store::kFlagNoScript,
     .docs = {"Blocks until all of the preceding write commands sent by the connection are written "
              "to the append-only file of the master and/or replicas.",
              "7.2.0", "connection", "O(1)"},
     .local = Waitaof},
};
static_assert(store::ValidRows(kRows));

}  // namespace

std::span<const CommandRow> WaitCommands() { return kRows; }

}  // namespace kvorum::server
