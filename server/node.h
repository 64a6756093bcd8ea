// SPDX-License-Identifier: Apache-2.0
//
// A node without its sockets: sessions in front of a group member. Bytes come in, commands are
// parsed, checked and routed, bytes go out. The reactor drives it over real sockets, the simulator
// over virtual ones.
//
//   session.input -> parse -> Dispatch: gates, then by the row's route
//        local    executed at once
//        read     at a read point (replica/member.h), or by a follower after READONLY
//        write    into the open batch; one batch is one log entry, proposed at the end of the turn
//        not the leader: MOVED, or carried to it, or parked while there is none
//
// Batches. All writes of a turn, whoever sent them, become one entry. What a client pipelines
// behind its own write in the same turn (reads, PING) rides with the batch: it is executed when the
// entry is applied, right behind that write, which is linearizable because the entry was proposed
// after the request came.
//
// Carried commands. A follower sends them to the leader with an origin id that the log keeps. If
// the leader's answer does not come, this node finds the id in its own log and the state machine
// here computes the reply; or an entry of a newer term is applied first, and then the command can
// never take effect and is sent again. See server/carrier.h.
//
// One thread calls everything.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/rng.h"
#include "base/stats.h"
#include "disk/acquaintances.h"
#include "replica/member.h"
#include "server/carrier.h"
#include "server/config.h"
#include "server/consistency_watch.h"
#include "server/event_log.h"
#include "server/peer_message.h"
#include "server/session.h"
#include "store/envelope.h"

namespace kvorum::server {

// To other nodes. Lossy for Raft messages; what it delivers of the others is in order, and a link
// that loses something is reset, which both ends are told (OnLinkReset).
class PeerWire {
 public:
  virtual ~PeerWire() = default;
  virtual void SendToPeer(NodeId to, PeerMessage message) = 0;
  [[nodiscard]] virtual bool IsConnected(NodeId to) const = 0;
  // Of carried commands and their replies: sent here and not yet on their way.
  [[nodiscard]] virtual size_t QueuedBytes(NodeId to) const = 0;
  // What was sent goes on its way now, and not at the end of the turn. Reports nothing to the node.
  virtual void SendNow() = 0;
};

// What the node asks of the process it runs in.
class Host {
 public:
  virtual ~Host() = default;
  virtual void Halt(const Status& why) = 0;
  // SHUTDOWN was called.
  virtual void RequestShutdown() = 0;
  // One line for the log. Text from clients was escaped.
  enum class Level : uint8_t { kDebug, kVerbose, kNotice, kWarning };
  virtual void Log(Level level, std::string_view line) = 0;
  // One line for the file of events (server/event_log.h), without its end.
  virtual void Record(std::string_view line) = 0;
};

struct NodeSeams {
  replica::LogDisk& disk;
  replica::Background& background;
  replica::Stopwatch& stopwatch;
  PeerWire& wire;
  Host& host;
};

// Where clients reach a node.
struct Address {
  std::string host;
  uint16_t port = 0;
};

struct CommandStats {
  Counter calls;
  Counter rejected;  // by a gate
  Histogram us;
};

struct NodeStats {
  Gauge connections;
  Counter connections_total;
  Counter connections_rejected;
  Gauge parked;               // sessions
  Counter parked_total;       // times a session was parked
  Counter park_timeouts;      // CLUSTERDOWN
  Counter redirected;         // MOVED
  Counter forwarded;          // commands carried to the leader
  Counter forwards_resent;    // carried again after a leader died
  Counter forwards_from_log;  // whose reply came from the own log
  Counter indoubt;            // INDOUBT
  Counter commands;
  Counter protocol_errors;
  Counter bytes_in;
  Counter bytes_out;
};

// Values at the last CONFIG RESETSTAT. INFO counts from there; the counters themselves, which the
// exporter reads, never go back.
struct StatsBase {
  struct Command {
    uint64_t calls = 0;
    uint64_t us = 0;
    uint64_t rejected = 0;
  };
  uint64_t connections_total = 0;
  uint64_t connections_rejected = 0;
  uint64_t commands = 0;
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
  uint64_t redirected = 0;
  uint64_t park_timeouts = 0;
  uint64_t indoubt = 0;
  uint64_t expired_keys = 0;
  uint64_t keyspace_hits = 0;
  uint64_t keyspace_misses = 0;
  absl::flat_hash_map<const store::CommandRow*, Command> by_command;
};

class Node final : public replica::Clients, public replica::Transport {
 public:
  // `restart` and `machine` as replica::Member wants them. `start` tells this life of the node from
  // every other one. Everything is borrowed.
  Node(Config& config, raft::Restart restart, store::Machine& machine,
       disk::SnapshotStore& snapshots, const NodeSeams& seams, uint64_t start, uint64_t seed,
       Now now);
  ~Node() override;

