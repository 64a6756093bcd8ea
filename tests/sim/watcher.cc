// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/watcher.h"

#include <xxhash.h>

#include <algorithm>
#include <iterator>
#include <optional>

#include "raft/quorum.h"
#include "replica/limits.h"
#include "resp/format.h"
#include "store/envelope.h"
#include "store/families.h"
#include "tests/sim/sim_node.h"
#include "tests/sim/world.h"

namespace kvorum::sim {
namespace {

std::string N(NodeId node) { return "node " + std::to_string(node.value()); }
std::string T(Term term) { return "term " + std::to_string(term.value()); }
std::string I(Index index) { return "index " + std::to_string(index.value()); }

// One state in so many is hashed and compared.
constexpr uint64_t kDigestEvery = 8;
// The clocks of the nodes move in steps of their own, and a machine that stood still for no longer
// than this is not noticed (replica/limits.h): what the drift bound leaves covers it.
constexpr Micros kClockSlackUs = 1'000 + replica::kClockDisagreementUs;

}  // namespace

Watcher::Watcher(World& world) : world_(world) {
  for (const std::span<const store::CommandRow> family : store::StoreFamilies()) {
    commands_.Add(family);
  }
}

void Watcher::Hit(Mark mark) { ++world_.figures().marks[static_cast<size_t>(mark)]; }

bool Watcher::Platter::Holds(Index index, Term term) const {
  if (index <= base) return true;
  const auto it = terms.find(index);
  return it != terms.end() && it->second == term;
}

// ---- lives ------------------------------------------------------------------------------------

void Watcher::Booted(SimNode& node, const raft::Restart& restart) {
  Platter& platter = platters_[node.id()];
  platter.base = restart.base_index;
  platter.terms.clear();
  Term prev = restart.base_term;
  for (const raft::Entry& entry : restart.entries) {
    platter.terms[entry.index] = entry.term;
    SeeEntry(node.id(), entry, std::exchange(prev, entry.term));
  }
  if (restart.vote_barrier != Index()) Hit(Mark::kVoteBarred);
  const Index last = restart.base_index + restart.entries.size();
  const auto before = lives_.find(node.id());
  if (before != lives_.end() && !before->second.terms.empty() &&
      before->second.terms.rbegin()->first > last) {
    Hit(Mark::kUnsyncedLost);
  }
  Life& life = lives_[node.id()] = Life{};
  life.applied = node.node().machine().applied();
  life.term = restart.hard_state.term;
  life.vote_barrier = restart.vote_barrier;
  life.ballot = restart.hard_state;
  life.commit = node.node().member().core().commit();
  hard_states_[node.id()] = restart.hard_state;
}

void Watcher::Crashed(NodeId node) {
  const auto it = lives_.find(node);
  if (it != lives_.end() && it->second.role == raft::RoleKind::kLeader) {
    leader_lost_at_ = world_.events().now();
  }
}

void Watcher::Synced(NodeId node, const std::vector<raft::Save>& saves) {
  Platter& platter = platters_[node];
  for (const raft::Save& save : saves) {
    if (save.hard_state) hard_states_[node] = *save.hard_state;
    if (save.reset_to) {
      platter.base = save.reset_to->index;
      platter.terms.clear();
    }
    if (save.entries.empty()) continue;
    platter.terms.erase(platter.terms.lower_bound(save.entries.front().index), platter.terms.end());
    for (const raft::Entry& entry : save.entries) platter.terms[entry.index] = entry.term;
  }
}

// ---- messages ---------------------------------------------------------------------------------

void Watcher::Voted(NodeId voter, Term term, NodeId candidate) {
  const auto [it, added] = votes_.try_emplace({voter, term}, candidate);
  if (it->second != candidate) {
    world_.Fail(N(voter) + " voted twice in " + T(term) + ": for " + N(it->second) + " and for " +
                N(candidate));
  }
  ExpectDurable(voter, term, candidate);
}

void Watcher::ExpectDurable(NodeId voter, Term term, NodeId candidate) {
  const raft::HardState& durable = hard_states_[voter];
  if (durable.term > term || (durable.term == term && durable.vote == candidate)) return;
  world_.Fail(N(voter) + " votes for " + N(candidate) + " in " + T(term) +
              ", which its disk does not know of");
}

void Watcher::Sent(NodeId from, NodeId to, const server::PeerMessage& message) {
  const auto* raft = std::get_if<raft::Message>(&message);
  if (raft == nullptr) return;
  if (const auto* vote = std::get_if<raft::Vote>(raft)) {
    if (vote->transfer) {
      transfers_.insert({from, vote->term});
    } else if (!votes_.contains({from, vote->term})) {
      ExpectFree(from, vote->term);
    }
    Voted(from, vote->term, from);
    ExpectNoBarrier(from);
  } else if (const auto* reply = std::get_if<raft::VoteReply>(raft)) {
    if (!reply->granted) return;
    Voted(from, reply->term, to);
    ExpectNoBarrier(from);
  } else if (const auto* beat = std::get_if<raft::Heartbeat>(raft)) {
    SentRound(from, beat->term, beat->round);
  } else if (const auto* heard = std::get_if<raft::HeartbeatReply>(raft)) {
    Answered(from, to, heard->term, heard->round, Index());
  } else if (const auto* got = std::get_if<raft::AppendReply>(raft)) {
    Answered(from, to, got->term, got->round, got->ok ? got->match : Index());
  } else if (const auto* holds = std::get_if<raft::InstallSnapshotReply>(raft)) {
    Index& newest = installed_[from];
    if (holds->installed) newest = std::max(newest, holds->index);
  } else if (const auto* pre = std::get_if<raft::PreVoteReply>(raft)) {
    if (!pre->granted && world_.node(from).alive() &&
        world_.node(from).node().member().core().leader() != NodeId()) {
      Hit(Mark::kVoteWhilePromised);
    }
  } else if (const auto* append = std::get_if<raft::Append>(raft)) {
    const raft::Core& core = world_.node(from).node().member().core();
    if (!core.IsLeader() || core.term() != append->term) {
      world_.Fail(N(from) + " sends entries in " + T(append->term) + ", which it does not lead");
    }
    SentRound(from, append->term, append->round);
  }
}

void Watcher::SentRound(NodeId leader, Term term, Round round) {
  Rounds& rounds = rounds_[term];
  rounds.leader = leader;
  rounds.sent_at.try_emplace(round, world_.events().now());
}

// Whoever answers a round lends its leader a lease that began when it was sent.
void Watcher::Answered(NodeId from, NodeId to, Term term, Round round, Index match) {
  Said& said = said_[{from, term}];
  said.round = std::max(said.round, std::min(round, said.heard));
  said.match = std::max(said.match, match);
  const auto rounds = rounds_.find(term);
  if (rounds == rounds_.end() || rounds->second.leader != to) return;
  const auto sent = rounds->second.sent_at.find(round);
  if (sent == rounds->second.sent_at.end()) return;
  Micros& bound = bound_until_[{from, term}];
  bound = std::max(bound, sent->second + LeaseOf(to));
}

Micros Watcher::LeaseOf(NodeId leader) const {
  return world_.node(leader).TrueLength(Micros{world_.plan().lease_ms} * 1000);
}

void Watcher::ExpectFree(NodeId voter, Term term) {
  const auto end = bound_until_.lower_bound({voter, term});
  for (auto it = bound_until_.lower_bound({voter, Term()}); it != end; ++it) {
    const Micros left = it->second - world_.events().now();
    if (left <= kClockSlackUs) continue;
    world_.Fail(N(voter) + " votes in " + T(term) + ", and a lease of " + T(it->first.second) +
                " that it has a part in goes on for " + std::to_string(left) + " us");
  }
}

void Watcher::ExpectNoBarrier(NodeId voter) {
  const SimNode& node = world_.node(voter);
  if (!node.alive()) return;
  const Index barrier = lives_[voter].vote_barrier;
  if (node.node().member().core().commit() >= barrier) return;
  world_.Fail(N(voter) + " votes without what it once had, up to " + I(barrier));
}

void Watcher::Delivered(NodeId from, NodeId to, const server::PeerMessage& message) {
  const auto* raft = std::get_if<raft::Message>(&message);
  if (raft == nullptr) return;
  Life& life = lives_[to];
  const auto heard = [&](Term term, Round round) {
    if (life.role != raft::RoleKind::kLeader || life.term != term) return;
    Round& newest = life.rounds_heard[from];
    newest = std::max(newest, std::min(round, said_[{from, term}].round));
  };
  const auto arrived = [&](Term term, Round round) {
    Round& newest = said_[{to, term}].heard;
    newest = std::max(newest, round);
  };
  if (const auto* beat = std::get_if<raft::Heartbeat>(raft)) arrived(beat->term, beat->round);
  if (const auto* append = std::get_if<raft::Append>(raft)) arrived(append->term, append->round);
  if (const auto* reply = std::get_if<raft::HeartbeatReply>(raft)) heard(reply->term, reply->round);
  if (const auto* reply = std::get_if<raft::AppendReply>(raft)) heard(reply->term, reply->round);
  if (!std::holds_alternative<raft::InstallSnapshot>(*raft)) return;
  if (life.snapshot_from != NodeId() && life.snapshot_from != from) {
    Hit(Mark::kSnapshotAcrossLeaders);
  }
  life.snapshot_from = from;
}

// ---- after a turn -----------------------------------------------------------------------------

std::vector<raft::Configuration> Watcher::ConfigurationsInUse() const {
  // Who starts from a snapshot says that its configuration is of the snapshot's index, which is
  // later than that of the entry: the entry before it is what is in force.
  Index in_force;
  for (const auto& [at, configuration] : configurations_) {
    if (at.first <= committed_configuration_) in_force = std::max(in_force, at.first);
  }
  std::vector<raft::Configuration> found;
  for (const auto& [at, configuration] : configurations_) {
    if (at.first >= in_force) found.push_back(configuration);
  }
  return found;
}

void Watcher::TurnEnded(SimNode& node) {
  Life& life = lives_[node.id()];
  const raft::Core& core = node.node().member().core();
  if (core.configuration_index() <= core.commit()) {
    committed_configuration_ = std::max(committed_configuration_, core.configuration_index());
  }
  SeeLog(node, life, core);
  SeeCommitRule(node, life, core);
  SeeVote(node, life, core);
  SeeRole(node, life, core);
  SeeKnowledge(node.id(), core);
  SeeLease(node, life, core);
  SeeCommit(node.id(), core);
  SeeApplied(node, life);
  SeeCounters(node, life);
}

// 3.6.2: whoever leads commits by counting only what is of its own term, and the rest with it.
void Watcher::SeeCommitRule(SimNode& node, const Life& life, const raft::Core& core) {
  const bool led = life.role == raft::RoleKind::kLeader && life.term == core.term();
  if (!led || !core.IsLeader() || core.commit() == life.commit) return;
  if (core.log().TermAt(core.commit()) == core.term()) return;
  world_.Fail(N(node.id()) + " leads " + T(core.term()) + " and commits " + I(core.commit()) +
              " of " + T(core.log().TermAt(core.commit())) + " by counting");
}

// The vote for oneself is looked at when others are asked: only then it is known what for.
void Watcher::SeeVote(SimNode& node, Life& life, const raft::Core& core) {
  const raft::HardState ballot{core.term(), core.vote()};
  if (ballot == life.ballot) return;
  life.ballot = ballot;
  const bool other = ballot.vote != NodeId() && ballot.vote != node.id();
  if (other && !transfers_.contains({ballot.vote, ballot.term})) {
    ExpectFree(node.id(), ballot.term);
  }
}

// What a leader believes of a peer, that peer has said, and to the leader of this term.
void Watcher::SeeKnowledge(NodeId node, const raft::Core& core) {
  if (!core.IsLeader()) return;
  for (const NodeId peer : core.configuration().Members()) {
    const raft::Progress* progress = core.ProgressOf(peer);
    if (progress == nullptr) continue;
    const Said& said = said_[{peer, core.term()}];
    if (progress->acked_round() > said.round) {
      world_.Fail(N(node) + " takes a round of " + T(core.term()) + " for answered by " + N(peer) +
                  ", which has not answered it");
    }
    if (progress->match() > std::max(said.match, installed_[peer])) {
      world_.Fail(N(node) + " in " + T(core.term()) + " believes " + N(peer) + " to hold " +
                  I(progress->match()) + ", which that has not said");
    }
  }
}

// By our own account: counted from when the newest round was sent that a majority has answered.
void Watcher::SeeLease(SimNode& node, Life& life, const raft::Core& core) {
  const uint64_t reads = node.node().member().stats().reads_by_lease.Get();
  const uint64_t read_before = std::exchange(life.reads_by_lease, reads);
  const Index before = std::exchange(life.lease_configuration, core.configuration_index());
  if (!core.IsLeader() || core.configuration().IsSoleVoter(node.id())) return;
  const auto newest_by = [&](const raft::Configuration& configuration) {
    return raft::QuorumValue(configuration, [&](NodeId voter) {
      return voter == node.id() ? Round::Max() : life.rounds_heard[voter];
    });
  };
  // A round counts that the voters of its time have answered. Their promise outlives a change: who
  // is elected by those that come needs them too, or an entry that these have answered later.
  Round newest = newest_by(core.configuration());
  const raft::Configuration& former = core.ConfigurationAt(before);
  const bool alone = former.IsSoleVoter(node.id());
  if (!alone && !former.voters.empty()) newest = std::max(newest, newest_by(former));
  newest = life.lease_round = std::max(newest, life.lease_round);
  if (alone) life.alone_until = world_.events().now() + LeaseOf(node.id());
  if (reads == read_before || world_.events().now() <= life.alone_until) return;
  const std::map<Round, Micros>& sent_at = rounds_[core.term()].sent_at;
  const auto behind = sent_at.upper_bound(newest);
  const Micros end = behind == sent_at.begin() ? 0 : std::prev(behind)->second + LeaseOf(node.id());
  const Micros over = world_.events().now() - end;
  if (over <= kClockSlackUs) return;
  world_.Fail(N(node.id()) + " reads in " + T(core.term()) + " on a lease that is over since " +
              std::to_string(over) + " us; the newest round that a majority has answered is " +
              std::to_string(newest.value()));
}

void Watcher::SeeEntry(NodeId node, const raft::Entry& entry, Term prev_term) {
  const std::string_view bytes = entry.payload.view();
  const uint64_t hash = XXH3_64bits_withSeed(
      bytes.data(), bytes.size(), prev_term.value() * 31 + static_cast<uint64_t>(entry.type));
  const auto [it, added] = entries_.try_emplace({entry.index, entry.term}, hash);
  if (added && entry.type == raft::EntryType::kConfig) {
    membership_changed_ = true;
    configurations_[{entry.index, entry.term}] = *raft::DecodeConfiguration(bytes);
    world_.Trace("a configuration at " + I(entry.index) + " of " + T(entry.term));
    if (!raft::DecodeConfiguration(bytes)->IsJoint()) Hit(Mark::kMembersChanged);
  }
  if (it->second != hash) {
    world_.Fail(N(node) + " has another entry at " + I(entry.index) + " of " + T(entry.term));
  }
}

// At first sight, in the turn in which it was proposed.
void Watcher::SeeRaise(NodeId node, const raft::Core& core, const raft::Entry& entry) {
  if (entry.type != raft::EntryType::kBatch) return;
  const std::optional<store::FeatureRaise> raise = store::FeatureRaiseIn(entry.payload.view());
  if (!raise) return;
  world_.Trace(N(node) + " raises the feature level at " + I(entry.index));
  for (const NodeId id : core.ConfigurationAt(entry.index).Members()) {
    if (world_.node(id).FeatureCan() >= raise->level) continue;
    world_.Fail(N(node) + " raises the feature level to " + std::to_string(raise->level) + " at " +
                I(entry.index) + ", which " + N(id) + " cannot do");
  }
}

void Watcher::SeeRelease(const SimNode& node, Index applied) {
  const bool old = node.release() == Release::kOld;
  Index& own = old ? applied_by_old_ : applied_by_new_;
  own = std::max(own, applied);
  if (applied <= (old ? applied_by_new_ : applied_by_old_)) Hit(Mark::kReleasesMixed);
}

// What a later level brought is refused before it is proposed.
void Watcher::ExpectKnown(const check::LogCommand& command, Index index) {
  if (command.argv.front() == "FEATURE-LEVEL") {
    if (world_.plan().release != Release::kNew) Hit(Mark::kFeatureRaised);
    level_ = std::max(level_, static_cast<store::FeatureLevel>(std::stoi(command.argv[1])));
  }
  const std::vector<std::string_view> argv(command.argv.begin(), command.argv.end());
  std::string error;
  resp::Reply reply(&error, resp::Protocol::kResp2);
  const store::CommandRow* row = commands_.Resolve(argv, reply);
  if (row == nullptr || row->check == nullptr || row->check(argv, level_, reply)) return;
  world_.Fail(command.argv.front() + " is in the log at " + I(index) +
              " in a form that feature level " + std::to_string(level_) + " refuses");
}

// Only what is new since the last turn: from the top down to where both agree.
void Watcher::SeeLog(SimNode& node, Life& life, const raft::Core& core) {
  const raft::Log& log = core.log();
  life.terms.erase(life.terms.begin(), life.terms.upper_bound(log.base_index()));
  Index agreed = log.last_index();
  while (agreed > log.base_index()) {
    const auto it = life.terms.find(agreed);
    if (it != life.terms.end() && it->second == log.TermAt(agreed)) break;
    agreed = agreed - 1;
  }
  if (core.configuration_index() < life.configuration) Hit(Mark::kMembersRolledBack);
  life.configuration = core.configuration_index();
  for (auto it = life.terms.upper_bound(agreed); it != life.terms.end();) {
    Hit(Mark::kLogTruncated);
    const auto committed = committed_terms_.find(it->first);
    if (committed != committed_terms_.end() && committed->second == it->second &&
        !IsDamaged(node.id())) {
      world_.Fail(N(node.id()) + " dropped a committed entry at " + I(it->first));
    }
    if (it->first <= log.last_index() && log.TermAt(it->first) < it->second) {
      Hit(Mark::kOlderTermWon);
    }
    it = life.terms.erase(it);
  }
  for (Index i = agreed + 1; i <= log.last_index(); ++i) {
    life.terms[i] = log.TermAt(i);
    if (!entries_.contains({i, log.TermAt(i)})) SeeRaise(node.id(), core, log.At(i));
    SeeEntry(node.id(), log.At(i), log.TermAt(i - 1));
  }
}

void Watcher::SeeRole(SimNode& node, Life& life, const raft::Core& core) {
  const bool was_leader = life.role == raft::RoleKind::kLeader;
  if (core.IsLeader() && (!was_leader || life.term != core.term())) SeeLeader(node.id(), core);
  if (was_leader && !core.IsLeader()) {
    leader_lost_at_ = world_.events().now();
    if (!core.configuration().IsVoter(node.id())) {
      Hit(Mark::kLeaderRemoved);
    } else if (core.term() == life.term && !life.transferring) {
      Hit(Mark::kCheckQuorum);
    }
  }
  if (!core.IsLeader() || life.term != core.term()) {
    life.rounds_heard.clear();
    life.lease_round = Round();
    life.alone_until = 0;
  }
  life.role = core.role();
  life.term = core.term();
  life.commit = core.commit();
  life.transferring = core.IsTransferring();
}

void Watcher::SeeLeader(NodeId node, const raft::Core& core) {
  const auto [it, added] = leaders_.try_emplace(core.term(), node);
  if (!added) {
    world_.Fail("two leaders in " + T(core.term()) + ": " + N(it->second) + " and " + N(node));
    return;
  }
  ExpectDurable(node, core.term(), node);
  std::vector<NodeId> elected_by{node};
  for (const auto& [vote, candidate] : votes_) {
    if (candidate == node && vote.second == core.term() && vote.first != node) {
      elected_by.push_back(vote.first);
    }
  }
  if (!raft::IsQuorum(core.configuration(), elected_by)) {
    world_.Fail(N(node) + " leads " + T(core.term()) + " without the votes of a quorum");
  }
  ++world_.figures().elections;
  world_.Trace(N(node) + " leads " + T(core.term()));
  // Late votes may make a leader of a term that is over: it need not have what later ones
  // committed.
  const raft::Log& log = core.log();
  Index newest = committed_;
  while (newest > Index() && committed_in_[newest] >= core.term()) newest = newest - 1;
  if (newest > log.base_index() &&
      (newest > log.last_index() || log.TermAt(newest) != committed_terms_[newest])) {
    world_.Fail(N(node) + " leads " + T(core.term()) + " without the committed entry at " +
                I(newest));
  }
  if (core.configuration().IsJoint()) Hit(Mark::kJointTakenOver);
  if (transfers_.contains({node, core.term()})) {
    Hit(Mark::kTransferred);
  } else if (leader_lost_at_ != 0) {
    const Micros took = world_.events().now() - leader_lost_at_;
    Hit(took < Micros{world_.plan().election_ms} * 1000 ? Mark::kElectionOnEvidence
                                                        : Mark::kElectionOnTimeout);
  }
  const Term before(core.term().value() - 1);
  if (before != Term() && !leaders_.contains(before)) {
    for (const NodeId id : world_.Ids()) {
      if (!votes_.contains({id, before})) continue;
      Hit(Mark::kSplitVote);
      break;
    }
  }
}

// By the configuration at that entry, or by one that was in the log already when it was committed.
bool Watcher::OnQuorum(const raft::Core& core, Index index) const {
  std::vector<NodeId> holders;
  for (const auto& [id, platter] : platters_) {
    if (platter.Holds(index, core.log().TermAt(index)) || IsDamaged(id)) holders.push_back(id);
  }
  if (raft::IsQuorum(core.ConfigurationAt(index), holders)) return true;
  for (Index later = index + 1; later <= core.log().last_index(); ++later) {
    if (core.log().At(later).type == raft::EntryType::kConfig &&
        raft::IsQuorum(core.ConfigurationAt(later), holders)) {
      return true;
    }
  }
  return false;
}

// Whoever is first to know that an entry is committed: it must be on the platters of a majority.
void Watcher::SeeCommit(NodeId node, const raft::Core& core) {
  const raft::Log& log = core.log();
  if (core.IsLeader() && core.commit() > log.durable_index()) Hit(Mark::kDurableByFollowers);
  for (Index i = std::max(committed_ + 1, log.base_index() + 1); i <= core.commit(); ++i) {
    const Term term = log.TermAt(i);
    if (!OnQuorum(core, i)) {
      world_.Fail(N(node) + " holds " + I(i) + " of " + T(term) +
                  " for committed, but no majority of disks has it");
    }
    if (term < core.term() && core.IsLeader()) Hit(Mark::kOldTermCommitted);
    committed_terms_[i] = term;
    committed_in_[i] = core.term();
    Record(log.At(i));
    ++world_.figures().entries;
  }
  committed_ = std::max(committed_, core.commit());
}

void Watcher::Record(const raft::Entry& entry) {
  if (entry.type != raft::EntryType::kBatch) return;
  store::EnvelopeReader reader(entry.payload.view());
  check::LogEntry& kept = log_[entry.index];
  kept.wall_ms = reader.wall();
  store::EnvelopeCommand command;
  while (reader.Next(command)) {
    check::LogCommand& copy = kept.commands.emplace_back();
    copy.database = command.database;
    std::string name(store::StoreIndex().Find(command.opcode)->name);
    for (char& c : name) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    copy.argv.push_back(std::move(name));
    copy.argv.insert(copy.argv.end(), command.args.begin() + 1, command.args.end());
    ExpectKnown(copy, entry.index);
  }
}

void Watcher::SeeApplied(SimNode& node, Life& life) {
  const replica::Member& member = node.node().member();
  const Index applied = member.applied();
  if (applied == life.applied) return;
  const raft::Log& log = member.core().log();
  if (life.applied + 1 <= log.base_index()) {
    Hit(Mark::kSnapshotInstalled);
    life.snapshot_from = NodeId();
    world_.Trace(N(node.id()) + " restored a snapshot, applied " + I(applied));
    life.applied = std::min(applied, log.base_index());
  }
  for (Index i = life.applied + 1; i <= applied; ++i) {
    const auto committed = committed_terms_.find(i);
    if (committed != committed_terms_.end() && committed->second != log.TermAt(i)) {
      world_.Fail(N(node.id()) + " applied another entry at " + I(i));
    }
  }
  world_.Trace("a" + std::to_string(node.id().value()) + ":" + std::to_string(applied.value()));
  life.applied = applied;
  SeeRelease(node, applied);
  if (applied.value() % kDigestEvery != 0) return;
  const uint64_t digest = node.Digest();
  const auto [it, added] = digests_.try_emplace(applied, digest);
  if (!added) ++world_.figures().digests;
  if (it->second != digest) {
    world_.Fail(N(node.id()) + " has another state at " + I(applied) + " than others had");
  }
}

void Watcher::SeeCounters(SimNode& node, Life& life) {
  const server::Node& server = node.node();
  const replica::MemberStats& stats = server.member().stats();
  const uint64_t failed = stats.proposals_failed.Get();
  const uint64_t indoubt = server.stats().indoubt.Get();
  if (failed > life.proposals_failed && indoubt == life.indoubt) Hit(Mark::kRequeued);
  if (indoubt > life.indoubt) Hit(Mark::kInDoubt);
  if (!server.watch().equal_at().empty()) Hit(Mark::kStateCompared);
  if (server.watch().stats().divergences.Get() > 0) {
    world_.Fail(N(node.id()) + " takes equal states for different ones");
  }
  life.proposals_failed = failed;
  life.indoubt = indoubt;
  const uint64_t quorum = stats.reads_by_quorum.Get();
  if (quorum > life.reads_by_quorum) {
    Hit(Mark::kQuorumRead);
    if (world_.plan().lease_reads) Hit(Mark::kLeaseLapsed);
  }
  life.reads_by_quorum = quorum;
}

}  // namespace kvorum::sim
