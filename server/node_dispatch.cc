// SPDX-License-Identifier: Apache-2.0
//
// From bytes to decisions: parsing, gates, routes, and the order of replies.
#include <algorithm>
#include <string>
#include <utility>

#include "base/check.h"
#include "server/limits.h"
#include "server/node.h"
#include "store/slot.h"

namespace kvorum::server {
namespace {

std::vector<std::string> Copy(store::Argv argv) { return {argv.begin(), argv.end()}; }

OwnedRequest Own(const Request& request) {
  return {.argv = Copy(request.argv),
          .database = request.database,
          .protocol = request.protocol,
          .mute = request.mute,
          .sequence = request.sequence};
}

}  // namespace

// ---- a session's turn -------------------------------------------------------------------------

void Node::ProcessSessions() {
  std::vector<Session*> sessions;
  sessions.swap(dirty_);
  for (Session* session : sessions) {
    session->dirty = false;
    Process(*session);
  }
}

void Node::Process(Session& session) {
  if (!session.HasWork()) return;
  if (!GoesOn(session)) {
    WaitForLink(session);
    return;
  }
  if (session.stall == Stall::kOrder) session.stall = Stall::kNone;
  session.last_active = now().boot_us;
  size_t budget = kCommandsPerTurn;
  if (ProcessBacklog(session, budget)) ProcessInput(session, budget);
  if (budget == 0) MarkDirty(session);
  WaitForLink(session);
  CloseIfUnlinked(session);
}

// A client that does not read is not served more: its replies would only pile up here. It is looked
// at again when they have left.
bool Node::GoesOn(const Session& session) const {
  return !session.closing && session.stall != Stall::kWait &&
         session.output.size() < config_.output_soft_limit &&
         (session.kind != PortKind::kRemote || TakesReplies(session.remote_node));
}

// A client of this node is looked at again when its output has left; a client of another node has
// none here.
void Node::WaitForLink(Session& session) {
  if (session.kind != PortKind::kRemote || !session.HasWork() || session.in_stalled) return;
  if (!TakesReplies(session.remote_node)) Stalled(session, Stall::kPeer);
}

// True when nothing is left that must come before unparsed input.
bool Node::ProcessBacklog(Session& session, size_t& budget) {
  while (!session.backlog.empty() && budget > 0 && GoesOn(session)) {
    --budget;
    OwnedRequest owned = std::move(session.backlog.front());
    session.backlog.pop_front();
    const std::vector<std::string_view> argv(owned.argv.begin(), owned.argv.end());
    const Request request{argv, owned.database, owned.protocol, owned.mute, owned.sequence};
    const Verdict verdict =
        owned.argv.empty() ? Deliver(session, request, owned.reply) : Dispatch(session, request);
    if (verdict == Verdict::kDone) continue;
    const bool dirty = std::exchange(session.dirty, true);  // back in its place, not in the list
    PutBack(session, std::move(owned));
    session.dirty = dirty;
    return false;
  }
  return session.backlog.empty();
}

void Node::ProcessInput(Session& session, size_t& budget) {
  while (budget > 0 && GoesOn(session) && session.parsed < session.input.size()) {
    --budget;
    const resp::ParseResult result = session.parser.Next(session.Unparsed());
    session.parsed += result.consumed;
    if (result.kind == resp::ParseResult::Kind::kNeedMore) break;
    if (result.kind != resp::ParseResult::Kind::kCommand) {
      ProtocolError(session, result);
      break;
    }
    const bool mute = session.reply_mode != ReplyMode::kOn;
    if (session.reply_mode == ReplyMode::kSkip) session.reply_mode = ReplyMode::kOn;
    const Request request{result.argv, session.database, session.protocol, mute,
                          ++session.last_sequence};
    if (Dispatch(session, request) == Verdict::kDone) continue;
    session.backlog.push_back(Own(request));
    break;
  }
  // What was executed leaves the buffer; moving the rest is cheap when it is small.
  if (session.parsed == session.input.size()) {
    session.input.clear();
    session.parsed = 0;
  } else if (session.parsed > session.input.size() / 2) {
    session.input.erase(0, session.parsed);
    session.parsed = 0;
  }
}

void Node::ProtocolError(Session& session, const resp::ParseResult& result) {
  stats_.protocol_errors.Add();
  session.parsed = session.input.size();
  if (result.kind == resp::ParseResult::Kind::kForeign) {
    seams_.host.Log(Host::Level::kWarning,
                    "Possible SECURITY ATTACK detected. It looks like somebody is sending " +
                        std::string(result.error) + " to Kvorum. Connection aborted.");
    Kill(session);
    return;
  }
  Request request{.protocol = session.protocol, .sequence = ++session.last_sequence};
  std::string bytes;
  resp::Reply(&bytes, session.protocol).Error("ERR " + std::string(result.error));
  if (Deliver(session, request, bytes) == Verdict::kStalled) {
    OwnedRequest owned = Own(request);
    owned.reply = std::move(bytes);
    session.backlog.push_back(std::move(owned));
    // The rest of the stream is not read any more: only the owed replies are.
    session.stall = Stall::kOrder;
    session.parse_failed = true;
    return;
  }
  session.closing = true;
  MarkOutput(session);
}

// ---- routing ----------------------------------------------------------------------------------

Node::Verdict Node::Dispatch(Session& session, const Request& request) {
  if (session.kind == PortKind::kRemote && session.remote_term != member_.core().term()) {
    RefuseRemote(session, request.sequence);
    return Verdict::kDone;
  }
  std::string error;
  resp::Reply reply(&error, request.protocol);
  const store::CommandRow* row = index_.Resolve(request.argv, reply);
  if (row == nullptr) return Deliver(session, request, error);
  session.last_command = row;
  if (const char* refusal = Gate(session, *row)) {
    StatsFor(*row).rejected.Add();
    return Refuse(session, request, refusal);
  }
  // Which level is in force, the leader decides.
  if (row->check != nullptr && !row->check(request.argv, machine_.options().level_known, reply)) {
    return Deliver(session, request, error);
  }
  stats_.commands.Add();
  Verdict verdict = Verdict::kDone;
  switch (row->route) {
    case store::Route::kLocal:
      verdict = RunLocal(session, request, *row);
      break;
    case store::Route::kRead:
      verdict = RunRead(session, request, *row);
      break;
    case store::Route::kWrite:
      verdict = RunWrite(session, request, *row);
      break;
  }
  if (verdict == Verdict::kDone) StatsFor(*row).calls.Add();
  return verdict;
}

// All reasons to refuse a command before it is looked at more closely. One exit: the error text.
const char* Node::Gate(const Session& session, const store::CommandRow& row) const {
  if (!session.authenticated && !row.Has(store::kFlagNoAuth)) {
    return "NOAUTH Authentication required.";
  }
  if (!member_.core().IsLeader()) return nullptr;  // the leader decides the rest
  if (row.Has(store::kFlagDenyOom) && config_.maxmemory != 0 &&
      machine_.MemoryBytes() > config_.maxmemory) {
    return "OOM command not allowed when used memory > 'maxmemory'.";
  }
  if (row.route == store::Route::kWrite && disk_full_ && row.Has(store::kFlagDenyOom)) {
    return "MISCONF Errors writing to the AOF file: No space left on device";
  }
  return nullptr;
}

Node::Order Node::OrderOf(const Session& session) const {
  if (!session.Owed()) return Order::kDirect;
  const bool all_in_open_batch = session.reads == 0 && session.forwards == 0 &&
                                 session.open_writes == session.writes && session.batch == open_.id;
  return all_in_open_batch ? Order::kRide : Order::kWait;
}

Node::Verdict Node::Stalled(Session& session, Stall why) {
  session.stall = why;
  if (why != Stall::kOrder && !session.in_stalled) {
    session.in_stalled = true;
    stalled_.push_back(&session);
  }
  return Verdict::kStalled;
}

Node::Verdict Node::Deliver(Session& session, const Request& request, std::string_view bytes) {
  switch (OrderOf(session)) {
    case Order::kDirect:
      if (!request.mute) session.output.append(bytes);
      EndReply(session, request.sequence);
      break;
    case Order::kRide:
      AddWaiter(session, request, Waiter::Kind::kBytes).bytes = bytes;
      break;
    case Order::kWait:
      return Stalled(session, Stall::kOrder);
  }
  if (session.parse_failed) session.closing = true;
  return Verdict::kDone;
}

Node::Verdict Node::Refuse(Session& session, const Request& request, std::string_view error) {
  std::string bytes;
  resp::Reply(&bytes, request.protocol).Error(error);
  return Deliver(session, request, bytes);
}

Node::Verdict Node::RunLocal(Session& session, const Request& request,
                             const store::CommandRow& row) {
  const Order order = OrderOf(session);
  const bool alone = row.Has(store::kFlagBlocking);
  if (order == Order::kWait || (alone && order != Order::kDirect)) {
    return Stalled(session, Stall::kOrder);
  }
  std::string bytes;
  resp::Reply reply(&bytes, request.protocol);
  const ReplyMode mode = session.reply_mode;
  store::LocalCall call{*this, session, request.argv, row, reply, request.sequence, request.mute};
  const Micros started = seams_.stopwatch.Read();
  row.local(call);
  StatsFor(row).us.Observe(seams_.stopwatch.Read() - started);
  if (call.deferred) return Verdict::kDone;
  if (!call.carry_as.empty()) {
    const std::vector<std::string_view> argv(call.carry_as.begin(), call.carry_as.end());
    return Elsewhere(
        session, {argv, request.database, request.protocol, request.mute, request.sequence}, row);
  }
  Request answered = request;
  if (session.reply_mode != mode) answered.mute = session.reply_mode != ReplyMode::kOn;
  if (call.unmute) answered.mute = false;
  // QUIT and its like end the session, but their reply is still owed.
  const bool closing = std::exchange(session.closing, false);
  Deliver(session, answered, bytes);
  session.closing = closing;
  if (closing) MarkOutput(session);
  return Verdict::kDone;
}

void Node::ExecuteRead(Session& session, const Request& request, const store::CommandRow& row,
                       Position position) {
  // Reads that ride behind a write are run one after another, and nobody has looked at the output
  // since the requests were taken up.
  if (session.output.size() > config_.output_hard_limit) {
    Kill(session);
    return;
  }
  resp::Reply reply =
      request.mute ? resp::Reply::Discard() : resp::Reply(&session.output, request.protocol);
  machine_.Read(row, request.argv, request.database, now().wall_ms, reply);
  session.position = position;
  EndReply(session, request.sequence);
}

Node::Verdict Node::RunReadHere(Session& session, const Request& request,
                                const store::CommandRow& row) {
  const Micros started = seams_.stopwatch.Read();
  ExecuteRead(session, request, row, {machine_.applied()});
  StatsFor(row).us.Observe(seams_.stopwatch.Read() - started);
  return Verdict::kDone;
}

Node::Verdict Node::RunRead(Session& session, const Request& request,
                            const store::CommandRow& row) {
  const Order order = OrderOf(session);
  if (order == Order::kRide) {
    Waiter& waiter = AddWaiter(session, request, Waiter::Kind::kRead);
    waiter.row = &row;
    waiter.argv = Copy(request.argv);
    return Verdict::kDone;
  }
  if (!member_.core().IsLeader()) {
    if (session.readonly && row.keys.first != 0 && !Removed()) {
      return order == Order::kDirect ? RunReadHere(session, request, row)
                                     : Stalled(session, Stall::kOrder);
    }
    const bool redirects = session.kind == PortKind::kCluster && row.keys.first != 0;
    if (redirects || session.kind == PortKind::kRemote || Removed()) {
      return Elsewhere(session, request, row);
    }
  }
  if (session.writes > 0 || session.forwards > 0) return Stalled(session, Stall::kOrder);
  const replica::ReadStart start = member_.StartRead();
  if (std::holds_alternative<replica::ReadNow>(start)) {
    if (session.reads > 0) return Stalled(session, Stall::kOrder);
    return RunReadHere(session, request, row);
  }
  const auto* later = std::get_if<replica::ReadLater>(&start);
  if (later == nullptr) return Elsewhere(session, request, row);
  ++session.reads;
  reads_.push_back({later->ticket, &session, &row, Own(request), now().boot_us});
  return Verdict::kDone;
}

Node::Verdict Node::RunWrite(Session& session, const Request& request,
                             const store::CommandRow& row) {
  const raft::Core& core = member_.core();
  if (!core.IsLeader() || core.IsTransferring()) return Elsewhere(session, request, row);
  if (session.reads > 0 || session.forwards > 0 ||
      (session.writes > 0 && session.writes_term != core.term())) {
    return Stalled(session, Stall::kOrder);
  }
  if (machine_.feature_level() < machine_.options().level_known && row.check != nullptr) {
    std::string error;
    resp::Reply reply(&error, request.protocol);
    if (!row.check(request.argv, machine_.feature_level(), reply)) {
      // What another leader has raised may not be applied here yet: looked at again next turn.
      if (!member_.KnowsFeatureLevel()) return Stalled(session, Stall::kRoom);
      return Deliver(session, request, error);
    }
  }
  if (writer_.bytes() >= kBatchBytes) ProposeOpenBatch();
  if (!room_) return Stalled(session, Stall::kRoom);
  store::Origin origin;
  if (session.kind == PortKind::kRemote) {
    origin = {session.remote_node, session.remote_start, request.sequence};
  }
  Waiter& waiter = AddWaiter(session, request, Waiter::Kind::kWrite);
  waiter.command = writer_.count();
  waiter.row = &row;
  writer_.Add(row.opcode, request.database, session.kind == PortKind::kRemote ? &origin : nullptr,
              request.argv);
  ++session.writes;
  session.open_writes = session.batch == open_.id ? session.open_writes + 1 : 1;
  session.batch = open_.id;
  session.writes_term = core.term();
  return Verdict::kDone;
}

// This node cannot serve it: another one can, or nobody for now.
Node::Verdict Node::Elsewhere(Session& session, const Request& request,
                              const store::CommandRow& row) {
  const raft::Core& core = member_.core();
  if (session.kind == PortKind::kRemote) {
    if (core.IsLeader()) return Park(session, request);  // handing over: soon it is known to whom
    RefuseRemote(session, request.sequence);
    return Verdict::kDone;
  }
  const NodeId leader = core.leader();
  if (leader == NodeId() || core.IsLeader()) return Park(session, request);
  if (session.kind == PortKind::kCluster && row.keys.first != 0) {
    store::KeyList keys;
    store::KeysOf(row, request.argv, keys);
    const Address address = AddressOf(leader);
    // A node that joins may hear the leader before it hears where that is.
    if (address.host.empty()) return Park(session, request);
    stats_.redirected.Add();
    PayRedirect(session);
    return Refuse(session, request,
                  "MOVED " + std::to_string(keys.empty() ? 0 : store::SlotOf(keys.front())) + " " +
                      address.host + ":" + std::to_string(address.port));
  }
  const bool write = row.route == store::Route::kWrite;
  const bool alike = session.forwards == 0 ||
                     (session.forwards_write == write && session.forwards_term == core.term());
  if (session.writes > 0 || session.reads > 0 || !alike ||
      session.forwards >= ForwardsAllowed(session)) {
    return Stalled(session, Stall::kOrder);
  }
  if (carrier_.Refused(core.term())) return Park(session, request);
  stats_.forwarded.Add();
  carrier_.Carry(session, request, write, leader, core.term(), now().boot_us);
  return Verdict::kDone;
}

// No leader: the command has not been proposed, so waiting for one is safe, and shorter than what a
// client does when it is told.
Node::Verdict Node::Park(Session& session, const Request& request) {
  if (session.Owed()) return Stalled(session, Stall::kOrder);
  // What was carried here waits where it came from, too, and its client is told there.
  const bool timed = session.kind != PortKind::kRemote;
  if (timed && session.parked_at == 0) session.parked_at = now().boot_us;
  if (timed &&
      now().boot_us - session.parked_at >= Micros{config_.election_park_timeout_ms} * 1000) {
    stats_.park_timeouts.Add();
    return Refuse(session, request, kClusterDown);
  }
  if (Removed()) {  // for good: its client is better off elsewhere
    stats_.park_timeouts.Add();
    const Verdict verdict = Refuse(session, request, kRemoved);
    if (verdict == Verdict::kDone) {
      session.closing = true;
      MarkOutput(session);
    }
    return verdict;
  }
  if (session.stall != Stall::kParked) {
    stats_.parked.Add(1);
    stats_.parked_total.Add();
  }
  return Stalled(session, Stall::kParked);
}

CommandStats& Node::StatsFor(const store::CommandRow& row) {
  return *command_stats_.find(&row)->second;
}

}  // namespace kvorum::server
