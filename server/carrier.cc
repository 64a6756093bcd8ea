// SPDX-License-Identifier: Apache-2.0
#include "server/carrier.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "server/node.h"

namespace kvorum::server {

// Sees every command that other members proposed, and picks out those that came from here.
class Carrier::LogWatcher final : public store::ReplySink {
 public:
  explicit LogWatcher(Carrier& carrier) : carrier_(carrier) {}

  resp::Reply* Begin(uint32_t /*command*/, const store::Origin* origin) override {
    found_ = carrier_.pending_.end();
    if (origin == nullptr || origin->node != carrier_.self_ || origin->start != carrier_.start_) {
      return nullptr;
    }
    found_ = carrier_.FindOpen(origin->sequence);
    if (found_ == carrier_.pending_.end()) return nullptr;  // the leader's reply was faster
    bytes_.clear();
    reply_ = resp::Reply(&bytes_, found_->second.request.protocol);
    return &reply_;
  }
  void End(uint32_t command) override {
    if (found_ == carrier_.pending_.end()) return;
    const Index index = carrier_.node_.machine().applied() + 1;
    carrier_.node_.CountFromLog();
    Pending& pending = std::exchange(found_, carrier_.pending_.end())->second;
    Carrier::Reply(pending, std::move(bytes_), {index, command + 1});
    carrier_.Deliver(*pending.session);
  }

