// SPDX-License-Identifier: Apache-2.0
//
// One member of a group: carries what the Raft core decides to disk, peers, state machine and
// waiting clients, in the order that makes it true.
//
//        Propose   StartRead            Receive   Persisted
//            \        |                    |        /
//   turn:   BeginTurn(now)  ... any number of inputs ...  EndTurn()
//                                                          |
//            core.Take -> 1 disk  2 peers now  3 peers when durable
//                         4 apply -> replies               5 reads  6 snapshots
//
// A turn is the unit of batching: everything that arrived in it becomes one save, one message per
// peer, one pass of applies. There is no thread, socket, file or clock here; the seams
// (replica/seams.h) have them. One thread calls everything.
//
// The truth about writes. A proposal is remembered with its term and index until the log tells: the
// same term applied at its index means it took effect, and its replies are real even if this member
// has been deposed meanwhile; an applied entry of a newer term, wherever it stands, means it never
// will, because terms only grow along a log. Only a snapshot in its place, or the in-doubt timeout,
// leave it unknown.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/stats.h"
#include "base/time.h"
#include "disk/snapshot_store.h"
#include "raft/core.h"
#include "replica/feature_poll.h"
#include "replica/leader_health.h"
#include "replica/seams.h"
#include "replica/snapshot_inbox.h"
#include "replica/snapshot_streams.h"
#include "replica/snapshot_taker.h"
#include "store/machine.h"

namespace kvorum::replica {

struct Options {
  raft::Options raft;
  bool lease_reads = true;  // false: every read asks a majority
  // A snapshot is taken when the log holds so many bytes, and not less than such a share of what
  // the data takes: each costs as much as there is data. Or so many entries. Of a quarter of those
  // bytes when nobody has written for kQuietUs.
  size_t snapshot_log_bytes = 128ULL << 20;
  size_t snapshot_log_percent = 10;
  uint64_t snapshot_log_entries = 1'000'000;
  uint64_t snapshot_rate = 0;           // to followers, bytes a second; 0: no limit
  size_t keep_log_bytes = 16ULL << 20;  // kept behind a snapshot for slow followers
  Micros indoubt_timeout_us = 5'000'000;
  // The feature level that this member may be raised to; 1: it proposes none.
  store::FeatureLevel feature_can = store::kFirstFeatureLevel;
  uint64_t life = 1;  // tells this life of the member from every other one
};

struct Seams {
  LogDisk& disk;
  Transport& transport;
  Background& background;
  Clients& clients;
  Stopwatch& stopwatch;
};

// What StartRead says.
struct ReadNow {};
struct ReadLater {
  ReadTicket ticket;
};
struct ReadElsewhere {};  // no leader is known, or the state is about to be replaced
using ReadStart = std::variant<ReadNow, ReadLater, ReadElsewhere>;

struct MemberStats {
  Counter proposals_committed;
  Counter proposals_failed;  // lost or in doubt
  Counter pulses_proposed;
  Counter entries_applied;
  Counter reads_by_lease;
  Counter reads_by_quorum;
  Counter reads_by_leader;   // of a follower: at a point that the leader has named
  Counter leases_dropped;    // wall and boot clock disagreed
  Counter handed_over_disk;  // leadership, because the own disk stalls
  Counter handed_over_loop;  // because turns begin late
  Counter handed_over_wish;  // to a member with a higher priority
  Histogram commit_us;       // proposal to commit, as the turn sees it
  Histogram apply_us;        // one entry
};

class Member {
 public:
  // `machine` holds the state at restart.snapshot.index. `snapshots` is only used through
  // seams.background. All are borrowed and outlive the member and its background jobs.
  Member(const Options& options, raft::Restart restart, store::Machine& machine,
         disk::SnapshotStore& snapshots, const Seams& seams, Now now);
  ~Member();
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;

  // ---- a turn -------------------------------------------------------------------------------
  void BeginTurn(Now now);
  void EndTurn();
  // True when there is work that needs no input: call another turn soon.
  [[nodiscard]] bool WantsTurn() const;
  // Boot time at which a turn is needed even if nothing happens.
  [[nodiscard]] Micros NextWakeup() const;

