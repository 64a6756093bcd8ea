// SPDX-License-Identifier: Apache-2.0
//
// One member whose world is the test: the test is its peers, decides when a save is durable and
// when a background job runs, and owns both clocks. Nothing happens that a test did not ask for.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "disk/snapshot_store.h"
#include "replica/member.h"
#include "tests/disk/memory_files.h"

namespace kvorum::replica {

inline constexpr NodeId kSelf{1};
inline constexpr NodeId kPeer{2};
inline constexpr NodeId kOther{3};

// Runs jobs when told.
class FakeBackground final : public Background {
 public:
  void Run(std::function<void()> work, std::function<void()> done) override {
    jobs_.emplace_back(std::move(work), std::move(done));
  }
  [[nodiscard]] bool idle() const { return jobs_.empty(); }
  // Does the work that is queued now and returns what is to be called on the member's thread.
  std::vector<std::function<void()>> Work() {
    std::vector<std::function<void()>> done;
    std::deque<std::pair<std::function<void()>, std::function<void()>>> jobs;
    jobs.swap(jobs_);
    for (auto& [work, then] : jobs) {
      work();
      done.push_back(std::move(then));
    }
    return done;
  }

 private:
  std::deque<std::pair<std::function<void()>, std::function<void()>>> jobs_;
};

// An envelope of one command at that time.
Payload Envelope(UnixMs wall, std::initializer_list<std::string_view> words);

struct FixtureOptions {
  int voters = 3;  // 1: it leads as soon as its first save is durable
  size_t snapshot_log_bytes = size_t{64} << 20;
  size_t snapshot_log_percent = 0;
  size_t keep_log_bytes = size_t{16} << 20;
  raft::Restart restart = {};
};

class TestMember final : LogDisk, Transport, Stopwatch, Clients, store::ReplySink {
 public:
  explicit TestMember(FixtureOptions options = {});

  [[nodiscard]] Member& member() { return *member_; }
  [[nodiscard]] store::Machine& machine() { return machine_; }
  [[nodiscard]] disk::MemoryFiles& files() { return files_; }
  [[nodiscard]] disk::SnapshotStore& snapshots() { return *snapshots_; }
  [[nodiscard]] Now now() const { return now_; }

  // ---- turns
  // Both clocks go on, then a turn with these inputs.
  void Turn(const std::function<void()>& inputs = [] {}, Micros passed_us = 1'000);
  // A turn in which the clocks disagree.
  void TurnWithClocks(Micros boot_us, UnixMs wall_ms, const std::function<void()>& inputs);
  void Receive(NodeId from, raft::Message message) {
    Turn([&] { member_->Receive(from, std::move(message)); });
  }
  // Everything handed to the disk is durable.
  void Persist();
  // Background jobs and saves until nothing is left.
  void Settle();
  void RunJobs();

  // ---- roles. The peers grant what is asked.
  void BecomeLeader();
  // Nobody leads for so long that it asks for votes.
  void Campaign();
  // The peer has everything up to `index` and has seen the newest round.
  [[nodiscard]] raft::AppendReply Acknowledge(Index index) const;
  std::optional<raft::ProposeError> Propose(ProposalId id,
                                            std::initializer_list<std::string_view> words);

  // ---- what it did since the last call
  template <class M>
  std::vector<M> Sent(NodeId to) {
    std::vector<M> found;
    std::erase_if(sent_, [&](const raft::Outgoing& outgoing) {
      const auto* message = std::get_if<M>(&outgoing.message);
      if (outgoing.to != to || message == nullptr) return false;
      found.push_back(*message);
      return true;
    });
    return found;
  }
  // Of the clients: "applied 7 +OK", "never 7", "unknown 7", "reads ready 1", "reads lost",
  // "replaced", "term 2", "halt ..."; one a line.
  std::string Events() { return std::exchange(events_, {}); }
  [[nodiscard]] const std::vector<raft::SnapshotMeta>& compactions() const { return compactions_; }
  [[nodiscard]] size_t unsaved() const { return saves_.size(); }

 private:
  void Save(raft::Save save) override { saves_.push_back(save.number); }
  void Compact(raft::SnapshotMeta base) override { compactions_.push_back(std::move(base)); }
  void Owes(Index index) override { events_ += "owes " + std::to_string(index.value()) + "\n"; }
  void CaughtUp() override { events_ += "caught up\n"; }
  void Send(NodeId to, raft::Message message) override;
  void SendNow() override {}
  Micros Read() override { return now_.boot_us; }
  store::ReplySink* Applying(ProposalId /*id*/) override { return this; }
  void Applied(ProposalId id) override;
  void Lost(ProposalId id, Loss loss) override;
  store::ReplySink* ApplyingForeign() override { return nullptr; }
  void TermApplied(Term term) override;
  void EntryApplied(Index /*index*/) override {}
  void StateReplaced() override { events_ += "replaced\n"; }
  void ReadsReady(ReadTicket up_to) override;
  void ReadsLost() override { events_ += "reads lost\n"; }
  void LeadershipChanged() override {}
  void Happened(Event event) override { told_.push_back(std::move(event)); }
  void Halt(const Status& why) override { events_ += "halt " + why.message() + "\n"; }
  resp::Reply* Begin(uint32_t /*command*/, const store::Origin* /*origin*/) override {
    return &reply_;
  }
  void End(uint32_t /*command*/) override {}

  disk::MemoryFiles files_;
  std::unique_ptr<disk::SnapshotStore> snapshots_;
  store::Machine machine_;
  FakeBackground background_;
  Now now_{.boot_us = 1'000'000, .wall_ms = 1'700'000'000'000};
  std::vector<BatchNumber> saves_;
  std::vector<raft::Outgoing> sent_;
  Round newest_round_;  // of what was sent to kPeer
  std::vector<raft::SnapshotMeta> compactions_;
  std::string events_;
  std::vector<Event> told_;
  std::string reply_bytes_;
  resp::Reply reply_{&reply_bytes_, resp::Protocol::kResp2};
  std::unique_ptr<Member> member_;
};

// Names in the snapshot folder.
std::vector<std::string> SnapshotFiles(disk::MemoryFiles& files);
// A file of the machine's state in `store`.
void WriteSnapshot(disk::SnapshotStore& store, const raft::SnapshotMeta& meta,
                   store::Machine& machine);

}  // namespace kvorum::replica
