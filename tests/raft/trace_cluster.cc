// SPDX-License-Identifier: Apache-2.0
#include "tests/raft/trace_cluster.h"

#include <algorithm>

namespace kvorum::raft {
namespace {

template <class Id>
std::string N(Id id) {
  return std::to_string(id.value());
}

std::string At(Index index, Term term) { return N(index) + "@" + N(term); }

const char* RoleName(RoleKind role) {
  constexpr const char* kNames[] = {"follower", "candidate", "leader"};
  return kNames[static_cast<int>(role)];
}

std::string Content(const Entry& entry) {
  if (entry.type == EntryType::kNoop) return "noop";
  if (entry.type == EntryType::kBatch) return std::string(entry.payload.view());
  return Describe(*DecodeConfiguration(entry.payload.view()));
}

const char* NameOf(ChangeError error) {
  constexpr const char* kNames[] = {
      "not the leader", "handing over",   "nothing of this term committed",
      "in progress",    "is a member",    "was removed",
      "address taken",  "bad address",    "too many",
      "not a member",   "not a voter",    "not a learner",
      "lags behind",    "the last voter", "would lose the quorum"};
  return kNames[static_cast<size_t>(error)];
}

struct Describer {
  std::string operator()(const PreVote& m) const {
    return "PreVote t" + N(m.term) + " log " + At(m.last_index, m.last_term);
  }
  std::string operator()(const PreVoteReply& m) const {
    return "PreVoteReply t" + N(m.term) + (m.granted ? " yes" : " no");
  }
  std::string operator()(const Vote& m) const {
    return "Vote t" + N(m.term) + " log " + At(m.last_index, m.last_term) +
           (m.transfer ? " transfer" : "");
  }
  std::string operator()(const VoteReply& m) const {
    return "VoteReply t" + N(m.term) + (m.granted ? " yes" : " no");
  }
  std::string operator()(const Append& m) const {
    std::string text = "Append t" + N(m.term) + " prev " + At(m.prev_index, m.prev_term) +
                       " commit " + N(m.commit) + " round " + N(m.round);
    for (const Entry& entry : m.entries) {
      text += " [" + At(entry.index, entry.term) + " " + Content(entry) + "]";
    }
    return text;
  }
  std::string operator()(const AppendReply& m) const {
    if (m.ok) return "AppendReply t" + N(m.term) + " match " + N(m.match) + " round " + N(m.round);
    return "AppendReply t" + N(m.term) + " no match at " + N(m.prev_index) + ", perhaps at " +
           At(m.hint_index, m.hint_term);
  }
  std::string operator()(const Heartbeat& m) const {
    return "Heartbeat t" + N(m.term) + " commit " + N(m.commit) + " round " + N(m.round);
  }
  std::string operator()(const HeartbeatReply& m) const {
    return "HeartbeatReply t" + N(m.term) + " round " + N(m.round);
  }
  std::string operator()(const kvorum::raft::InstallSnapshot& m) const {
    return "InstallSnapshot t" + N(m.term) + " at " + At(m.meta.index, m.meta.term);
  }
  std::string operator()(const InstallSnapshotReply& m) const {
    return "InstallSnapshotReply t" + N(m.term) + " at " + N(m.index);
  }
  std::string operator()(const TimeoutNow& m) const { return "TimeoutNow t" + N(m.term); }
  std::string operator()(const ReadIndex& m) const { return "ReadIndex t" + N(m.term); }
  std::string operator()(const ReadIndexReply& m) const { return "ReadIndexReply t" + N(m.term); }
  std::string operator()(const MatchLost& m) const {
    return "MatchLost t" + N(m.term) + " up to " + N(m.index);
  }
};

}  // namespace

std::string Describe(const Configuration& configuration) {
  std::string text;
  const auto list = [&text](const char* name, const Configuration::Ids& ids) {
    if (ids.empty()) return;
    text += (text.empty() ? "" : " ") + std::string(name);
    for (const NodeId id : ids) text += " " + N(id);
  };
  list("voters", configuration.voters);
  list("old", configuration.old_voters);
  list("learners", configuration.learners);
  list("joining", configuration.joining);
  return text.empty() ? "nobody" : text;
}

std::string Describe(const Message& message) { return std::visit(Describer{}, message); }

TraceCluster::TraceCluster(int nodes, Micros election_timeout_us)
    : election_timeout_us_(election_timeout_us) {
  for (int i = 1; i <= nodes; ++i) ids_.push_back(NodeId(static_cast<uint64_t>(i)));
  bootstrap_.voters = ids_;
  for (const NodeId id : ids_) {
    nodes_[id].core = std::make_unique<Core>(OptionsFor(id), raft::Restart{}, nodes_[id].now);
    Turn(id);
  }
  Advance(16'000);  // the promise that every start implies has passed
}

Options TraceCluster::OptionsFor(NodeId id) const {
  return {.id = id,
          .bootstrap = Configuration::Has(bootstrap_.voters, id) ? bootstrap_ : Configuration(),
          .election_timeout_us = election_timeout_us_,
          .heartbeat_us = 20'000,
          .lease_us = 10'000,
          .seed = id.value()};
}

Core& TraceCluster::Wake(NodeId id) {
  core(id).Tick(node(id).now);
  return core(id);
}

void TraceCluster::Turn(NodeId id) {
  Node& n = node(id);
  Core& core = *n.core;
  core.Take(n.output);
  if (core.term() != n.term || core.role() != n.role) {
    Say(N(id) + ": " + RoleName(core.role()) + " in term " + N(core.term()));
    n.term = core.term();
    n.role = core.role();
  }
  const Save& save = n.output.save;
  n.submitted = save.number;
  if (!save.empty()) {
    n.in_flight.push_back(save);
    std::string text = N(id) + ": saves";
    if (save.hard_state) {
      text += " term " + N(save.hard_state->term) + " vote " + N(save.hard_state->vote);
    }
    if (save.reset_to) text += " reset to " + At(save.reset_to->index, save.reset_to->term);
    if (!save.entries.empty()) {
      text += " entries " + N(save.entries.front().index) + ".." + N(save.entries.back().index);
    }
    Say(text);
  }
  for (Outgoing& out : n.output.send_now) links_[{id, out.to}].push_back(std::move(out.message));
  for (Outgoing& out : n.output.send_durable) n.waiting.push_back({save.number, std::move(out)});
  for (const Output::Read& read : n.output.reads) {
    Say(N(id) + ": read " + N(read.id) + " may be served at " + N(read.index));
  }
  for (const NodeId peer : n.output.snapshots)
    Say(N(id) + ": node " + N(peer) + " needs a snapshot");
  if (n.output.restore)
    Say(N(id) + ": restores " + At(n.output.restore->index, n.output.restore->term));
  if (core.commit() != n.commit) {
    Say(N(id) + ": commits " + N(core.commit()));
    n.commit = core.commit();
  }
  core.Applied(core.commit());
  n.invariants.Check(core);
  if (!n.held) Persist(id);
}

void TraceCluster::Persist(NodeId id) {
  Node& n = node(id);
  while (!n.in_flight.empty()) {
    Store(n.durable, n.in_flight.front());
    n.in_flight.pop_front();
  }
  while (!n.waiting.empty()) {
    links_[{id, n.waiting.front().second.to}].push_back(
        std::move(n.waiting.front().second.message));
    n.waiting.pop_front();
  }
  if (n.persisted == n.submitted) return;
  n.persisted = n.submitted;
  n.core->Persisted(n.persisted);
  Turn(id);
}

void TraceCluster::Store(raft::Restart& durable, const Save& save) {
  if (save.hard_state) durable.hard_state = *save.hard_state;
  if (save.reset_to) {
    durable.base_index = save.reset_to->index;
    durable.base_term = save.reset_to->term;
    durable.snapshot = *save.reset_to;
    durable.entries.clear();
  }
  for (const Entry& entry : save.entries) {
    std::erase_if(durable.entries, [&](const Entry& old) { return old.index >= entry.index; });
    durable.entries.push_back(entry);
  }
}

void TraceCluster::ReleaseDisk(NodeId id) {
  node(id).held = false;
  Persist(id);
}

void TraceCluster::Timeout(NodeId id) {
  node(id).now = std::max(node(id).now, core(id).NextWakeup());
  Wake(id);
  Turn(id);
}

void TraceCluster::Advance(Micros us) {
  for (const NodeId id : ids_) {
    const Micros until = node(id).now + us;
    // Nobody is late: what is due before is done before.
    while (core(id).NextWakeup() < until) {
      node(id).now = std::max(node(id).now, core(id).NextWakeup());
      Wake(id);
      Turn(id);
    }
    node(id).now = until;
    Wake(id);
    Turn(id);
  }
}

bool TraceCluster::DeliverOne(NodeId from, NodeId to) {
  std::deque<Message>& link = links_[{from, to}];
  if (link.empty()) return false;
  const Message message = std::move(link.front());
  link.pop_front();
  if (cuts_.contains({from, to})) return true;
  Say(N(from) + "->" + N(to) + " " + Describe(message));
  Wake(to).Step(from, message);
  Turn(to);
  return true;
}

void TraceCluster::DeliverAll() {
  for (bool more = true; more;) {
    more = false;
    for (const NodeId from : ids_) {
      for (const NodeId to : ids_) {
        if (from != to && DeliverOne(from, to)) more = true;
      }
    }
  }
}

void TraceCluster::Drop(NodeId from, NodeId to) { links_[{from, to}].clear(); }

void TraceCluster::Propose(NodeId id, const std::string& text) {
  const ProposeResult result = Wake(id).Propose(Payload(text));
  if (const auto* at = std::get_if<Proposed>(&result)) {
    Say(N(id) + ": proposed at " + At(at->index, at->term));
  } else {
    Say(N(id) + (std::get<ProposeError>(result) == ProposeError::kNotLeader ? ": is not the leader"
                                                                            : ": is overloaded"));
  }
  Turn(id);
}

void TraceCluster::Read(NodeId id) {
  const std::optional<ReadId> read = Wake(id).RequestRead();
  Say(N(id) + (read ? ": asks for read " + N(*read) : ": is not the leader"));
  Turn(id);
}

void TraceCluster::Lease(NodeId id) {
  const std::optional<Index> index = Wake(id).LeaseRead();
  Say(N(id) + (index ? ": may read at " + N(*index) + " by its lease" : ": has no lease"));
  Turn(id);
}

void TraceCluster::Unreachable(NodeId id, NodeId peer) {
  Wake(id).PeerUnreachable(peer);
  Turn(id);
}

void TraceCluster::Transfer(NodeId id, NodeId target) {
  if (!Wake(id).TransferLeadership(target)) Say(N(id) + ": cannot hand over");
  Turn(id);
}

void TraceCluster::Join(NodeId id) {
  ids_.push_back(id);
  Node& n = nodes_[id];
  for (const auto& [other, node] : nodes_) n.now = std::max(n.now, node.now);
  n.core = std::make_unique<Core>(OptionsFor(id), raft::Restart{}, n.now);
  Turn(id);
}

void TraceCluster::Alter(NodeId id, const Change& change) {
  const ChangeResult result = Wake(id).ProposeChange(change);
  if (const auto* at = std::get_if<Proposed>(&result)) {
    Say(N(id) + ": proposed at " + At(at->index, at->term) + ": " +
        Describe(core(id).configuration()));
  } else {
    Say(N(id) + ": refused: " + NameOf(std::get<ChangeError>(result)));
  }
  Turn(id);
}

std::string TraceCluster::Members() const {
  std::string text;
  for (const auto& [id, n] : nodes_) {
    const Core& c = *n.core;
    text += N(id) + ": " + Describe(c.configuration()) + ", since " + N(c.configuration_index()) +
            (c.IsRemoved() ? ", removed" : "") + "\n";
  }
  return text;
}

void TraceCluster::Restart(NodeId id) {
  Node& n = node(id);
  for (const NodeId other : ids_) {
    Drop(id, other);
    Drop(other, id);
  }
  const raft::Restart durable = n.durable;
  const Micros now = n.now;
  n = Node{};
  n.durable = durable;
  n.now = now;
  n.term = durable.hard_state.term;
  n.core = std::make_unique<Core>(OptionsFor(id), durable, now);
  n.commit = n.core->commit();
  Say(N(id) + ": restarts");
  Turn(id);
}

void TraceCluster::Snapshot(NodeId id, uint64_t keep) {
  Core& c = core(id);
  const SnapshotMeta meta{c.applied(), c.log().TermAt(c.applied()), c.ConfigurationAt(c.applied())};
  const Index compact = Index(std::max(c.log().base_index().value(),
                                       meta.index.value() > keep ? meta.index.value() - keep : 0));
  const Term term = c.log().TermAt(compact);
  c.SnapshotSaved(meta, compact);
  raft::Restart& durable = node(id).durable;
  durable.snapshot = meta;
  durable.base_index = compact;
  durable.base_term = term;
  std::erase_if(durable.entries, [&](const Entry& entry) { return entry.index <= compact; });
  Say(N(id) + ": snapshot at " + At(meta.index, meta.term) + ", log from " + N(compact + 1));
  Turn(id);
}

void TraceCluster::InstallSnapshot(NodeId from, NodeId to) {
  const SnapshotMeta meta = core(from).snapshot();
  Wake(to);
  const raft::InstallSnapshot piece{.term = core(from).term(), .meta = meta};
  if (!core(to).AcceptSnapshotPiece(from, piece)) {
    Say(N(to) + ": refuses the snapshot");
  } else if (!core(to).SnapshotReceived(meta)) {
    Say(N(to) + ": has no use for the snapshot");
  }
  Turn(to);
  Wake(from).SnapshotDelivered(to, meta.index, true);
  Turn(from);
}

void TraceCluster::Busy(NodeId from, NodeId to) {
  Wake(to).Step(from, InstallSnapshotReply{.term = core(from).term()});
  Turn(to);
}

std::string TraceCluster::Status() const {
  std::string text;
  for (const auto& [id, n] : nodes_) {
    const Core& c = *n.core;
    text += N(id) + ": " + RoleName(c.role()) + " term " + N(c.term()) + " leader " +
            N(c.leader()) + " log " + N(c.log().base_index() + 1) + ".." +
            At(c.log().last_index(), c.log().last_term()) + " durable " +
            N(c.log().durable_index()) + " commit " + N(c.commit()) + "\n";
  }
  return text;
}

}  // namespace kvorum::raft