  // ---- a turn ---------------------------------------------------------------------------------
  // Any number of inputs between the two. The time is told at both ends, because a lease must hold
  // at a moment after the request has arrived: EndTurn wants it as read after the last input.
  void BeginTurn(Now time);
  void EndTurn(Now time);
  [[nodiscard]] bool WantsTurn() const { return !dirty_.empty() || member_.WantsTurn(); }
  [[nodiscard]] Micros NextWakeup() const;
  // Sessions with output to write or to be closed since the last call. Calls `flush` for each.
  void Flush(const std::function<void(Session&)>& flush);

  // ---- clients --------------------------------------------------------------------------------
  Session* Open(PortKind kind);
  // Bytes were appended to session->input, or output was written and there is room again.
  void Touch(Session* session);
  // The client is gone. The session is freed when nothing refers to it any more.
  void Closed(Session* session);

  // What the reactor has seen.
  void CountInput(size_t bytes) { stats_.bytes_in.Add(bytes); }
  void CountOutput(size_t bytes) { stats_.bytes_out.Add(bytes); }
  void CountRejectedConnection() { stats_.connections_rejected.Add(); }

  // ---- peers, disk ----------------------------------------------------------------------------
  // `arrived`: not before the message was there to be read. A promise to a leader counts from it.
  void OnPeer(NodeId from, PeerMessage message, Now arrived);
  void OnLinkReset(NodeId peer);
  // Where clients reach the peer, as it says itself.
  void Announced(NodeId peer, Address address) { announced_[peer] = std::move(address); }
  void OnPeerUnreachable(NodeId peer) { member_.PeerUnreachable(peer); }
  void Persisted(BatchNumber number) { member_.Persisted(number); }
  // SIGTERM: hands leadership on if there is somebody to take it. Drained() when everything owed is
  // answered, and those that were served here have been told where to go, if they ask soon.
  void BeginDrain();  // idempotent
  [[nodiscard]] bool Drained() const;
  // The disk is nearly full: writes are refused before they are proposed.
  void SetDiskFull(bool full) { disk_full_ = full; }