 private:
  Carrier& carrier_;
  Iterator found_;
  std::string bytes_;
  resp::Reply reply_ = resp::Reply::Discard();
};

Carrier::Carrier(Node& node, PeerWire& wire, NodeId self, uint64_t start)
    : node_(node),
      wire_(wire),
      self_(self),
      start_(start),
      watcher_(std::make_unique<LogWatcher>(*this)) {}

Carrier::~Carrier() = default;

ForwardedCommand Carrier::Encode(uint64_t sequence, const Pending& pending) const {
  return {.sequence = sequence,
          .client = pending.session->id,
          .database = pending.request.database,
          .protocol = pending.request.protocol,
          .argv = pending.request.argv};
}

void Carrier::Carry(Session& session, const Request& request, bool write, NodeId leader, Term term,
                    Micros now) {
  const uint64_t sequence = ++last_sequence_;
  Pending& pending = pending_[sequence];
  pending.session = &session;
  pending.request.argv.assign(request.argv.begin(), request.argv.end());
  pending.request.database = request.database;
  pending.request.protocol = request.protocol;
  pending.request.mute = request.mute;
  pending.request.sequence = request.sequence;
  pending.write = write;
  pending.leader = leader;
  pending.term = term;
  pending.at = now;
  ++session.forwards;
  session.carried.push_back(sequence);
  session.forwards_write = write;
  session.forwards_term = term;
  Forward& forward = outgoing_[leader];
  forward.term = term;
  forward.start = start_;
  forward.commands.push_back(Encode(sequence, pending));
}

void Carrier::Send() {
  for (auto& [leader, forward] : outgoing_) {
    if (!wire_.IsConnected(leader)) interrupted_.insert(leader);
    if (!interrupted_.contains(leader)) wire_.SendToPeer(leader, std::move(forward));
  }
  outgoing_.clear();
  const raft::Core& core = node_.member().core();
  if (interrupted_.contains(core.leader()) && wire_.IsConnected(core.leader())) {
    interrupted_.erase(core.leader());
    Repeat(core.leader(), core.term());
  }
}

void Carrier::OnReply(NodeId from, ForwardReply reply) {
  if (reply.start != start_) return;
  Sessions settled;
  for (ForwardedReply& one : reply.replies) {
    const Iterator it = FindOpen(one.sequence);
    if (it == pending_.end() || it->second.leader != from) continue;
    if (one.refused) {
      refused_term_ = std::max(refused_term_, it->second.term);
      it->second.outcome = Outcome::kNotExecuted;
    } else {
      Reply(it->second, std::move(one.bytes), one.position);
    }
    Note(settled, it->second.session);
  }
  Deliver(settled);
}

void Carrier::OnLinkReset(NodeId peer) {
  interrupted_.insert(peer);
  Settle(Outcome::kNotExecuted,
         [&](const Pending& pending) { return pending.leader == peer && !pending.write; });
}

void Carrier::Repeat(NodeId peer, Term term) {
  Forward forward{.term = term, .repeated = true, .start = start_};
  for (const auto& [sequence, pending] : pending_) {
    if (pending.leader == peer && pending.term == term && pending.outcome == Outcome::kNone) {
      forward.commands.push_back(Encode(sequence, pending));
    }
  }
  if (!forward.commands.empty()) wire_.SendToPeer(peer, std::move(forward));
}

void Carrier::OnLeadership(NodeId leader, Term term) {
  Settle(Outcome::kNotExecuted, [&](const Pending& pending) {
    const bool stale = pending.term != term || (leader != NodeId() && pending.leader != leader);
    return stale && !pending.write;
  });
}

store::ReplySink* Carrier::Watch() { return pending_.empty() ? nullptr : watcher_.get(); }

void Carrier::TermApplied(Term term) {
  Settle(Outcome::kNotExecuted, [&](const Pending& pending) { return pending.term < term; });
}

void Carrier::StateReplaced() {
  Settle(Outcome::kUnknown, [](const Pending&) { return true; });
}

void Carrier::Expire(Micros now, Micros timeout) {
  if (now < NextExpiry(timeout)) return;
  Settle(Outcome::kUnknown, [&](const Pending& pending) { return now - pending.at >= timeout; });
}

Micros Carrier::NextExpiry(Micros timeout) const {
  // Sequences were given in order of time. What has an outcome waits for one that has none.
  for (const auto& [sequence, pending] : pending_) {
    if (pending.outcome == Outcome::kNone) return pending.at + timeout;
  }
  return std::numeric_limits<Micros>::max();
}

void Carrier::Forget(Session& session) {
  if (wire_.IsConnected(node_.member().core().leader())) {
    wire_.SendToPeer(node_.member().core().leader(), ForwardClose{session.id});
  }
}

// ---- outcomes ---------------------------------------------------------------------------------

Carrier::Iterator Carrier::FindOpen(uint64_t sequence) {
  const Iterator it = pending_.find(sequence);
  return it != pending_.end() && it->second.outcome == Outcome::kNone ? it : pending_.end();
}

void Carrier::Reply(Pending& pending, std::string bytes, Position position) {
  pending.outcome = Outcome::kReply;
  pending.bytes = std::move(bytes);
  pending.position = position;
}

// One after the other of a session is the rule; a session that is noted twice does no harm.
void Carrier::Note(Sessions& sessions, Session* session) {
  if (sessions.empty() || sessions.back() != session) sessions.push_back(session);
}

template <class Predicate>
void Carrier::Settle(Outcome outcome, Predicate predicate) {
  Sessions settled;
  for (auto& [sequence, pending] : pending_) {
    if (pending.outcome != Outcome::kNone || !predicate(pending)) continue;
    pending.outcome = pending.write ? outcome : Outcome::kNotExecuted;
    Note(settled, pending.session);
  }
  Deliver(settled);
}

void Carrier::Deliver(const Sessions& sessions) {
  for (Session* session : sessions) Deliver(*session);
}

// In the order of the session's requests, as far as it is known what became of them.
void Carrier::Deliver(Session& session) {
  size_t done = 0;
  while (done < session.carried.size()) {
    const Iterator it = pending_.find(session.carried[done]);
    if (it->second.outcome == Outcome::kNone) break;
    if (it->second.outcome == Outcome::kNotExecuted) {
      const Outcome behind = OutcomeBehind(session, done);
      if (behind == Outcome::kNone) break;
      if (behind == Outcome::kNotExecuted) {
        done = GiveBack(session, done);
        break;
      }
    }
    const Pending pending = std::move(it->second);
    pending_.erase(it);
    ++done;
    const resp::Protocol protocol = pending.request.protocol;
    const bool mute = pending.request.mute;
    if (pending.outcome == Outcome::kReply) {
      node_.CarriedReply(session, pending.bytes, mute, pending.position);
    } else if (pending.outcome == Outcome::kUnknown) {
      node_.CarriedUnknown(session, protocol, mute);
    } else {
      node_.CarriedRefused(session, protocol, mute);
    }
  }
  session.carried.erase(session.carried.begin(),
                        session.carried.begin() + static_cast<ptrdiff_t>(done));
}

// Of all that the session sent after this one: kNone if something is still open, kReply if
// something was or may have been executed, else kNotExecuted.
Carrier::Outcome Carrier::OutcomeBehind(const Session& session, size_t at) const {
  Outcome all = Outcome::kNotExecuted;
  for (size_t i = at + 1; i < session.carried.size(); ++i) {
    const Outcome one = pending_.at(session.carried[i]).outcome;
    if (one == Outcome::kNone) return one;
    if (one != Outcome::kNotExecuted) all = Outcome::kReply;
  }
  return all;
}

size_t Carrier::GiveBack(Session& session, size_t from) {
  for (size_t i = from; i < session.carried.size(); ++i) {
    const Iterator it = pending_.find(session.carried[i]);
    Pending pending = std::move(it->second);
    pending_.erase(it);
    node_.CarriedBack(session, std::move(pending.request));
  }
  return session.carried.size();
}

}  // namespace kvorum::server
