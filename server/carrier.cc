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
    found_ = carrier_.pending_.find(origin->sequence);
    if (found_ == carrier_.pending_.end()) return nullptr;  // the leader's reply was faster
    bytes_.clear();
    reply_ = resp::Reply(&bytes_, found_->second.request.protocol);
    return &reply_;
  }
  void End(uint32_t command) override {
    if (found_ == carrier_.pending_.end()) return;
    const Pending pending = std::move(found_->second);
    carrier_.pending_.erase(found_);
    found_ = carrier_.pending_.end();
    const Index index = carrier_.node_.machine().applied() + 1;
    carrier_.node_.CountFromLog();
    carrier_.node_.CarriedReply(*pending.session, bytes_, pending.request.mute,
                                {index, command + 1});
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
  session.forwards_write = write;
  session.forwards_term = term;
  Forward& forward = outgoing_[leader];
  forward.term = term;
  forward.start = start_;
  forward.commands.push_back(Encode(sequence, pending));
}

void Carrier::Send() {
  for (auto& [leader, forward] : outgoing_) wire_.SendToPeer(leader, std::move(forward));
  outgoing_.clear();
}

void Carrier::OnReply(NodeId from, const ForwardReply& reply) {
  if (reply.start != start_) return;
  for (const ForwardedReply& one : reply.replies) {
    const Iterator it = pending_.find(one.sequence);
    if (it == pending_.end() || it->second.leader != from) continue;
    if (one.refused) {
      refused_term_ = std::max(refused_term_, it->second.term);
      GiveBack(it);
      continue;
    }
    const Pending pending = std::move(it->second);
    pending_.erase(it);
    node_.CarriedReply(*pending.session, one.bytes, pending.request.mute, one.position);
  }
}

void Carrier::OnLinkReset(NodeId peer) {
  for (Iterator it = pending_.begin(); it != pending_.end();) {
    const bool read_there = it->second.leader == peer && !it->second.write;
    it = read_there ? GiveBack(it) : std::next(it);
  }
}

void Carrier::OnLinkUp(NodeId peer, Term term) {
  Forward forward{.term = term, .repeated = true, .start = start_};
  for (const auto& [sequence, pending] : pending_) {
    if (pending.leader == peer && pending.term == term) {
      forward.commands.push_back(Encode(sequence, pending));
    }
  }
  if (!forward.commands.empty()) wire_.SendToPeer(peer, std::move(forward));
}

void Carrier::OnLeadership(NodeId leader, Term term) {
  for (Iterator it = pending_.begin(); it != pending_.end();) {
    const bool stale =
        it->second.term != term || (leader != NodeId() && it->second.leader != leader);
    it = stale && !it->second.write ? GiveBack(it) : std::next(it);
  }
}

store::ReplySink* Carrier::Watch() { return pending_.empty() ? nullptr : watcher_.get(); }

void Carrier::TermApplied(Term term) {
  for (Iterator it = pending_.begin(); it != pending_.end();) {
    it = it->second.term < term ? GiveBack(it) : std::next(it);
  }
}

void Carrier::StateReplaced() {
  for (Iterator it = pending_.begin(); it != pending_.end();) {
    it = it->second.write ? GiveUp(it) : GiveBack(it);
  }
}

void Carrier::Expire(Micros now, Micros timeout) {
  // Sequences were given in order of time.
  while (!pending_.empty() && now - pending_.begin()->second.at >= timeout) {
    const Iterator it = pending_.begin();
    if (it->second.write) {
      GiveUp(it);
    } else {
      GiveBack(it);
    }
  }
}

Micros Carrier::NextExpiry(Micros timeout) const {
  return pending_.empty() ? std::numeric_limits<Micros>::max()
                          : pending_.begin()->second.at + timeout;
}

void Carrier::Forget(Session& session) {
  if (wire_.IsConnected(node_.member().core().leader())) {
    wire_.SendToPeer(node_.member().core().leader(), ForwardClose{session.id});
  }
}

Carrier::Iterator Carrier::GiveBack(Iterator it) {
  Pending pending = std::move(it->second);
  it = pending_.erase(it);
  node_.CarriedBack(*pending.session, std::move(pending.request));
  return it;
}

Carrier::Iterator Carrier::GiveUp(Iterator it) {
  const Pending pending = std::move(it->second);
  it = pending_.erase(it);
  node_.CarriedUnknown(*pending.session, pending.request.protocol, pending.request.mute);
  return it;
}

}  // namespace kvorum::server
