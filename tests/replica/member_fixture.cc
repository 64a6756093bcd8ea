// SPDX-License-Identifier: Apache-2.0
#include "tests/replica/member_fixture.h"

#include "base/check.h"
#include "resp/format.h"
#include "store/envelope.h"

namespace kvorum::replica {
namespace {

store::Opcode OpcodeOf(std::string_view name) {
  if (name == "SET") return store::Opcode::kSet;
  KV_CHECK(name == "INCR");
  return store::Opcode::kIncr;
}

}  // namespace

Payload Envelope(UnixMs wall, std::initializer_list<std::string_view> words) {
  store::EnvelopeWriter writer;
  const std::vector<std::string_view> argv(words);
  writer.Add(OpcodeOf(argv[0]), 0, nullptr, argv);
  return Payload(writer.Finish(wall, 1));
}

std::vector<std::string> SnapshotFiles(disk::MemoryFiles& files) {
  auto names = files.List("snapshots");
  KV_CHECK(names.ok());
  return std::move(names).value();
}

void WriteSnapshot(disk::SnapshotStore& store, const raft::SnapshotMeta& meta,
                   store::Machine& machine) {
  auto writer = store.Create(meta);
  KV_CHECK(writer.ok());
  machine.BeginSnapshot();
  for (bool more = true; more;) {
    std::string chunk;
    more = machine.SnapshotStep(1000, chunk);
    KV_CHECK(writer.value()->Add(chunk).ok());
  }
  KV_CHECK(writer.value()->Finish().ok());
}

TestMember::TestMember(FixtureOptions options) {
  auto store = disk::SnapshotStore::Open(files_, "snapshots", 1);
  KV_CHECK(store.ok());
  snapshots_ = std::move(store).value();
  Options member;
  member.raft.id = kSelf;
  for (int i = 1; i <= options.voters; ++i) {
    member.raft.bootstrap.voters.push_back(NodeId(static_cast<uint64_t>(i)));
  }
  member.snapshot_log_bytes = options.snapshot_log_bytes;
  member.snapshot_log_percent = options.snapshot_log_percent;
  member.keep_log_bytes = options.keep_log_bytes;
  member_ = std::make_unique<Member>(member, std::move(options.restart), machine_, *snapshots_,
                                     Seams{.disk = *this,
                                           .transport = *this,
                                           .background = background_,
                                           .clients = *this,
                                           .stopwatch = *this},
                                     now_);
}

// ---- turns ------------------------------------------------------------------------------------

void TestMember::Turn(const std::function<void()>& inputs, Micros passed_us) {
  TurnWithClocks(passed_us, passed_us / 1000, inputs);
}

void TestMember::TurnWithClocks(Micros boot_us, UnixMs wall_ms,
                                const std::function<void()>& inputs) {
  now_.boot_us += boot_us;
  now_.wall_ms += wall_ms;
  member_->BeginTurn(now_);
  inputs();
  member_->EndTurn();
}

void TestMember::Persist() {
  if (saves_.empty()) return;
  const BatchNumber newest = saves_.back();
  saves_.clear();
  Turn([&] { member_->Persisted(newest); });
}

void TestMember::RunJobs() {
  const std::vector<std::function<void()>> done = background_.Work();
  Turn([&] {
    for (const auto& then : done) then();
  });
}

void TestMember::Settle() {
  Turn([] {});
  for (int turn = 0; turn < 1000; ++turn) {
    const bool rests = member_->taker().running();
    if (background_.idle() && saves_.empty() && !member_->WantsTurn() && !rests) return;
    Persist();
    RunJobs();
  }
  ADD_FAILURE() << "the member does not come to rest";
}

// ---- roles ------------------------------------------------------------------------------------

void TestMember::Campaign() {
  while (member_->core().role() == raft::RoleKind::kFollower) {
    Turn([] {}, std::max<Micros>(1'000, member_->core().NextWakeup() - now_.boot_us));
  }
}

void TestMember::BecomeLeader() {
  const Term term = member_->core().term() + 1;
  Campaign();
  Receive(kPeer, raft::PreVoteReply{term, true});
  Persist();
  Receive(kPeer, raft::VoteReply{term, true});
  KV_CHECK(member_->core().IsLeader());
  Persist();
}

raft::AppendReply TestMember::Acknowledge(Index index) const {
  return {.term = member_->core().term(),
          .round = newest_round_,
          .ok = true,
          .match = index,
          .prev_index = index};
}

std::optional<raft::ProposeError> TestMember::Propose(
    ProposalId id, std::initializer_list<std::string_view> words) {
  return member_->Propose(Envelope(now_.wall_ms, words), id);
}

// ---- seams ------------------------------------------------------------------------------------

void TestMember::Send(NodeId to, raft::Message message) {
  if (to == kPeer) {
    if (const auto* append = std::get_if<raft::Append>(&message)) newest_round_ = append->round;
    if (const auto* beat = std::get_if<raft::Heartbeat>(&message)) newest_round_ = beat->round;
  }
  sent_.push_back({to, std::move(message)});
}

void TestMember::Applied(ProposalId id) {
  std::string reply = std::exchange(reply_bytes_, {});
  while (!reply.empty() && (reply.back() == '\r' || reply.back() == '\n')) reply.pop_back();
  events_ += "applied " + std::to_string(id) + " " + reply + "\n";
}

void TestMember::Lost(ProposalId id, Loss loss) {
  events_ += (loss == Loss::kNever ? "never " : "unknown ") + std::to_string(id) + "\n";
}

void TestMember::TermApplied(Term term) {
  events_ += "term " + std::to_string(term.value()) + "\n";
}

void TestMember::ReadsReady(ReadTicket up_to) {
  events_ += "reads ready " + std::to_string(up_to) + "\n";
}

}  // namespace kvorum::replica
