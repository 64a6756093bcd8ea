// SPDX-License-Identifier: Apache-2.0
#include "replica/member.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/check.h"
#include "raft/limits.h"
#include "replica/limits.h"
#include "store/envelope.h"

namespace kvorum::replica {
namespace {

// How long to wait after a snapshot that failed: a full disk is not asked every turn.
constexpr Micros kSnapshotRetryUs = 1'000'000;
// A leader tries to hand over no more often than once in so many election timeouts.
constexpr Micros kHandOverEvery = 10;
// For so long, whoever was too sick to lead does not ask for leadership back.
constexpr Micros kConvalescenceUs = 60'000'000;
// What an entry costs in the log besides its payload, for deciding when to compact.
constexpr size_t kEntryOverheadBytes = 64;

size_t LogCost(const raft::Log& log) {
  return log.bytes() + kEntryOverheadBytes * (log.last_index() - log.base_index());
}

}  // namespace

Member::Member(const Options& options, raft::Restart restart, store::Machine& machine,
               disk::SnapshotStore& snapshots, const Seams& seams, Now now)
    : options_(options),
      machine_(machine),
      seams_(seams),
      core_(options.raft, std::move(restart), now.boot_us),
      now_(now),
      seen_feature_(machine.feature_level()),
      owed_(core_.MayVote() ? Index() : core_.vote_barrier()),
      snapshot_tried_at_(now.boot_us),
      applied_at_(now.boot_us),
      health_(options.raft.heartbeat_us),
      saved_to_(core_.log().last_index()),
      taker_(machine, snapshots, seams.background,
             [this](const raft::SnapshotMeta& meta) { OnSnapshotWritten(meta); }),
      streams_(
          snapshots, seams.background, seams.transport,
          [this](NodeId peer, Index index, bool installed) {
            core_.SnapshotDelivered(peer, index, installed);
            Tell("snapshot-sent", {{"to", peer.value()},
                                   {"index", index.value()},
                                   {"result", installed ? "installed" : "failed"}});
          },
          [this](Index index) { suspect_ = index; }),
      inbox_(snapshots, seams.background,
             {.progress =
                  [this](NodeId from, Index index, uint64_t received) {
                    seams_.transport.Send(
                        from, raft::InstallSnapshotReply{core_.term(), index, received, false});
                  },
              .complete =
                  [this](NodeId from, const raft::SnapshotMeta& meta,
                         std::shared_ptr<disk::SnapshotReader> reader) {
                    OnSnapshotReceived(from, meta, std::move(reader));
                  }}) {
  KV_CHECK(machine_.applied() == core_.applied());
  streams_.SetRate(options.snapshot_rate);
}

Member::~Member() = default;

void Member::BeginTurn(Now now) {
  // A pause that only one of the clocks has noticed (a suspended virtual machine) may have outlived
  // the lease.
  const Micros boot_passed = now.boot_us - now_.boot_us;
  const Micros wall_passed = (now.wall_ms - now_.wall_ms) * 1000;
  if (std::abs(wall_passed - boot_passed) > kClockDisagreementUs) {
    core_.DropLease();
    stats_.leases_dropped.Add();
    if (core_.IsLeader()) Tell("lease-dropped", {{"why", "clocks disagree"}});
  }
  now_ = now;
  const bool convalescent = now.boot_us < sick_until_ && !core_.IsLeader();
  core_.SetPriority(convalescent ? 0 : options_.raft.priority);
  if (core_.IsLeader()) {
    health_.TurnBegins(now.boot_us, core_.NextWakeup(), core_.election_timeout_us());
  } else {
    health_.Forgive();
  }
  core_.Tick(now.boot_us);
}

void Member::EndTurn() {
  MaybeRaiseFeature();
  ProposePulse();
  HandOverIfSick();
  HandOverIfWished();
  AnswerFollowers();
  CarryOut();
  AskLeader();
  TellThatItIsBusy();
  // The others need not wait for what is applied here.
  seams_.transport.SendNow();
  ApplyCommitted();
  ExpireProposals();
  NoticeLeadership();
  ServeReads();
  streams_.Tick(now_.boot_us, core_.election_timeout_us());
  MaybeTakeSnapshot();
  taker_.Step(now_.boot_us);
  housekeeping_ = machine_.Housekeep(kHousekeepKeysPerTurn);
}

bool Member::WantsTurn() const {
  const bool backlog = restore_ == nullptr && !halted_ && machine_.applied() < core_.commit();
  return backlog || housekeeping_ || taker_.WantsTurn();
}

Micros Member::NextWakeup() const {
  Micros next = std::min({core_.NextWakeup(), streams_.NextWakeup(), taker_.NextWakeup()});
  if (!proposals_.empty()) {
    next = std::min(next, proposals_.front().at + options_.indoubt_timeout_us);
  }
  if (!reads_.empty() && reads_.back().asked != ReadId()) {
    next = std::min(next, asked_at_ + options_.raft.heartbeat_us);
  }
  // Past it, a snapshot that failed is tried again when there is a turn.
  if (const std::optional<Micros> quiet = QuietCutAt(); quiet && *quiet > now_.boot_us) {
    next = std::min(next, *quiet);
  }
  if (core_.IsReadyLeader()) {
    if (const std::optional<UnixMs> deadline = machine_.next_deadline()) {
      const UnixMs away_ms = std::clamp<UnixMs>(*deadline - now_.wall_ms, 1, 3'600'000);
      next = std::min(next, now_.boot_us + away_ms * 1000);
    }
  }
  return next;
}

void Member::Receive(NodeId from, raft::Message message) {
  if (auto* piece = std::get_if<raft::InstallSnapshot>(&message)) {
    if (!core_.AcceptSnapshotPiece(from, *piece)) return;
    if (piece->meta.index <= core_.commit()) {
      after_turn_.push_back(
          {from, raft::InstallSnapshotReply{core_.term(), piece->meta.index, piece->total, true}});
    } else {
      inbox_.Add(from, std::move(*piece));
    }
    return;
  }
  if (const auto* ask = std::get_if<raft::ReadIndex>(&message)) {
    asked_.push_back({from, *ask, ReadId()});  // answered at the end of the turn: it came before
    return;
  }
  if (const auto* reply = std::get_if<raft::ReadIndexReply>(&message)) {
    if (reply->life != options_.life) return;
    core_.LearnCommit(from, reply->term, reply->index);
    ReadPointKnown(&WaitingRead::asked, reply->id, reply->index);
    return;
  }
  core_.Step(from, message);
  if (const auto* reply = std::get_if<raft::InstallSnapshotReply>(&message)) {
    if (core_.IsLeader()) streams_.OnReply(from, *reply, now_.boot_us);
  }
}

void Member::Persisted(BatchNumber number) {
  persisted_ = std::max(persisted_, number);
  health_.Persisted(number);
  core_.Persisted(number);
  while (!durable_.empty() && durable_.front().after <= persisted_) {
    raft::Outgoing& outgoing = durable_.front().outgoing;
    seams_.transport.Send(outgoing.to, std::move(outgoing.message));
    durable_.pop_front();
  }
}

std::optional<raft::ProposeError> Member::Propose(const Payload& envelope, ProposalId id) {
  const raft::ProposeResult result = core_.Propose(envelope);
  if (const auto* error = std::get_if<raft::ProposeError>(&result)) return *error;
  const auto& at = std::get<raft::Proposed>(result);
  proposals_.push_back({id, at.term, at.index, now_.boot_us});
  return std::nullopt;
}

// ---- reads ------------------------------------------------------------------------------------

ReadStart Member::StartRead() {
  if (!core_.IsLeader()) return StartReadAtFollower();
  if (options_.lease_reads) {
    if (const std::optional<Index> index = core_.LeaseRead()) {
      stats_.reads_by_lease.Add();
      if (reads_.empty() && machine_.applied() >= *index) return ReadNow{};
      reads_.push_back({++last_ticket_, ReadId(), ReadId(), *index});
      return ReadLater{last_ticket_};
    }
  }
  const ReadId id = *core_.RequestRead();
  stats_.reads_by_quorum.Add();
  if (reads_.empty() || reads_.back().id != id) {
    reads_.push_back({++last_ticket_, id, ReadId(), Index()});
  }
  return ReadLater{last_ticket_};
}

ReadStart Member::StartReadAtFollower() {
  if (core_.leader() == NodeId() || restore_ != nullptr) return ReadElsewhere{};
  stats_.reads_by_leader.Add();
  if (!std::exchange(asks_, true)) ++last_asked_;
  if (reads_.empty() || reads_.back().asked != last_asked_) {
    reads_.push_back({++last_ticket_, ReadId(), last_asked_, Index()});
  }
  return ReadLater{last_ticket_};
}

// One question for all reads that have not got their answer. It is repeated until it is answered:
// messages get lost.
void Member::AskLeader() {
  const bool open = !reads_.empty() && reads_.back().asked != ReadId();
  const bool again = open && now_.boot_us - asked_at_ >= options_.raft.heartbeat_us;
  if (!std::exchange(asks_, false) && !again) return;
  const NodeId leader = core_.leader();
  if (leader == NodeId() || core_.IsLeader()) return;
  asked_at_ = now_.boot_us;
  seams_.transport.Send(leader, raft::ReadIndex{core_.term(), options_.life, last_asked_});
}

// For a leader, a learner keeps up when its disk does (4.2.1). One that is promoted while it loads
// a snapshot keeps everybody waiting for as long as that takes.
void Member::TellThatItIsBusy() {
  const bool busy =
      restore_ != nullptr || core_.commit() - machine_.applied() > kApplyEntriesPerTurn;
  if (!busy || core_.IsLeader() || core_.leader() == NodeId()) return;
  if (core_.configuration().IsVoter(core_.id())) return;
  if (now_.boot_us - told_busy_at_ < options_.raft.heartbeat_us) return;
  told_busy_at_ = now_.boot_us;
  seams_.transport.Send(core_.leader(), raft::InstallSnapshotReply{.term = core_.term()});
}

// The same proof of leadership as for reads of our own, and it begins after the question was heard.
void Member::AnswerFollowers() {
  for (Asked& asked : asked_) {
    if (asked.id != ReadId() || !core_.IsLeader() || asked.ask.term != core_.term()) continue;
    if (const std::optional<Index> index =
            options_.lease_reads ? core_.LeaseRead() : std::nullopt) {
      seams_.transport.Send(
          asked.from, raft::ReadIndexReply{core_.term(), asked.ask.life, asked.ask.id, *index});
    } else {
      asked.id = *core_.RequestRead();
    }
  }
  std::erase_if(asked_, [](const Asked& asked) { return asked.id == ReadId(); });
}

void Member::ReadPointKnown(ReadId WaitingRead::* who, ReadId up_to, Index index) {
  for (WaitingRead& waiting : reads_) {
    if (waiting.*who == ReadId() || waiting.*who > up_to) continue;
    waiting.*who = ReadId();
    waiting.index = index;
  }
}

void Member::ServeReads() {
  ReadTicket ready = 0;
  while (!reads_.empty() && reads_.front().known() && reads_.front().index <= machine_.applied()) {
    ready = reads_.front().ticket;
    reads_.pop_front();
  }
  if (ready != 0) seams_.clients.ReadsReady(ready);
}

// ---- what the core decided --------------------------------------------------------------------

// Keys expire by the log's time: when a deadline passes and nobody writes, time itself is proposed.
void Member::ProposePulse() {
  if (!core_.IsReadyLeader() || !proposals_.empty() || pulse_ > machine_.applied()) return;
  const std::optional<UnixMs> deadline = machine_.next_deadline();
  const bool expired = deadline && *deadline <= std::max(now_.wall_ms, machine_.log_time());
  // A snapshot in place of a damaged one needs an entry that the damaged one does not have.
  const bool retake = SnapshotSuspect() && machine_.applied() == core_.snapshot().index;
  if (!expired && !retake) return;
  const raft::ProposeResult result =
      core_.Propose(Payload(store::EnvelopeWriter().Finish(now_.wall_ms, 0)));
  if (const auto* at = std::get_if<raft::Proposed>(&result)) {
    pulse_ = at->index;
    stats_.pulses_proposed.Add();
  }
}

// ---- the feature level ------------------------------------------------------------------------

void Member::PeerCan(NodeId peer, store::FeatureLevel level) {
  if (core_.IsLeader()) features_.Told(peer, level, now_.boot_us);
}

std::optional<store::FeatureLevel> Member::FeatureOf(NodeId member) const {
  if (member == core_.id()) return options_.feature_can;
  return features_.Of(member, now_.boot_us);
}

store::FeatureLevel Member::FeatureDemanded() const {
  const store::FeatureLevel level = machine_.feature_level();
  return raise_ > machine_.applied() ? std::max(level, raised_to_) : level;
}

// Behind the configuration in force, committed or not: if that is undone, so is the raise.
void Member::MaybeRaiseFeature() {
  if (!Serves() || !KnowsFeatureLevel() || raise_ > machine_.applied()) return;
  if (options_.feature_can <= machine_.feature_level()) return;
  const std::optional<store::FeatureLevel> common =
      features_.Common(core_.configuration(), core_.id(), options_.feature_can, now_.boot_us);
  if (!common || *common <= machine_.feature_level()) return;
  const raft::ProposeResult result =
      core_.Propose(Payload(store::EncodeFeatureRaise(*common, now_.wall_ms)));
  if (const auto* at = std::get_if<raft::Proposed>(&result)) {
    raise_ = at->index;
    raised_to_ = *common;
    Tell("feature-level-proposed", {{"level", uint64_t{*common}}, {"index", at->index.value()}});
  }
}

void Member::NoticeFeature() {
  if (machine_.feature_level() == seen_feature_) return;
  seen_feature_ = machine_.feature_level();
  Tell("feature-level",
       {{"level", uint64_t{seen_feature_}}, {"index", machine_.applied().value()}});
}

void Member::CarryOut() {
  core_.Take(output_);
  const BatchNumber number = output_.save.number;
  if (!output_.save.empty()) {
    NoticeSave(output_.save);
    seams_.disk.Save(std::move(output_.save));
  }
  for (raft::Outgoing& outgoing : output_.send_now) {
    seams_.transport.Send(outgoing.to, std::move(outgoing.message));
  }
  for (std::vector<raft::Outgoing>* list : {&output_.send_durable, &after_turn_}) {
    for (raft::Outgoing& outgoing : *list) {
      if (number <= persisted_) {
        seams_.transport.Send(outgoing.to, std::move(outgoing.message));
      } else {
        durable_.push_back({number, std::move(outgoing)});
      }
    }
  }
  after_turn_.clear();
  if (output_.restore) BeginRestore(*output_.restore);
  for (const raft::Output::Read& read : output_.reads) {
    ReadPointKnown(&WaitingRead::id, read.id, read.index);
    std::erase_if(asked_, [&](const Asked& asked) {
      if (asked.id > read.id) return false;
      seams_.transport.Send(
          asked.from, raft::ReadIndexReply{core_.term(), asked.ask.life, asked.ask.id, read.index});
      return true;
    });
  }
  for (const NodeId peer : output_.snapshots) {
    Tell("snapshot-sending", {{"to", peer.value()}, {"index", core_.snapshot().index.value()}});
    streams_.Start(peer, core_.term(), core_.snapshot(), now_.boot_us);
  }
  if (!core_.MayVote() && core_.vote_barrier() > owed_) {
    owed_ = core_.vote_barrier();
    seams_.disk.Owes(core_.vote_barrier());
    Tell("lost-what-it-had", {{"index", owed_.value()}});
  } else if (core_.MayVote() && owed_ != Index()) {
    owed_ = Index();
    seams_.disk.CaughtUp();
    Tell("votes-again", {{"index", core_.commit().value()}});
  }
}

// ---- applying ---------------------------------------------------------------------------------

void Member::ApplyCommitted() {
  if (restore_ != nullptr) return;
  if (halted_) return;
  size_t bytes = 0;
  size_t entries = 0;
  while (machine_.applied() < core_.commit() && bytes < kApplyBytesPerTurn &&
         entries < kApplyEntriesPerTurn) {
    const raft::Entry& entry = core_.log().At(machine_.applied() + 1);
    bytes += entry.payload.size();
    if (!ApplyEntry(entry)) break;
    ++entries;
  }
  if (entries == 0) return;
  applied_at_ = now_.boot_us;
  core_.Applied(machine_.applied());
}

// False: it must not be executed here, and nothing behind it.
bool Member::ApplyEntry(const raft::Entry& entry) {
  if (entry.type == raft::EntryType::kBatch) {
    if (const Status demand = machine_.DemandOf(entry.payload.view()); !demand.ok()) {
      halted_ = true;
      seams_.clients.Halt(demand);
      return false;
    }
  }
  // Terms only grow along a log: behind an entry of this term none of an older term can follow. And
  // where this entry stands, no other can: it may even be older than the one proposed here, when a
  // later leader had it and not ours (thesis figure 3.7).
  while (!proposals_.empty() && proposals_.front().term != entry.term &&
         (proposals_.front().term < entry.term || proposals_.front().index == entry.index)) {
    stats_.proposals_failed.Add();
    seams_.clients.Lost(proposals_.front().id, Loss::kNever);
    proposals_.pop_front();
  }
  if (entry.term > applied_term_) {
    applied_term_ = entry.term;
    seams_.clients.TermApplied(entry.term);
  }
  const Micros started = seams_.stopwatch.Read();
  const bool ours = !proposals_.empty() && proposals_.front().index == entry.index;
  if (entry.type != raft::EntryType::kBatch) {
    KV_CHECK(!ours);
    machine_.ApplyNoop(entry.index);
  } else if (ours) {
    const Proposal proposal = proposals_.front();
    proposals_.pop_front();
    stats_.proposals_committed.Add();
    stats_.commit_us.Observe(now_.boot_us - proposal.at);
    machine_.Apply(entry.index, entry.payload.view(), seams_.clients.Applying(proposal.id));
    seams_.clients.Applied(proposal.id);
  } else {
    machine_.Apply(entry.index, entry.payload.view(), seams_.clients.ApplyingForeign());
  }
  NoticeFeature();
  seams_.clients.EntryApplied(entry.index);
  stats_.entries_applied.Add();
  stats_.apply_us.Observe(seams_.stopwatch.Read() - started);
  return true;
}

void Member::ResolveUpTo(const raft::SnapshotMeta& meta) {
  while (!proposals_.empty() &&
         (proposals_.front().index <= meta.index || proposals_.front().term < meta.term)) {
    const bool covered = proposals_.front().index <= meta.index;
    stats_.proposals_failed.Add();
    seams_.clients.Lost(proposals_.front().id, covered ? Loss::kUnknown : Loss::kNever);
    proposals_.pop_front();
  }
}

void Member::ExpireProposals() {
  while (!proposals_.empty() &&
         now_.boot_us - proposals_.front().at >= options_.indoubt_timeout_us) {
    stats_.proposals_failed.Add();
    seams_.clients.Lost(proposals_.front().id, Loss::kUnknown);
    proposals_.pop_front();
  }
}

void Member::NoticeLeadership() {
  const bool serves = Serves();
  if (core_.term() == seen_term_ && core_.leader() == seen_leader_ && serves == seen_serves_)
    return;
  const bool reads_died = !core_.IsLeader() || core_.term() != seen_term_;
  if (core_.leader() == NodeId()) {
    if (seen_leader_ != NodeId()) Tell("leader-lost", {{"leader", seen_leader_.value()}});
  } else if (core_.leader() != seen_leader_ || core_.term() != seen_term_) {
    if (core_.IsLeader()) {
      wished_from_ = now_.boot_us + kHandOverEvery * core_.election_timeout_us();
      Tell("elected", {{"last_index", core_.log().last_index().value()}});
    } else {
      Tell("follows", {{"leader", core_.leader().value()}});
    }
  }
  if (serves && !seen_serves_) Tell("serves", {{"commit", core_.commit().value()}});
  seen_term_ = core_.term();
  seen_leader_ = core_.leader();
  seen_serves_ = serves;
  if (!core_.IsLeader()) streams_.Clear();
  if (!core_.IsLeader()) features_.Clear();
  if (reads_died) asked_.clear();
  if (reads_died && !reads_.empty()) {
    reads_.clear();
    seams_.clients.ReadsLost();
  }
  seams_.clients.LeadershipChanged();
}

// ---- leadership given up, and what is told of it ---------------------------------------------

bool Member::TransferLeadership(NodeId target, std::string_view why) {
  const bool begun = !core_.IsTransferring();
  if (!core_.TransferLeadership(target)) return false;
  if (begun) Tell("hands-over", {{"why", std::string(why)}});
  return true;
}

// The follower that is not known to be sick in the same way, the most advanced one; 0: none.
NodeId Member::WellFollower(LeaderHealth::Sickness sickness) const {
  NodeId best;
  Index best_match;
  for (const NodeId id : core_.voters()) {
    const raft::Progress* progress = core_.ProgressOf(id);
    if (progress == nullptr || !Hears(*progress)) continue;
    // Its disk has done what the own one has not.
    if (sickness == LeaderHealth::Sickness::kDisk &&
        progress->match() <= core_.log().durable_index()) {
      continue;
    }
    if (best != NodeId() && progress->match() <= best_match) continue;
    best = id;
    best_match = progress->match();
  }
  return best;
}

void Member::HandOverIfSick() {
  if (!Serves() || now_.boot_us < hand_over_from_) return;
  const LeaderHealth::Sickness sickness = health_.Judge(now_.boot_us, core_.election_timeout_us());
  if (sickness == LeaderHealth::Sickness::kNone) return;
  const NodeId target = WellFollower(sickness);
  if (target == NodeId() || !TransferLeadership(target, NameOf(sickness))) return;
  // While it tries nothing is served: one that nobody can relieve mostly serves as well as it can.
  hand_over_from_ = now_.boot_us + kHandOverEvery * core_.election_timeout_us();
  sick_until_ = now_.boot_us + kConvalescenceUs;
  health_.Forgive();
  (sickness == LeaderHealth::Sickness::kDisk ? stats_.handed_over_disk : stats_.handed_over_loop)
      .Add();
}

// To the one that is wished for most, when it keeps up; not at once after an election, for
// whoever comes and goes would take everybody along.
void Member::HandOverIfWished() {
  if (!Serves() || now_.boot_us < wished_from_) return;
  NodeId best;
  uint8_t most = core_.options().priority;
  for (const NodeId id : core_.voters()) {
    const raft::Progress* progress = core_.ProgressOf(id);
    if (progress == nullptr || progress->priority() <= most) continue;
    if (progress->state() != raft::Progress::State::kReplicate || !Hears(*progress) ||
        progress->match() + raft::kMaxAppendEntries < core_.commit()) {
      continue;
    }
    best = id;
    most = progress->priority();
  }
  if (best == NodeId() || !TransferLeadership(best, "priority")) return;
  wished_from_ = now_.boot_us + kHandOverEvery * core_.election_timeout_us();
  stats_.handed_over_wish.Add();
}

void Member::NoticeSave(const raft::Save& save) {
  health_.Saving(save.number, now_.boot_us);
  if (save.hard_state && save.hard_state->vote == core_.id()) {
    Tell("campaigns", {{"last_index", core_.log().last_index().value()}});
  } else if (save.hard_state && save.hard_state->vote != NodeId()) {
    Tell("votes", {{"for", save.hard_state->vote.value()}});
  }
  if (save.reset_to) saved_to_ = save.reset_to->index;
  if (save.entries.empty()) return;
  if (save.entries.front().index <= saved_to_) {
    Tell("log-truncated",
         {{"from", save.entries.front().index.value()}, {"last_index", saved_to_.value()}});
  }
  saved_to_ = save.entries.back().index;
}

void Member::Tell(std::string_view name,
                  std::vector<std::pair<std::string_view, Event::Value>> details) {
  seams_.clients.Happened({name, core_.term(), std::move(details)});
}

// ---- snapshots --------------------------------------------------------------------------------

void Member::MaybeTakeSnapshot() {
  if (taker_.running() || restore_ != nullptr) return;
  if (machine_.applied() <= core_.snapshot().index) {
    snapshot_requested_ = false;
    return;
  }
  const bool rests = taker_.last_failed() && now_.boot_us - snapshot_tried_at_ < kSnapshotRetryUs;
  const std::optional<Micros> quiet = QuietCutAt();
  const bool worth_it = LogIsLarge() || (quiet && *quiet <= now_.boot_us);
  const bool due = (worth_it || SnapshotSuspect()) && !rests;
  if (!snapshot_requested_ && !due) return;
  snapshot_requested_ = false;
  snapshot_tried_at_ = now_.boot_us;
  const Index index = machine_.applied();
  taker_.Begin({index, core_.log().TermAt(index), core_.ConfigurationAt(index)}, now_.boot_us);
}

bool Member::LogIsLarge() const {
  const raft::Log& log = core_.log();
  if (log.last_index() - log.base_index() >= options_.snapshot_log_entries) return true;
  const size_t cost = LogCost(log);
  return cost >= options_.snapshot_log_bytes &&
         cost >= machine_.MemoryBytes() / 100 * options_.snapshot_log_percent;
}

std::optional<Micros> Member::QuietCutAt() const {
  const bool may = !taker_.running() && machine_.applied() > core_.snapshot().index;
  const size_t worth = options_.keep_log_bytes + options_.snapshot_log_bytes / 4;
  if (!may || LogCost(core_.log()) < worth) return std::nullopt;
  return applied_at_ + kQuietUs;
}

void Member::OnSnapshotWritten(const raft::SnapshotMeta& meta) {
  if (meta.index <= core_.snapshot().index) return;  // a newer one was installed meanwhile
  const raft::Log& log = core_.log();
  Index keep_from = meta.index;
  size_t kept = 0;
  while (keep_from > log.base_index()) {
    kept += log.At(keep_from).payload.size() + kEntryOverheadBytes;
    if (kept > options_.keep_log_bytes ||
        keep_from + options_.snapshot_log_entries / 4 < meta.index) {
      break;
    }
    keep_from = keep_from - 1;
  }
  core_.SnapshotSaved(meta, keep_from);
  Tell("snapshot-written", {{"index", meta.index.value()}});
  seams_.disk.Compact({log.base_index(), log.base_term(), meta.configuration});
}

void Member::OnSnapshotReceived(NodeId from, const raft::SnapshotMeta& meta,
                                std::shared_ptr<disk::SnapshotReader> reader) {
  if (core_.SnapshotReceived(meta)) {
    received_ = std::move(reader);
    Tell("snapshot-received", {{"from", from.value()}, {"index", meta.index.value()}});
  } else {
    seams_.background.Run([reader = std::move(reader)]() mutable { reader.reset(); }, [] {});
  }
  after_turn_.push_back({from, raft::InstallSnapshotReply{core_.term(), meta.index, 0, true}});
}

void Member::BeginRestore(const raft::SnapshotMeta& meta) {
  ResolveUpTo(meta);
  seams_.clients.StateReplaced();
  taker_.Abort();
  if (restore_ != nullptr) machine_.AbortLoad();
  restore_ = std::make_shared<Restore>();
  restore_->meta = meta;
  restore_->reader = std::move(received_);
  machine_.BeginLoad();
  ContinueRestore(restore_);
}

void Member::ContinueRestore(const std::shared_ptr<Restore>& restore) {
  seams_.background.Run(
      [restore] {
        const Result<bool> more = restore->reader->Next(restore->chunk);
        restore->status = more.status();
        restore->more = more.ok() && more.value();
      },
      [this, restore] {
        if (restore_ != restore) return;
        if (restore->status.ok() && restore->more) {
          restore->status = machine_.LoadChunk(restore->chunk);
        } else if (restore->status.ok()) {
          restore->status = machine_.FinishLoad(restore->meta.index);
          restore_.reset();
          if (restore->status.ok()) {
            NoticeFeature();
            Tell("snapshot-installed", {{"index", restore->meta.index.value()}});
          }
        }
        if (!restore->status.ok()) {
          seams_.clients.Halt(restore->status);
        } else if (restore_ != nullptr) {
          ContinueRestore(restore);
        }
      });
}

}  // namespace kvorum::replica
