// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/peer_core.h"

#include <set>
#include <utility>

#include "base/check.h"
#include "raft/codec.h"
#include "raft/core.h"
#include "raft/invariants.h"

namespace kvorum::fuzz {
namespace {

using model::ByteChoices;

constexpr NodeId kSelf(1);

raft::Options CoreOptions() {
  raft::Options options;
  options.id = kSelf;
  options.bootstrap = {NodeId(1), NodeId(2), NodeId(3)};
  options.election_timeout_us = 1000;
  options.heartbeat_us = 200;
  options.lease_us = 100;
  options.evidence_stagger_us = 20;
  return options;
}

class Life {
 public:
  explicit Life(ByteChoices& in) : in_(in), core_(CoreOptions(), {}, 0) {}

  void Run() {
    for (int turn = 0; turn < 200 && !in_.empty(); ++turn) {
      now_ += static_cast<Micros>(in_.Below(4) == 0 ? in_.Below(3000) : in_.Below(60));
      core_.Tick(now_);
      Check();
      for (uint64_t left = in_.Below(4); left > 0; --left) {
        Input();
        Check();
      }
      core_.Take(output_);
      Check();
      if (in_.Below(4) != 0) core_.Persisted(output_.save.number);
      Check();
    }
  }

 private:
  void Check() {
    invariants_.Check(core_);
    if (core_.IsLeader()) led_.insert(core_.term());
  }

  void Input() {
    switch (in_.Below(16)) {
      case 0:
        (void)core_.Propose(Payload(std::string(in_.Below(40), 'p')));
        return;
      case 1:
        (void)core_.LeaseRead();
        (void)core_.RequestRead();
        return;
      case 2:
        return core_.Applied(core_.commit());
      case 3:
        return SaveSnapshot();
      case 4:
        return core_.PeerUnreachable(Peer());
      case 5:
        (void)core_.TransferLeadership(NodeId(in_.Below(4)));
        return;
      case 6:
        return core_.DropLease();
      case 7:
        return core_.SnapshotDelivered(Peer(), core_.snapshot().index, in_.Below(2) == 0);
      case 8:
        return ReceiveSnapshot();
      case 9:
      case 10: {
        const size_t size = in_.Below(64);
        if (const auto message = raft::Decode(in_.Take(size))) Deliver(Peer(), *message);
        return;
      }
      default:
        Deliver(Peer(), Draw());
    }
  }

  NodeId Peer() { return NodeId(2 + in_.Below(2)); }
  // Near the core's own, mostly.
  Term DrawTerm() { return Term(std::max<uint64_t>(core_.term().value() + in_.Below(4), 2) - 1); }
  Index DrawIndex() {
    const uint64_t last = core_.log().last_index().value();
    return Index(last + 2 - std::min<uint64_t>(in_.Below(8), last + 2));
  }
  Term TermAt(Index index) {
    const raft::Log& log = core_.log();
    if (index < log.base_index() || index > log.last_index() || in_.Below(8) == 0) {
      return Term(in_.Below(core_.term().value() + 1));
    }
    return log.TermAt(index);
  }
  Round DrawRound() { return Round(in_.Below(40)); }

  raft::Message DrawAppend(Term term) {
    raft::Append m{.term = term, .prev_index = DrawIndex(), .commit = DrawIndex()};
    m.prev_term = TermAt(m.prev_index);
    m.round = DrawRound();
    Term previous = m.prev_term;
    for (uint64_t left = in_.Below(5); left > 0; --left) {
      const Index index = m.prev_index + m.entries.size() + 1;
      Term at = TermAt(index);
      if (in_.Below(3) == 0 || at < previous) at = previous;
      if (in_.Below(4) == 0) at = term;
      if (at == Term() || at > term) at = term;
      m.entries.push_back({at, index, raft::EntryType::kBatch, Payload(std::string(3, 'e'))});
      previous = at;
    }
    return m;
  }

