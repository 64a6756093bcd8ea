// SPDX-License-Identifier: Apache-2.0
//
// SnapshotStreams to SnapshotInbox over a network that loses, repeats, reorders and damages:
// scenarios 56 and 59.
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <map>

#include "base/rng.h"
#include "replica/limits.h"
#include "replica/snapshot_inbox.h"
#include "replica/snapshot_streams.h"
#include "tests/replica/member_fixture.h"

namespace kvorum::replica {
namespace {

constexpr Micros kStepUs = 10'000;
constexpr Micros kPatienceUs = 300'000;
constexpr Term kTerm{5};

raft::SnapshotMeta MetaOf(uint64_t index) {
  return {Index(index), Term(4), {kSelf, kPeer, kOther}};
}

// Both ends, each with its own disk and background.
class Transfer : public ::testing::Test, protected Transport {
 protected:
  struct Network {
    uint64_t lost_percent = 0;
    uint64_t doubled_percent = 0;
    int most_steps = 1;  // a message takes 1 to this many
    std::function<void(raft::InstallSnapshot&)> damage = [](raft::InstallSnapshot&) {};
  };

  Transfer()
      : source_(Open(source_files_)),
        target_(Open(target_files_)),
        streams_(
            *source_, source_background_, *this,
            [this](NodeId peer, Index index, bool installed) {
              EXPECT_EQ(peer, kPeer);
              ended_.emplace_back(index, installed);
            },
            [this](Index index) { suspected_.push_back(index); }),
        inbox_(*target_, target_background_,
               {.progress = [this](NodeId, Index index,
                                   uint64_t received) { Answer({kTerm, index, received, false}); },
                .complete =
                    [this](NodeId, const raft::SnapshotMeta& meta,
                           const std::shared_ptr<disk::SnapshotReader>& reader) {
                      EXPECT_NE(reader, nullptr);
                      installed_ = std::max(installed_, meta.index);
                      Answer({kTerm, meta.index, 0, true});
                    }}) {}

  static std::unique_ptr<disk::SnapshotStore> Open(disk::MemoryFiles& files) {
    auto store = disk::SnapshotStore::Open(files, "snapshots", 1);
    KV_CHECK(store.ok());
    return std::move(store).value();
  }

  void Make(uint64_t index, size_t bytes) {
    auto writer = source_->Create(MetaOf(index));
    ASSERT_TRUE(writer.ok());
    std::string content(bytes, '\0');
    for (char& c : content) c = static_cast<char>(rng_.Next());
    ASSERT_TRUE(writer.value()->Add(content).ok());
    ASSERT_TRUE(writer.value()->Finish().ok());
  }
  void Start(uint64_t index) { streams_.Start(kPeer, kTerm, MetaOf(index), now_); }

  // ---- the network
  void SendNow() override {}
  void Send(NodeId to, raft::Message message) override {
    EXPECT_EQ(to, kPeer);
    auto piece = std::get<raft::InstallSnapshot>(std::move(message));
    ++pieces_;
    Travel([this, piece = std::move(piece)]() mutable {
      network_.damage(piece);
      if (piece.meta.index <= installed_) {  // as Member::Receive
        Answer({kTerm, piece.meta.index, piece.total, true});
      } else {
        inbox_.Add(kSelf, std::move(piece));
      }
    });
  }
  void Answer(const raft::InstallSnapshotReply& reply) {
    Travel([this, reply] { streams_.OnReply(kPeer, reply, now_); });
  }
  void Travel(const std::function<void()>& arrive) {
    if (rng_.OneIn(network_.lost_percent, 100)) return;
    const int copies = rng_.OneIn(network_.doubled_percent, 100) ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
      underway_.emplace(now_ + kStepUs * rng_.Between(1, network_.most_steps), arrive);
    }
  }
  void Step() {
    now_ += kStepUs;
    while (!underway_.empty() && underway_.begin()->first <= now_) {
      const auto arrive = std::move(underway_.extract(underway_.begin()).mapped());
      arrive();
    }
    for (FakeBackground* background : {&source_background_, &target_background_}) {
      for (const auto& done : background->Work()) done();
    }
    streams_.Tick(now_, kPatienceUs);
  }
  // Until the stream has ended; how many steps that took.
  int Finish(int most_steps = 100'000) {
    int steps = 0;
    while (streams_.active() > 0 && steps < most_steps) {
      Step();
      ++steps;
    }
    EXPECT_EQ(streams_.active(), 0U) << "the stream does not end";
    for (int i = 0; i < 200; ++i) Step();  // what is still on its way
    return steps;
  }
  void ExpectDelivered(uint64_t index) {
    ASSERT_EQ(ended_.size(), 1U);
    EXPECT_EQ(ended_[0], std::pair(Index(index), true));
    ASSERT_TRUE(target_->Latest().has_value());
    EXPECT_EQ(*target_->Latest(), MetaOf(index));
    const std::vector<std::string> names = SnapshotFiles(target_files_);
    EXPECT_EQ(names.size(), 1U);
    const std::string path = "snapshots/" + names.back();
    EXPECT_TRUE(source_files_.Contents(path) == target_files_.Contents(path));
  }