  // ---- inputs, inside a turn ----------------------------------------------------------------
  void Receive(NodeId from, raft::Message message);
  void Persisted(BatchNumber number);
  // What a member says that it can (replica/feature_poll.h); its link has broken.
  void PeerCan(NodeId peer, store::FeatureLevel level);
  void PeerLost(NodeId peer) { features_.Forget(peer); }
  void PeerUnreachable(NodeId peer) { core_.PeerUnreachable(peer); }
  // A whole envelope (store/envelope.h). After an error nothing was proposed.
  std::optional<raft::ProposeError> Propose(const Payload& envelope, ProposalId id);
  // Linearizable on every member: a follower asks the leader for a point of the log (thesis 6.4),
  // once per turn for all reads of it, and serves them when it has applied that much.
  ReadStart StartRead();
  raft::ChangeResult ProposeChange(const raft::Change& change) {
    return core_.ProposeChange(change);
  }
  // `why` is for the event log.
  bool TransferLeadership(NodeId target, std::string_view why = "asked");
  // Takes a snapshot as soon as possible; no effect while one is running.
  void RequestSnapshot() { snapshot_requested_ = true; }

  // ---- settings, at any time ------------------------------------------------------------------
  // As Options has them; for the reads and proposals from now on.
  void SetLeaseReads(bool lease_reads) { options_.lease_reads = lease_reads; }
  void SetSnapshotRate(uint64_t rate) { streams_.SetRate(rate); }
  void SetPriority(uint8_t priority) { options_.raft.priority = priority; }
  void SetIndoubtTimeout(Micros timeout_us) { options_.indoubt_timeout_us = timeout_us; }

  void SetFeatureCan(store::FeatureLevel level) { options_.feature_can = level; }

  // ---- view ---------------------------------------------------------------------------------
  [[nodiscard]] const raft::Core& core() const { return core_; }
  [[nodiscard]] const MemberStats& stats() const { return stats_; }
  [[nodiscard]] Now now() const { return now_; }
  // The leader, with an entry of its term committed: writes and reads are served.
  [[nodiscard]] bool Serves() const { return core_.IsReadyLeader() && !core_.IsTransferring(); }
  // Leader only: it has applied an entry of its term, so no raise of the feature level that an
  // older leader has proposed is hidden in the log.
  [[nodiscard]] bool KnowsFeatureLevel() const { return applied_term_ == core_.term(); }
  // What is in force, or will be when what this leader has proposed is applied.
  [[nodiscard]] store::FeatureLevel FeatureDemanded() const;
  // Leader only: nothing while a member has not said it lately.
  [[nodiscard]] std::optional<store::FeatureLevel> FeatureOf(NodeId member) const;
  [[nodiscard]] size_t proposals_pending() const { return proposals_.size(); }
  // The state machine's place in the log; lags core().applied() while a snapshot is loaded.
  [[nodiscard]] Index applied() const { return machine_.applied(); }
  [[nodiscard]] const SnapshotTaker& taker() const { return taker_; }
  [[nodiscard]] bool restoring() const { return restore_ != nullptr; }
  [[nodiscard]] BatchNumber persisted() const { return persisted_; }
  [[nodiscard]] const LeaderHealth& health() const { return health_; }

 private:
  struct Proposal {
    ProposalId id;
    Term term;
    Index index;
    Micros at;
  };
  struct WaitingRead {
    ReadTicket ticket;
    ReadId id;     // a majority is being asked
    ReadId asked;  // the leader is being asked
    Index index;   // known when both are 0
    [[nodiscard]] bool known() const { return id == ReadId() && asked == ReadId(); }
  };
  // A follower wants to know how far it has to be.
  struct Asked {
    NodeId from;
    raft::ReadIndex ask;
    ReadId id;  // a majority is being asked for it
  };
  struct DurableMessage {
    BatchNumber after;
    raft::Outgoing outgoing;
  };
  // A received snapshot on its way from the file into the machine.
  struct Restore {
    raft::SnapshotMeta meta;
    std::shared_ptr<disk::SnapshotReader> reader;  // touched by background jobs only
    std::string chunk;
    bool more = true;
    Status status;
  };

