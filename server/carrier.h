// SPDX-License-Identifier: Apache-2.0
//
// Carries commands of this node's clients to the leader and learns what became of each, exactly
// once, even when the leader dies.
//
//   Carry -> [pending] -- the leader's reply ---------------------> reply
//                |------- the leader refuses ---------------------> not executed: decided anew
//                |------- its id is applied in our own log -------> reply, computed here
//                |------- an entry of a newer term is applied ----> can never be: decided anew
//                |------- a read, and the link or leader is gone -> no effect: decided anew
//                |------- our state was replaced by a snapshot ---> INDOUBT
//                '------- nothing of all that in time ------------> INDOUBT
//
// Why the newer term decides: terms only grow along a log, and the leader it was sent to appends it
// under its own term or refuses it (Forward::term).
//
// Outcomes come out of order: the leader's answer to a command that was repeated over a new link
// may be here before the log has told what became of the one before it. So an outcome is kept until
// those of all earlier commands of its session are known, and what was not executed is decided anew
// only if nothing behind it was.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/stats.h"
#include "base/time.h"
#include "server/peer_message.h"
#include "server/session.h"
#include "store/machine.h"

namespace kvorum::server {

class Node;
class PeerWire;

class Carrier {
 public:
  // `self` and `start` make the origin ids.
  Carrier(Node& node, PeerWire& wire, NodeId self, uint64_t start);
  ~Carrier();

  // Takes the request on; its outcome comes through the Node's Carried... calls. The caller has
  // made sure that everything pending for the session is of the same kind and term.
  void Carry(Session& session, const Request& request, bool write, NodeId leader, Term term,
             Micros now);
  // Sends what was collected in this turn. After a lost link that is all that is open: the leader
  // may not have got it, and knows what it has only as long as nothing newer overtakes it.
  void Send();

  void OnReply(NodeId from, ForwardReply reply);
  void OnLinkReset(NodeId peer);
  void OnLeadership(NodeId leader, Term term);
  // nullptr when nothing is pending.
  store::ReplySink* Watch();
  void TermApplied(Term term);
  void StateReplaced();
  // Nothing waits longer for its outcome.
  void Expire(Micros now, Micros timeout);
  [[nodiscard]] Micros NextExpiry(Micros timeout) const;
  // The client is gone; its commands may still take effect.
  void Forget(Session& session);
  // The leader of this term has refused: wait for the next one instead of asking again.
  [[nodiscard]] bool Refused(Term term) const { return term == refused_term_; }
  [[nodiscard]] size_t pending() const { return pending_.size(); }
  [[nodiscard]] uint64_t start() const { return start_; }

 private:
  enum class Outcome : uint8_t {
    kNone,
    kReply,
    kNotExecuted,
    kUnknown,
  };
  struct Pending {
    Session* session;
    OwnedRequest request;
    bool write = false;
    NodeId leader;
    Term term;
    Micros at = 0;
    Outcome outcome = Outcome::kNone;
    std::string bytes;  // kReply
    Position position;
  };
  class LogWatcher;
  using Iterator = std::map<uint64_t, Pending>::iterator;
  using Sessions = std::vector<Session*>;  // something of theirs has got an outcome

  // Nothing has been heard of it yet.
  Iterator FindOpen(uint64_t sequence);
  static void Reply(Pending& pending, std::string bytes, Position position);
  // Writes get `outcome`; reads have no effect and can always be decided anew.
  template <class Predicate>
  void Settle(Outcome outcome, Predicate predicate);
  static void Note(Sessions& sessions, Session* session);
  void Deliver(const Sessions& sessions);
  void Deliver(Session& session);
  [[nodiscard]] Outcome OutcomeBehind(const Session& session, size_t at) const;
  size_t GiveBack(Session& session, size_t from);
  void Repeat(NodeId peer, Term term);
  ForwardedCommand Encode(uint64_t sequence, const Pending& pending) const;

  Node& node_;
  PeerWire& wire_;
  NodeId self_;
  uint64_t start_;
  uint64_t last_sequence_ = 0;
  Term refused_term_;
  std::map<uint64_t, Pending> pending_;  // by sequence
  std::map<NodeId, Forward> outgoing_;
  std::set<NodeId> interrupted_;  // nothing is sent there before what may have been lost
  std::unique_ptr<LogWatcher> watcher_;
};

}  // namespace kvorum::server