  // ---- for local commands and the exporter ----------------------------------------------------
  [[nodiscard]] Config& config() { return config_; }
  [[nodiscard]] const Config& config() const { return config_; }
  [[nodiscard]] replica::Member& member() { return member_; }
  [[nodiscard]] const replica::Member& member() const { return member_; }
  [[nodiscard]] store::Machine& machine() { return machine_; }
  [[nodiscard]] const store::Machine& machine() const { return machine_; }
  [[nodiscard]] size_t carried_pending() const { return carrier_.pending(); }
  [[nodiscard]] const ConsistencyWatch& watch() const { return watch_; }
  [[nodiscard]] const EventLog& events() const { return events_; }
  [[nodiscard]] const store::CommandIndex& commands() const { return index_; }
  [[nodiscard]] const NodeStats& stats() const { return stats_; }
  [[nodiscard]] const CommandStats* StatsOf(const store::CommandRow& row) const;
  [[nodiscard]] PeerWire& wire() const { return seams_.wire; }
  [[nodiscard]] Host& host() { return seams_.host; }
  [[nodiscard]] Now now() const { return member_.now(); }
  [[nodiscard]] Micros started_at() const { return started_at_; }
  [[nodiscard]] const absl::flat_hash_map<uint64_t, std::unique_ptr<Session>>& sessions() const {
    return sessions_;
  }
  // What CLUSTER and MOVED say of a node: what it announced, else what cluster-nodes says.
  [[nodiscard]] Address AddressOf(NodeId id) const;
  // ---- members (node_membership.cc) -------------------------------------------------------------
  // Where this node reaches it: what cluster-nodes says, else the newest configuration that names
  // it.
  [[nodiscard]] std::optional<NodeAddress> PlaceOf(NodeId id) const;
  // Whom this node speaks to: the members, and on the leader those that have just left.
  [[nodiscard]] std::vector<NodeAddress> Peers() const;
  // Since the last call, perhaps.
  bool PeersChanged();
  // Whom it listens to. A stranger may belong to a configuration that is not here yet, unless it
  // was removed before this one.
  [[nodiscard]] bool Admits(NodeId id) const;
  [[nodiscard]] bool WasRemoved(NodeId id) const;
  // Is `other` the node that was met under that id, and this the one that it has met? "" or why
  // not; a node that others know with another disk halts. An error: the disk failed.
  Result<std::string> Meet(disk::Acquaintances& met, NodeId other, uint64_t incarnation,
                           uint64_t knows_this_as);
  // A member says that this node was removed: it was down then, and nobody gives it the log any
  // more in which it stands.
  void ToldRemoved(NodeId by);
  // This node has been removed for good.
  [[nodiscard]] bool Removed() const;
  // ---- the feature level (node_feature.cc) ------------------------------------------------------
  // What this node may be raised to: what its release can, or less (feature-level-max).
  [[nodiscard]] store::FeatureLevel FeatureCan() const;
  // Why this leader does not take a node in; "" when it does.
  std::string FeatureRefusal(NodeId id, std::optional<store::FeatureLevel> level);
  // Answers when the change is committed, both steps of it, or lost, or at the in-doubt timeout.
  void BeginChangeWait(Session& session, const raft::Proposed& change, bool mute);
  [[nodiscard]] bool disk_full() const { return disk_full_; }
  [[nodiscard]] bool draining() const { return draining_; }
  // The newest leader that was known; 0: none in this life.
  [[nodiscard]] NodeId last_leader() const { return last_leader_; }
  void ResetStats();
  [[nodiscard]] const StatsBase& stats_base() const { return stats_base_; }
  // Ends a session from outside (CLIENT KILL, limits).
  void Kill(Session& session);
  // WAIT: answers when `wanted` followers have the session's writes, or at the deadline (0: never).
  void BeginWait(Session& session, size_t wanted, Micros deadline, bool array, bool mute);
  [[nodiscard]] size_t FollowersAt(Index index) const;
  // Answers when another node is known to lead, or when the transfer has failed.
  void BeginTransferWait(Session& session, uint64_t sequence, bool mute);

  // ---- replica::Clients and Transport -----------------------------------------------------------
  store::ReplySink* Applying(replica::ProposalId id) override;
  void Applied(replica::ProposalId id) override;
  void Lost(replica::ProposalId id, replica::Loss loss) override;
  store::ReplySink* ApplyingForeign() override;
  void TermApplied(Term term) override;
  void StateReplaced() override;
  void EntryApplied(Index index) override { watch_.EntryApplied(index); }
  void ReadsReady(replica::ReadTicket up_to) override;
  void ReadsLost() override;
  void LeadershipChanged() override;
  void Happened(replica::Event event) override;
  void Halt(const Status& why) override;
  void Send(NodeId to, raft::Message message) override;
  void SendNow() override { seams_.wire.SendNow(); }

  // For Carrier: a carried command has its outcome.
  void CountFromLog() { stats_.forwards_from_log.Add(); }
  void CarriedReply(Session& session, std::string_view bytes, bool mute, Position position);
  void CarriedBack(Session& session, OwnedRequest request);
  void CarriedUnknown(Session& session, resp::Protocol protocol, bool mute);
  // Not executed, and too late to try again: what its client sent behind it was.
  void CarriedRefused(Session& session, resp::Protocol protocol, bool mute);