  Rng rng_{1};
  Network network_;
  Micros now_ = 1'000'000;
  Index installed_;
  uint64_t pieces_ = 0;
  std::vector<std::pair<Index, bool>> ended_;
  std::multimap<Micros, std::function<void()>> underway_;
  disk::MemoryFiles source_files_;
  disk::MemoryFiles target_files_;
  FakeBackground source_background_;
  FakeBackground target_background_;
  std::unique_ptr<disk::SnapshotStore> source_;
  std::unique_ptr<disk::SnapshotStore> target_;
  std::vector<Index> suspected_;
  SnapshotStreams streams_;
  SnapshotInbox inbox_;
};

constexpr size_t kPieces = 12;
constexpr size_t kContent = kPieces * kSnapshotPieceBytes - 1000;

TEST_F(Transfer, EachPieceOnceWhenNothingIsLost) {
  Make(100, kContent);
  Start(100);
  Finish();
  ExpectDelivered(100);
  EXPECT_EQ(pieces_, kPieces);
}

TEST_F(Transfer, NeverMoreOnTheWayThanTheWindow) {
  Make(100, kContent);
  network_.lost_percent = 100;
  Start(100);
  for (int i = 0; i < 20; ++i) Step();
  EXPECT_EQ(pieces_, kSnapshotPiecesInFlight);
}

// Bytes a second at which a piece takes `steps`.
constexpr uint64_t RateOf(uint64_t steps) {
  return kSnapshotPieceBytes * 1'000'000 / (steps * static_cast<uint64_t>(kStepUs));
}

TEST_F(Transfer, NoFasterThanAllowed) {
  streams_.SetRate(RateOf(50));
  Make(100, kContent);
  Start(100);
  EXPECT_EQ(streams_.NextWakeup(), std::numeric_limits<Micros>::max()) << "the first piece is read";
  Step();
  EXPECT_EQ(streams_.NextWakeup(), now_ + 49 * kStepUs);
  EXPECT_GE(Finish(), static_cast<int>(50 * (kPieces - 1)));
  ExpectDelivered(100);
  EXPECT_EQ(pieces_, kPieces);
}

TEST_F(Transfer, AllowedLessThanAPieceInAnElectionTimeoutIsNoStall) {
  streams_.SetRate(RateOf(3 * kPatienceUs / kStepUs));
  Make(100, kContent);
  Start(100);
  Finish();
  ExpectDelivered(100);
  EXPECT_EQ(pieces_, kPieces);
}

TEST_F(Transfer, SmallOnesTakeOnePiece) {
  Make(100, 10);
  Start(100);
  Finish();
  ExpectDelivered(100);
  EXPECT_EQ(pieces_, 1U);
}

class TransferSeeds : public Transfer, public ::testing::WithParamInterface<uint64_t> {};

TEST_P(TransferSeeds, Scenario56LostDoubledAndReordered) {
  rng_ = Rng(GetParam());
  Make(100, kContent);
  network_ = {.lost_percent = 10 * (GetParam() % 4), .doubled_percent = 30, .most_steps = 20};
  Start(100);
  Finish();
  ExpectDelivered(100);
}

TEST_P(TransferSeeds, Scenario59ADamagedPieceIsAskedForAgainFromTheBeginning) {
  rng_ = Rng(GetParam());
  Make(100, kContent);
  uint64_t left = GetParam() % kPieces;
  bool damaged = false;
  network_.damage = [&](raft::InstallSnapshot& piece) {
    if (damaged || left-- > 0) return;
    damaged = true;
    piece.bytes[rng_.Below(piece.bytes.size())] ^= 0x10;
  };
  Start(100);
  Finish();
  EXPECT_TRUE(damaged);
  EXPECT_GE(pieces_, 2 * kPieces);
  ExpectDelivered(100);
}

TEST_P(TransferSeeds, Scenario56ANewerOneInTheMiddle) {
  rng_ = Rng(GetParam());
  Make(100, kContent);
  Make(200, kContent / 2);
  network_ = {.doubled_percent = 30, .most_steps = 20};
  Start(100);
  for (uint64_t i = 0; i < 3 * (GetParam() % 10); ++i) Step();
  Start(200);
  Finish();
  ExpectDelivered(200);
}

INSTANTIATE_TEST_SUITE_P(All, TransferSeeds, ::testing::Range(uint64_t{1}, uint64_t{25}));

TEST_F(Transfer, Scenario59ASinglePieceThatIsDamaged) {
  Make(100, 10);
  bool damaged = false;
  network_.damage = [&](raft::InstallSnapshot& piece) {
    if (!std::exchange(damaged, true)) piece.bytes.back() ^= 1;
  };
  Start(100);
  Finish();
  ExpectDelivered(100);
}

TEST_F(Transfer, Scenario56LatePiecesOfAnOlderOneDoNotThrowTheNewerOneAway) {
  Make(100, kContent);
  Make(200, kContent);
  std::string old;
  ASSERT_TRUE(source_->ReadRaw(MetaOf(100), 0, kSnapshotPieceBytes, old).ok());
  const uint64_t total = source_->FileBytes(MetaOf(100)).value();
  Start(200);
  for (int i = 0; i < 5; ++i) Step();
  while (streams_.active() > 0) {
    if (installed_ == Index()) inbox_.Add(kSelf, {kTerm, MetaOf(100), 0, total, old});
    Step();
  }
  Finish();
  ExpectDelivered(200);
  EXPECT_EQ(pieces_, kPieces);
}

TEST_F(Transfer, Scenario56AnotherLeaderMayHaveAnOlderOne) {
  Make(100, kContent);
  Make(200, kContent);
  Start(200);
  for (int i = 0; i < 10; ++i) Step();
  ASSERT_TRUE(inbox_.receiving());
  std::string bytes;
  const uint64_t total = source_->FileBytes(MetaOf(100)).value();
  ASSERT_TRUE(source_->ReadRaw(MetaOf(100), 0, total, bytes).ok());
  streams_.Clear();
  underway_.clear();  // the core refuses what an old leader has sent
  inbox_.Add(kOther, {kTerm + 1, MetaOf(100), 0, total, bytes});
  for (int i = 0; i < 200; ++i) Step();
  EXPECT_EQ(*target_->Latest(), MetaOf(100));
  EXPECT_EQ(SnapshotFiles(target_files_).size(), 1U);
}

// The file of a failed attempt goes before the next attempt makes one of the same name.
TEST_F(Transfer, Scenario61NoSpaceAtTheFollowerIsTriedAgain) {
  Make(100, kContent);
  target_files_.SetCapacity(kContent / 2);
  Start(100);
  for (int i = 0; i < 100; ++i) Step();
  EXPECT_FALSE(target_->Latest().has_value());
  target_files_.SetCapacity(UINT64_MAX);
  Finish();
  ExpectDelivered(100);
}

TEST_F(Transfer, AStreamThatDoesNotMoveEnds) {
  Make(100, kContent);
  network_.lost_percent = 100;
  Start(100);
  const Micros started = now_;
  Finish();
  ASSERT_EQ(ended_.size(), 1U);
  EXPECT_EQ(ended_[0], std::pair(Index(100), false));
  EXPECT_GE(now_ - started, kSnapshotStallLimit * kPatienceUs);
  EXPECT_TRUE(SnapshotFiles(target_files_).empty());
}

TEST_F(Transfer, AStreamWhoseFileIsGoneEnds) {
  Start(100);
  Finish();
  ASSERT_EQ(ended_.size(), 1U);
  EXPECT_EQ(ended_[0], std::pair(Index(100), false));
}

TEST_F(Transfer, NobodyHearsOfAStreamThatWasCleared) {
  Make(100, kContent);
  Start(100);
  for (int i = 0; i < 5; ++i) Step();
  streams_.Clear();
  Finish();
  EXPECT_TRUE(ended_.empty());
}

}  // namespace
}  // namespace kvorum::replica