  raft::Message Draw() {
    const Term term = DrawTerm();
    switch (in_.Below(13)) {
      case 0:
        return raft::PreVote{term, DrawIndex(), DrawTerm()};
      case 1:
        return raft::PreVoteReply{term, in_.Below(3) != 0};
      case 2:
        return raft::Vote{term, DrawIndex(), DrawTerm(), in_.Below(2) == 0};
      case 3:
        return raft::VoteReply{term, in_.Below(3) != 0};
      case 4:
        return raft::AppendReply{term,        DrawRound(), in_.Below(3) != 0, DrawIndex(),
                                 DrawIndex(), DrawIndex(), DrawTerm()};
      case 5:
        return raft::Heartbeat{term, DrawIndex(), DrawRound()};
      case 6:
        return raft::HeartbeatReply{term, DrawRound()};
      case 7:
        return raft::TimeoutNow{term};
      case 8:
        return raft::InstallSnapshotReply{term, DrawIndex(), in_.Below(10), in_.Below(2) == 0};
      case 9:
        return raft::InstallSnapshot{
            term, {DrawIndex() + 1, DrawTerm(), core_.configuration()}, 0, 10, ""};
      case 10:
        return raft::MatchLost{term, DrawIndex()};
      default:
        return DrawAppend(term);
    }
  }

  static bool IsLeaders(const raft::Message& m) {
    return std::holds_alternative<raft::Append>(m) || std::holds_alternative<raft::Heartbeat>(m) ||
           std::holds_alternative<raft::TimeoutNow>(m) ||
           std::holds_alternative<raft::MatchLost>(m) ||
           std::holds_alternative<raft::InstallSnapshot>(m);
  }

  // See the header: what no peer of this group can say.
  [[nodiscard]] bool Impossible(const raft::Message& m) const {
    if (!IsLeaders(m)) return false;
    if (led_.contains(TermOf(m))) return true;
    const auto* append = std::get_if<raft::Append>(&m);
    if (append == nullptr || append->term < core_.term()) return false;
    if (Contradicts(append->prev_index, append->prev_term)) return true;
    for (const raft::Entry& entry : append->entries) {
      if (Contradicts(entry.index, entry.term)) return true;
    }
    return false;
  }
  [[nodiscard]] bool Contradicts(Index index, Term term) const {
    if (index < core_.log().base_index() || index > core_.commit()) return false;
    return core_.log().TermAt(index) != term;
  }

  void Deliver(NodeId from, const raft::Message& message) {
    // The leader of a term: one of the peers, by its number.
    if (IsLeaders(message)) from = NodeId(2 + TermOf(message).value() % 2);
    if (Impossible(message)) return;
    core_.Step(from, message);
  }

  void SaveSnapshot() {
    const raft::Log& log = core_.log();
    const Index applied = core_.applied();
    if (applied <= core_.snapshot().index) return;
    const uint64_t kept = std::min<uint64_t>(in_.Below(4), applied - log.base_index());
    core_.SnapshotSaved({applied, log.TermAt(applied), core_.configuration()}, applied - kept);
  }

  void ReceiveSnapshot() {
    const Index index = DrawIndex() + in_.Below(3);
    const Term term = Term(in_.Below(core_.term().value() + 1));
    const raft::Log& log = core_.log();
    // Terms do not fall along a log, so a snapshot's term is no older than what is committed.
    if (index <= core_.commit() || term < log.TermAt(core_.commit()) || term == Term()) return;
    (void)core_.SnapshotReceived({index, term, core_.configuration()});
  }

  ByteChoices& in_;
  raft::Core core_;
  raft::InvariantChecker invariants_;
  raft::Output output_;
  std::set<Term> led_;
  Micros now_ = 0;
};

}  // namespace

void LiveAmongLiars(ByteChoices& in) { Life(in).Run(); }

}  // namespace kvorum::fuzz