 private:
  // What a batch owes. In the order of the replies of each session.
  struct Waiter {
    enum class Kind : uint8_t { kWrite, kRead, kBytes };
    Kind kind = Kind::kWrite;
    bool mute = false;
    uint8_t database = 0;
    resp::Protocol protocol = resp::Protocol::kResp2;
    uint32_t command = 0;  // kWrite: its number in the envelope
    Session* session = nullptr;
    const store::CommandRow* row = nullptr;
    uint64_t sequence = 0;
    std::vector<std::string> argv;  // kRead
    std::string bytes;              // kBytes
  };
  struct Batch {
    replica::ProposalId id = 0;
    Payload envelope;  // shared with the log
    std::vector<Waiter> waiters;
    Micros at = 0;
    Term term;
  };
  struct WaitingRead {
    replica::ReadTicket ticket;
    Session* session;
    const store::CommandRow* row;
    OwnedRequest request;
    Micros at;
  };
  // A session of which nothing runs until its command is answered.
  struct Waiting {
    Session* session;
    uint64_t sequence;
    Micros deadline;  // 0: none
    bool mute;
    resp::Protocol protocol;
  };
  struct WaitingClient : Waiting {
    size_t wanted;
    bool array;  // WAITAOF's reply
  };
  struct WaitingTransfer : Waiting {};
  struct WaitingChange : Waiting {
    Term term;
    Index index;
  };
  class BatchSink;
  enum class Verdict : uint8_t { kDone, kStalled };
  enum class Order : uint8_t { kDirect, kRide, kWait };

  // node.cc
  void TellTime(Now time);
  void MarkDirty(Session& session);
  void MarkOutput(Session& session);
  void FreeIfDone(Session& session);
  void EndReply(Session& session, uint64_t sequence);
  void Release(Session& session, uint32_t Session::* count);
  void PutBack(Session& session, OwnedRequest request);
  void CollectGarbage();
  void ProposeOpenBatch();
  Waiter& AddWaiter(Session& session, const Request& request, Waiter::Kind kind);
  void Requeue(Batch& batch);
  Waiting StartWaiting(Session& session, uint64_t sequence, Micros deadline, bool mute);
  void EndWaiting(const Waiting& wait, const std::function<void(resp::Reply&)>& write);
  void CheckWaits();
  void CheckTransfers();
  void PayRedirect(Session& session);
  void UnparkExpired();
  void Unstall(Stall why);

  // node_dispatch.cc
  void Process(Session& session);
  void ProcessSessions();
  [[nodiscard]] bool GoesOn(const Session& session) const;
  void WaitForLink(Session& session);
  bool ProcessBacklog(Session& session, size_t& budget);
  void ProcessInput(Session& session, size_t& budget);
  Verdict Dispatch(Session& session, const Request& request);
  const char* Gate(const Session& session, const store::CommandRow& row) const;
  Verdict RunLocal(Session& session, const Request& request, const store::CommandRow& row);
  Verdict RunRead(Session& session, const Request& request, const store::CommandRow& row);
  Verdict RunReadHere(Session& session, const Request& request, const store::CommandRow& row);
  Verdict RunWrite(Session& session, const Request& request, const store::CommandRow& row);
  Verdict Elsewhere(Session& session, const Request& request, const store::CommandRow& row);
  Verdict Park(Session& session, const Request& request);
  Verdict Refuse(Session& session, const Request& request, std::string_view error);
  Verdict Deliver(Session& session, const Request& request, std::string_view bytes);
  [[nodiscard]] Order OrderOf(const Session& session) const;
  Verdict Stalled(Session& session, Stall why);
  void ExecuteRead(Session& session, const Request& request, const store::CommandRow& row,
                   Position position);
  void ProtocolError(Session& session, const resp::ParseResult& result);
  CommandStats& StatsFor(const store::CommandRow& row);

  // node_membership.cc
  void LearnPlaces();
  void NoticeMembership();
  void CheckChanges();
  [[nodiscard]] bool FarewellOver() const;
  [[nodiscard]] std::optional<std::string_view> OutcomeOf(const WaitingChange& wait) const;

  // node_feature.cc
  void TellFeature();
  [[nodiscard]] Micros NextFeatureTelling() const;

