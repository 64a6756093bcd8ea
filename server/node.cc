// SPDX-License-Identifier: Apache-2.0
#include "server/node.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "server/batch_sink.h"
#include "server/cluster_nodes.h"
#include "server/limits.h"
#include "server/local_families.h"
#include "store/families.h"

namespace kvorum::server {
namespace {

constexpr std::string_view kInDoubt =
    "INDOUBT the outcome of this write is not known: it may or may not have been applied";

replica::Options MemberOptions(const Config& config, uint64_t start, uint64_t seed) {
  replica::Options options;
  options.raft.id = config.node_id;
  options.raft.bootstrap = BootstrapOf(config);
  options.raft.election_timeout_us = Micros{config.election_timeout_ms} * 1000;
  options.raft.election_timeout_most_us = Micros{ElectionTimeoutMostMs(config)} * 1000;
  options.raft.heartbeat_us = Micros{config.heartbeat_interval_ms} * 1000;
  options.raft.lease_us = Micros{config.lease_duration_ms} * 1000;
  options.raft.clock_drift_percent = static_cast<int>(config.clock_drift_percent);
  options.raft.priority = static_cast<uint8_t>(config.leader_priority);
  options.raft.seed = seed;
  options.life = start;
  options.lease_reads = config.lease_reads;
  options.snapshot_log_bytes = config.snapshot_log_bytes;
  options.snapshot_log_percent = config.snapshot_log_percentage;
  options.snapshot_log_entries = config.snapshot_log_entries;
  options.snapshot_rate = config.snapshot_rate;
  options.keep_log_bytes = config.keep_log_bytes;
  options.indoubt_timeout_us = Micros{config.indoubt_timeout_ms} * 1000;
  return options;
}

}  // namespace

Node::Node(Config& config, raft::Restart restart, store::Machine& machine,
           disk::SnapshotStore& snapshots, const NodeSeams& seams, uint64_t start, uint64_t seed,
           Now now)
    : config_(config),
      machine_(machine),
      seams_(seams),
      rng_(seed),
      started_at_(now.boot_us),
      sink_(std::make_unique<BatchSink>(*this)),
      carrier_(*this, seams.wire, config.node_id, start),
      watch_(*this, seams.wire, config.node_id),
      member_(MemberOptions(config, start, seed), std::move(restart), machine, snapshots,
              {seams.disk, *this, seams.background, *this, seams.stopwatch}, now) {
  for (const std::span<const store::CommandRow> family : store::StoreFamilies()) index_.Add(family);
  index_.AddLogOnly(store::LogOnlyCommands());
  for (const std::span<const store::CommandRow> family : LocalFamilies()) index_.Add(family);
  // All of them now: the exporter walks this map from its own thread.
  for (const store::CommandRow* row : index_.rows()) {
    command_stats_.emplace(row, std::make_unique<CommandStats>());
    for (const store::CommandRow& subcommand : row->subcommands()) {
      command_stats_.emplace(&subcommand, std::make_unique<CommandStats>());
    }
  }
  open_.id = 1;
  member_.SetFeatureCan(FeatureCan());
  LearnPlaces();
  NoticeMembership();
}

Node::~Node() = default;

// ---- a turn -----------------------------------------------------------------------------------

// A clock that was read earlier says nothing new.
void Node::TellTime(Now time) {
  if (time.boot_us >= member_.now().boot_us) member_.BeginTurn(time);
}

void Node::BeginTurn(Now time) {
  TellTime(time);
  turn_bytes_ = 0;
  room_ = member_.core().uncommitted_bytes() < raft::kMaxUncommittedBytes / 2;
  if (room_) Unstall(Stall::kRoom);
  Unstall(Stall::kPeer);
}

void Node::EndTurn(Now time) {
  TellTime(time);
  UnparkExpired();
  ProcessSessions();
  ProposeOpenBatch();
  carrier_.Send();
  TellFeature();
  member_.EndTurn();
  carrier_.Expire(now().boot_us, Micros{config_.indoubt_timeout_ms} * 1000);
  CheckWaits();
  CheckTransfers();
  NoticeMembership();
  CheckChanges();
  SendRemoteReplies();
  CollectGarbage();
}

Micros Node::NextWakeup() const {
  Micros next = std::min(member_.NextWakeup(),
                         carrier_.NextExpiry(Micros{config_.indoubt_timeout_ms} * 1000));
  next = std::min(next, NextFeatureTelling());
  for (const Session* session : stalled_) {
    if (session->parked_at == 0) continue;
    next = std::min(next, session->parked_at + Micros{config_.election_park_timeout_ms} * 1000);
  }
  for (const WaitingClient& wait : waits_) {
    if (wait.deadline != 0) next = std::min(next, wait.deadline);
  }
  for (const WaitingTransfer& wait : transfers_) next = std::min(next, wait.deadline);
  for (const WaitingChange& wait : changes_) next = std::min(next, wait.deadline);
  return next;
}

void Node::Flush(const std::function<void(Session&)>& flush) {
  std::vector<Session*> outputs;
  outputs.swap(outputs_);
  for (Session* session : outputs) {
    session->has_output = false;
    flush(*session);
  }
}

// ---- sessions ---------------------------------------------------------------------------------

Session* Node::Open(PortKind kind) {
  auto session = std::make_unique<Session>();
  session->id = ++last_session_;
  session->kind = kind;
  session->opened_at = now().boot_us;
  session->last_active = now().boot_us;
  session->authenticated = config_.requirepass.empty() || kind == PortKind::kRemote;
  resp::ParserLimits limits;
  limits.max_bulk_bytes = config_.proto_max_bulk_len;
  limits.max_argument_bytes_total = std::max(resp::kDefaultRequestBytes, 2 * limits.max_bulk_bytes);
  limits.authenticated = session->authenticated;
  session->parser.SetLimits(limits);
  Session* raw = session.get();
  sessions_.emplace(raw->id, std::move(session));
  if (kind != PortKind::kRemote) {
    stats_.connections.Add(1);
    stats_.connections_total.Add();
  }
  return raw;
}

void Node::Touch(Session* session) {
  if (session->HasWork()) MarkDirty(*session);
}

void Node::MarkDirty(Session& session) {
  if (session.dirty || session.closed) return;
  session.dirty = true;
  dirty_.push_back(&session);
}

void Node::MarkOutput(Session& session) {
  if (session.has_output || session.kind == PortKind::kRemote) return;
  session.has_output = true;
  outputs_.push_back(&session);
}

void Node::Closed(Session* session) {
  if (session->closed) return;
  session->closed = true;
  PayRedirect(*session);
  if (session->kind == PortKind::kRemote) {
    remotes_.erase({session->remote_node, session->remote_client});
  } else {
    stats_.connections.Add(-1);
    if (session->kind == PortKind::kProxy || session->forwards > 0) carrier_.Forget(*session);
  }
  graves_.push_back(session);
}

void Node::Kill(Session& session) {
  session.closing = true;
  session.kill_now = true;
  MarkOutput(session);
}

void Node::CollectGarbage() {
  std::erase_if(graves_, [this](Session* session) {
    if (session->Owed() || session->dirty || session->has_output || session->in_stalled) {
      return false;
    }
    std::erase_if(waits_, [&](const WaitingClient& wait) { return wait.session == session; });
    sessions_.erase(session->id);
    return true;
  });
}

void Node::EndReply(Session& session, uint64_t sequence) {
  ++session.commands;
  if (session.kind == PortKind::kRemote) {
    ReplyRemote(session, {sequence, false, std::exchange(session.position, {}),
                          std::exchange(session.output, {})});
    return;
  }
  MarkOutput(session);
}

// Something the session was owed has been settled.
void Node::Release(Session& session, uint32_t Session::* count) {
  KV_CHECK(session.*count > 0);
  --(session.*count);
  if (session.Owed()) return;
  if (session.HasWork()) MarkDirty(session);
  if (session.closing) MarkOutput(session);
  CloseIfUnlinked(session);
}

void Node::PutBack(Session& session, OwnedRequest request) {
  auto at = session.backlog.end();
  while (at != session.backlog.begin() && std::prev(at)->sequence > request.sequence) --at;
  session.backlog.insert(at, std::move(request));
  MarkDirty(session);
}

void Node::Unstall(Stall why) {
  std::erase_if(stalled_, [&](Session* session) {
    if (session->stall != why && !session->closed) return false;
    session->in_stalled = false;
    if (session->stall == Stall::kParked) stats_.parked.Add(-1);
    session->stall = Stall::kNone;
    MarkDirty(*session);
    return true;
  });
}

void Node::UnparkExpired() {
  const Micros timeout = Micros{config_.election_park_timeout_ms} * 1000;
  for (Session* session : stalled_) {
    if (session->stall == Stall::kParked && session->parked_at != 0 &&
        now().boot_us - session->parked_at >= timeout) {
      MarkDirty(*session);
    }
  }
}

// ---- batches ----------------------------------------------------------------------------------

Node::Waiter& Node::AddWaiter(Session& session, const Request& request, Waiter::Kind kind) {
  Waiter& waiter = open_.waiters.emplace_back();
  waiter.kind = kind;
  waiter.mute = request.mute;
  waiter.database = request.database;
  waiter.protocol = request.protocol;
  waiter.session = &session;
  waiter.sequence = request.sequence;
  return waiter;
}

void Node::ProposeOpenBatch() {
  if (writer_.count() == 0) return;
  open_.envelope = Payload(writer_.Finish(now().wall_ms, rng_.Next()));
  open_.at = now().boot_us;
  open_.term = member_.core().term();
  turn_bytes_ += open_.envelope.size();
  if (turn_bytes_ >= kTurnBytes) room_ = false;
  const replica::ProposalId id = open_.id;
  batches_.push_back(std::move(open_));
  open_ = Batch{.id = id + 1};
  if (!member_.Propose(batches_.back().envelope, id)) return;
  room_ = false;
  Batch refused = std::move(batches_.back());
  batches_.pop_back();
  Requeue(refused);
}

// The commands of a batch that certainly had no effect go back to where they came from.
void Node::Requeue(Batch& batch) {
  store::EnvelopeReader reader(batch.envelope.view());
  store::EnvelopeCommand command;
  for (Waiter& waiter : batch.waiters) {
    OwnedRequest request{.database = waiter.database,
                         .protocol = waiter.protocol,
                         .mute = waiter.mute,
                         .sequence = waiter.sequence};
    if (waiter.kind == Waiter::Kind::kWrite) {
      KV_CHECK(reader.Next(command));
      request.argv.emplace_back(waiter.row->name);
      request.argv.insert(request.argv.end(), command.args.begin() + 1, command.args.end());
    } else if (waiter.kind == Waiter::Kind::kRead) {
      request.argv = std::move(waiter.argv);
    } else {
      request.reply = std::move(waiter.bytes);
    }
    // Whoever carried it here knows from the log that it is lost, and carries it anew.
    const bool known_lost =
        waiter.session->kind == PortKind::kRemote && batch.term != member_.core().term();
    if (known_lost) {
      RefuseRemote(*waiter.session, waiter.sequence);
    } else {
      PutBack(*waiter.session, std::move(request));
    }
    if (waiter.kind == Waiter::Kind::kWrite) Release(*waiter.session, &Session::writes);
  }
}

store::ReplySink* Node::Applying(replica::ProposalId id) {
  KV_CHECK(!batches_.empty() && batches_.front().id == id);
  sink_->Begin(batches_.front(), machine_.applied() + 1);
  return sink_.get();
}

void Node::Applied(replica::ProposalId id) {
  KV_CHECK(batches_.front().id == id);
  KV_CHECK(sink_->Done());
  batches_.pop_front();
}

void Node::Lost(replica::ProposalId id, replica::Loss loss) {
  KV_CHECK(!batches_.empty() && batches_.front().id == id);
  Batch batch = std::move(batches_.front());
  batches_.pop_front();
  if (loss == replica::Loss::kNever) {
    Requeue(batch);
    return;
  }
  for (Waiter& waiter : batch.waiters) {
    Session& session = *waiter.session;
    if (waiter.kind == Waiter::Kind::kWrite) stats_.indoubt.Add();
    if (!session.closed && !waiter.mute) {
      resp::Reply reply(&session.output, waiter.protocol);
      if (waiter.kind == Waiter::Kind::kBytes) {
        reply.Raw(waiter.bytes);
      } else if (waiter.kind == Waiter::Kind::kRead) {
        // It was to see a write of which nothing is known.
        reply.Error("CLUSTERDOWN The write that this read follows is in doubt");
      } else {
        reply.Error(kInDoubt);
      }
    }
    EndReply(session, waiter.sequence);
    if (waiter.kind == Waiter::Kind::kWrite) Release(session, &Session::writes);
  }
}

// ---- reads ------------------------------------------------------------------------------------

void Node::ReadsReady(replica::ReadTicket up_to) {
  while (!reads_.empty() && reads_.front().ticket <= up_to) {
    WaitingRead read = std::move(reads_.front());
    reads_.pop_front();
    if (!read.session->closed && !GoesOn(*read.session)) {
      PutBack(*read.session, std::move(read.request));
    } else if (!read.session->closed) {
      const std::vector<std::string_view> argv(read.request.argv.begin(), read.request.argv.end());
      ExecuteRead(*read.session,
                  {argv, read.request.database, read.request.protocol, read.request.mute,
                   read.request.sequence},
                  *read.row, {machine_.applied()});
      StatsFor(*read.row).us.Observe(now().boot_us - read.at);
    }
    Release(*read.session, &Session::reads);
  }
}

void Node::ReadsLost() {
  while (!reads_.empty()) {
    WaitingRead read = std::move(reads_.front());
    reads_.pop_front();
    PutBack(*read.session, std::move(read.request));
    Release(*read.session, &Session::reads);
  }
}

// ---- WAIT -------------------------------------------------------------------------------------

size_t Node::FollowersAt(Index index) const {
  size_t count = 0;
  for (const NodeId voter : member_.core().configuration().AllVoters()) {
    const raft::Progress* progress = member_.core().ProgressOf(voter);
    if (progress != nullptr && progress->match() >= index) ++count;
  }
  return count;
}

Node::Waiting Node::StartWaiting(Session& session, uint64_t sequence, Micros deadline, bool mute) {
  session.stall = Stall::kWait;
  ++session.reads;  // nothing of this session runs meanwhile
  return {&session, sequence, deadline, mute, session.protocol};
}

// Nothing is written for who is gone.
void Node::EndWaiting(const Waiting& wait, const std::function<void(resp::Reply&)>& write) {
  Session& session = *wait.session;
  if (!session.closed) {
    resp::Reply reply =
        wait.mute ? resp::Reply::Discard() : resp::Reply(&session.output, wait.protocol);
    write(reply);
    EndReply(session, wait.sequence);
  }
  session.stall = Stall::kNone;
  Release(session, &Session::reads);
}

void Node::BeginWait(Session& session, size_t wanted, Micros deadline, bool array, bool mute) {
  waits_.push_back({StartWaiting(session, 0, deadline, mute), wanted, array});
}

void Node::CheckWaits() {
  std::erase_if(waits_, [this](const WaitingClient& wait) {
    const Session& session = *wait.session;
    const size_t have = FollowersAt(session.last_write);
    const bool expired = wait.deadline != 0 && now().boot_us >= wait.deadline;
    if (have < wait.wanted && !expired && !session.closed && member_.core().IsLeader())
      return false;
    EndWaiting(wait, [&](resp::Reply& reply) {
      if (wait.array) {
        reply.Array(2);
        reply.Integer(1);
      }
      reply.Integer(static_cast<int64_t>(have));
    });
    return true;
  });
}

// ---- RAFT TRANSFER ----------------------------------------------------------------------------

void Node::BeginTransferWait(Session& session, uint64_t sequence, bool mute) {
  const Micros patience = Micros{config_.indoubt_timeout_ms} * 1000;
  transfers_.push_back({StartWaiting(session, sequence, now().boot_us + patience, mute)});
}

void Node::CheckTransfers() {
  std::erase_if(transfers_, [this](const WaitingTransfer& wait) {
    const raft::Core& core = member_.core();
    const bool handed_on = !core.IsLeader() && core.leader() != NodeId();
    const bool kept = core.IsLeader() && !core.IsTransferring();
    const bool expired = now().boot_us >= wait.deadline;
    if (!handed_on && !kept && !expired && !wait.session->closed) return false;
    EndWaiting(wait, [&](resp::Reply& reply) {
      if (handed_on) {
        reply.Ok();
      } else if (kept) {
        reply.Error("ERR the other node did not take over in time: this node leads on");
      } else {
        reply.Error("ERR leadership was given up and it is not known who leads");
      }
    });
    return true;
  });
}

// ---- leadership and carried commands ----------------------------------------------------------

store::ReplySink* Node::ApplyingForeign() { return carrier_.Watch(); }
void Node::TermApplied(Term term) { carrier_.TermApplied(term); }
void Node::StateReplaced() {
  carrier_.StateReplaced();
  watch_.Forget();
}

void Node::LeadershipChanged() {
  const raft::Core& core = member_.core();
  carrier_.OnLeadership(core.leader(), core.term());
  if (core.leader() != NodeId()) last_leader_ = core.leader();
  if (core.leader() != NodeId()) {
    for (Session* session : stalled_) session->parked_at = 0;
  }
  Unstall(Stall::kParked);
  std::string line = "term " + std::to_string(core.term().value());
  if (core.leader() == NodeId()) {
    line += ", no leader known";
  } else if (core.IsLeader()) {
    line += member_.Serves() ? ", this node leads and serves" : ", this node was elected";
  } else {
    line += ", node " + std::to_string(core.leader().value()) + " leads";
  }
  seams_.host.Log(Host::Level::kNotice, line);
}

void Node::Happened(replica::Event event) {
  seams_.host.Record(EventLog::Line(config_.node_id, events_.Add(now().wall_ms, std::move(event))));
}

void Node::Halt(const Status& why) {
  Happened({"halts", member_.core().term(), {{"why", why.message()}}});
  seams_.host.Halt(why);
}

void Node::Send(NodeId to, raft::Message message) {
  seams_.wire.SendToPeer(to, PeerMessage(std::move(message)));
}

void Node::CarriedReply(Session& session, std::string_view bytes, bool mute, Position position) {
  session.position = position;
  session.largest_reply =
      std::max(bytes.size(), session.largest_reply - session.largest_reply / 64);
  if (!session.closed && !mute) session.output.append(bytes);
  EndReply(session, 0);
  Release(session, &Session::forwards);
}

void Node::CarriedBack(Session& session, OwnedRequest request) {
  stats_.forwards_resent.Add();
  PutBack(session, std::move(request));
  Release(session, &Session::forwards);
}

void Node::CarriedUnknown(Session& session, resp::Protocol protocol, bool mute) {
  stats_.indoubt.Add();
  std::string bytes;
  resp::Reply(&bytes, protocol).Error(kInDoubt);
  CarriedReply(session, bytes, mute, {});
}

void Node::CarriedRefused(Session& session, resp::Protocol protocol, bool mute) {
  std::string bytes;
  resp::Reply(&bytes, protocol).Error(kClusterDown);
  CarriedReply(session, bytes, mute, {});
}

void Node::BeginDrain() {
  if (draining_) return;
  draining_ = true;
  Happened({"stops", member_.core().term(), {}});
  if (!member_.TransferLeadership(NodeId(), "stops")) return;
  redirect_until_ = now().boot_us + kRedirectPatienceUs;
  for (const auto& [id, session] : sessions_) {
    if (session->kind != PortKind::kCluster || session->readonly || session->closed) continue;
    if (now().boot_us - session->last_active > kRedirectPatienceUs) continue;
    session->redirect_owed = true;
    ++redirects_owed_;
  }
}

// Whoever has worked with this leader comes with a next command, and is told where to go with it
// rather than finding the connection closed.
void Node::PayRedirect(Session& session) {
  if (std::exchange(session.redirect_owed, false)) --redirects_owed_;
}

bool Node::Drained() const {
  const bool redirected =
      redirects_owed_ == 0 || member_.core().IsLeader() || now().boot_us >= redirect_until_;
  return draining_ && redirected && !member_.core().IsTransferring() && batches_.empty() &&
         reads_.empty() && carrier_.pending() == 0 && writer_.count() == 0 && dirty_.empty();
}

Address Node::AddressOf(NodeId id) const {
  if (id == config_.node_id) {
    const NodeAddress* self = config_.Find(id);
    Address address{self->host, self->port};
    if (!config_.cluster_announce_ip.empty()) address.host = config_.cluster_announce_ip;
    if (!config_.cluster_announce_hostname.empty()) {
      address.host = config_.cluster_announce_hostname;
    }
    if (config_.cluster_announce_port != 0) address.port = config_.cluster_announce_port;
    return address;
  }
  const auto announced = announced_.find(id);
  if (announced != announced_.end()) return announced->second;
  const std::optional<NodeAddress> place = PlaceOf(id);
  return place ? Address{place->host, place->port} : Address{};
}

const CommandStats* Node::StatsOf(const store::CommandRow& row) const {
  const auto it = command_stats_.find(&row);
  return it == command_stats_.end() ? nullptr : it->second.get();
}

void Node::ResetStats() {
  const store::MachineStats& machine = machine_.stats();
  stats_base_ = {.connections_total = stats_.connections_total.Get(),
                 .connections_rejected = stats_.connections_rejected.Get(),
                 .commands = stats_.commands.Get(),
                 .bytes_in = stats_.bytes_in.Get(),
                 .bytes_out = stats_.bytes_out.Get(),
                 .redirected = stats_.redirected.Get(),
                 .park_timeouts = stats_.park_timeouts.Get(),
                 .indoubt = stats_.indoubt.Get(),
                 .expired_keys = machine.expired_keys.Get(),
                 .keyspace_hits = machine.keyspace_hits.Get(),
                 .keyspace_misses = machine.keyspace_misses.Get()};
  for (const auto& [row, command] : command_stats_) {
    stats_base_.by_command[row] = {.calls = command->calls.Get(),
                                   .us = command->us.SumUs(),
                                   .rejected = command->rejected.Get()};
  }
}

}  // namespace kvorum::server