  void ProposePulse();
  void MaybeRaiseFeature();
  void NoticeFeature();
  void CarryOut();
  void BeginRestore(const raft::SnapshotMeta& meta);
  void ContinueRestore(const std::shared_ptr<Restore>& restore);
  void ApplyCommitted();
  bool ApplyEntry(const raft::Entry& entry);
  void ResolveUpTo(const raft::SnapshotMeta& meta);
  void ExpireProposals();
  ReadStart StartReadAtFollower();
  void AskLeader();
  void AnswerFollowers();
  void TellThatItIsBusy();
  void ReadPointKnown(ReadId WaitingRead::* who, ReadId up_to, Index index);
  void ServeReads();
  void HandOverIfSick();
  void HandOverIfWished();
  [[nodiscard]] bool Hears(const raft::Progress& peer) const {
    return now_.boot_us - peer.last_heard() <= core_.election_timeout_us();
  }
  [[nodiscard]] NodeId WellFollower(LeaderHealth::Sickness sickness) const;
  void NoticeLeadership();
  void NoticeSave(const raft::Save& save);
  void Tell(std::string_view name, std::vector<std::pair<std::string_view, Event::Value>> details);
  void OnSnapshotWritten(const raft::SnapshotMeta& meta);
  void OnSnapshotReceived(NodeId from, const raft::SnapshotMeta& meta,
                          std::shared_ptr<disk::SnapshotReader> reader);
  [[nodiscard]] bool SnapshotSuspect() const {
    return suspect_ != Index() && suspect_ == core_.snapshot().index;
  }
  void MaybeTakeSnapshot();
  [[nodiscard]] bool LogIsLarge() const;
  // When a log is cut that is not large, because nobody is disturbed; nothing if not worth it.
  [[nodiscard]] std::optional<Micros> QuietCutAt() const;

  Options options_;
  store::Machine& machine_;
  Seams seams_;
  raft::Core core_;
  Now now_;
  raft::Output output_;
  BatchNumber persisted_;
  std::deque<DurableMessage> durable_;  // `after` ascends
  std::deque<Proposal> proposals_;      // index ascends
  std::deque<WaitingRead> reads_;       // ticket ascends
  ReadTicket last_ticket_ = 0;
  ReadId last_asked_;         // of the leader
  bool asks_ = false;         // in this turn
  Micros asked_at_ = 0;       // when it was asked last
  Micros told_busy_at_ = 0;   // when it was told last
  std::vector<Asked> asked_;  // by followers
  Term applied_term_;         // of the newest entry applied in this life
  Index pulse_;               // the last time pulse proposed
  Index raise_;               // the last raise of the feature level proposed, to raised_to_
  store::FeatureLevel raised_to_ = store::kFirstFeatureLevel;
  store::FeatureLevel seen_feature_;
  FeaturePoll features_;
  bool halted_ = false;
  Index owed_;  // the disk knows that so much must be regained before a vote; none: nothing
  bool snapshot_requested_ = false;
  Micros snapshot_tried_at_;
  Micros applied_at_;                       // when an entry was applied last
  std::vector<raft::Outgoing> after_turn_;  // once what this turn saves is durable
  bool housekeeping_ = false;
  std::shared_ptr<Restore> restore_;
  std::shared_ptr<disk::SnapshotReader> received_;  // of the snapshot to be restored in this turn
  Index suspect_;  // followers cannot read our snapshot at this index: it may be damaged
  LeaderHealth health_;
  Micros hand_over_from_ = 0;  // a sick leader does not try again before
  Micros wished_from_ = 0;     // a leader that another one is preferred to does not try before
  Micros sick_until_ = 0;      // this member does not wish to lead
  Index saved_to_;             // the log that the disk has, or will have
  SnapshotTaker taker_;
  SnapshotStreams streams_;
  SnapshotInbox inbox_;
  // What the clients were last told.
  Term seen_term_;
  NodeId seen_leader_;
  bool seen_serves_ = false;
  MemberStats stats_;
};

}  // namespace kvorum::replica