  // node_remote.cc
  void OnForward(NodeId from, Forward forward);
  template <class Visit>
  void VisitRemotes(NodeId node, Visit visit);
  void CloseIfUnlinked(Session& session);
  struct RemoteReplies;
  RemoteReplies& RepliesFor(NodeId node, uint64_t start);
  void ReplyRemote(const Session& session, ForwardedReply reply);
  void RefuseRemote(const Session& session, uint64_t sequence);
  void SendRemoteReplies();
  [[nodiscard]] bool TakesReplies(NodeId node) const;
  [[nodiscard]] size_t ForwardsAllowed(const Session& session) const;

  Config& config_;
  store::Machine& machine_;
  NodeSeams seams_;
  Rng rng_;
  store::CommandIndex index_;
  NodeStats stats_;
  StatsBase stats_base_;
  absl::flat_hash_map<const store::CommandRow*, std::unique_ptr<CommandStats>> command_stats_;
  Micros started_at_;

  absl::flat_hash_map<uint64_t, std::unique_ptr<Session>> sessions_;
  uint64_t last_session_ = 0;
  std::vector<Session*> dirty_;
  std::vector<Session*> outputs_;
  std::vector<Session*> stalled_;  // for room or a leader

  store::EnvelopeWriter writer_;
  Batch open_;                 // its id is the next proposal's
  std::deque<Batch> batches_;  // proposed; id ascends
  std::unique_ptr<BatchSink> sink_;
  std::deque<WaitingRead> reads_;
  std::vector<WaitingClient> waits_;
  std::vector<WaitingTransfer> transfers_;
  std::vector<WaitingChange> changes_;
  std::map<NodeId, NodeAddress> places_;  // of every member there was in this life
  Index seen_configuration_;
  // What Peers depends on.
  struct PeersStamp {
    Index configuration;
    bool committed = false;
    bool farewell_over = false;
    size_t told = 0;
    friend bool operator==(const PeersStamp&, const PeersStamp&) = default;
  };
  std::optional<PeersStamp> peers_stamp_;
  Micros removed_at_ = 0;  // 0: it was not
  NodeId removed_says_;    // who has told so; none: nobody has
  Carrier carrier_;
  ConsistencyWatch watch_;
  EventLog events_;
  // Answers for other nodes' clients, collected in a turn.
  struct RemoteReplies {
    uint64_t start = 0;
    std::vector<ForwardedReply> replies;
    size_t bytes = 0;
  };
  std::map<NodeId, RemoteReplies> remote_replies_;
  // Clients of other nodes, by node and the number that node gave them.
  std::map<std::pair<NodeId, uint64_t>, Session*> remotes_;
  struct RemoteProgress {
    uint64_t start = 0;
    uint64_t sequence = 0;  // newest taken on: a repetition after a lost link is not
    Term term;
  };
  std::map<NodeId, RemoteProgress> remote_progress_;
  std::vector<Session*> graves_;  // closed, to be freed when nothing refers to them
  std::map<NodeId, Address> announced_;
  NodeId last_leader_;
  struct FeatureTold {
    store::FeatureLevel level = 0;
    NodeId to;
    Micros at = 0;
  } feature_told_;
  bool room_ = true;  // the log takes more
  bool disk_full_ = false;
  size_t turn_bytes_ = 0;  // proposed in this turn
  bool draining_ = false;
  size_t redirects_owed_ = 0;  // sessions
  Micros redirect_until_ = 0;  // for so long they are waited for
  replica::Member member_;     // last: it calls back into everything above
};

}  // namespace kvorum::server

namespace kvorum::store {

// What a local handler works with (store/command.h).
struct LocalCall {
  server::Node& node;
  server::Session& session;
  Argv argv;
  const CommandRow& row;
  resp::Reply& reply;
  const uint64_t sequence = 0;          // of the request
  const bool mute = false;              // CLIENT REPLY OFF or SKIP: nobody will see the reply
  bool deferred = false;                // the handler has arranged for the reply to come later
  bool unmute = false;                  // the reply is sent all the same
  std::vector<std::string> carry_as{};  // not empty: the leader shall execute this instead
};

}  // namespace kvorum::store
