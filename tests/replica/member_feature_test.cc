// SPDX-License-Identifier: Apache-2.0
//
// The feature level: raised when every member can, and never before.
#include <gtest/gtest.h>

#include "replica/limits.h"
#include "tests/replica/member_fixture.h"

namespace kvorum::replica {
namespace {

constexpr Micros kLong = kFeatureToldHoldsUs + 1;

TEST(FeaturePoll, WaitsForEveryMember) {
  FeaturePoll poll;
  raft::Configuration configuration{kSelf, kPeer};
  configuration.learners = {kOther};
  EXPECT_EQ(poll.Common(configuration, kSelf, 2, 0), std::nullopt);
  poll.Told(kPeer, 2, 0);
  EXPECT_EQ(poll.Common(configuration, kSelf, 2, 0), std::nullopt);
  poll.Told(kOther, 2, 0);
  EXPECT_EQ(poll.Common(configuration, kSelf, 2, 0), 2);
  poll.Told(kOther, 1, 0);
  EXPECT_EQ(poll.Common(configuration, kSelf, 2, 0), 1);
  // Strangers do not count, members of the old half do.
  configuration.learners.clear();
  EXPECT_EQ(poll.Common(configuration, kSelf, 2, 0), 2);
  configuration.old_voters = {kSelf, kOther};
  EXPECT_EQ(poll.Common(configuration, kSelf, 2, 0), 1);
}

TEST(FeaturePoll, ForgetsWhatIsOld) {
  FeaturePoll poll;
  poll.Told(kPeer, 2, 1'000);
  EXPECT_EQ(poll.Of(kPeer, 1'000 + kFeatureToldHoldsUs), 2);
  EXPECT_EQ(poll.Of(kPeer, 1'001 + kFeatureToldHoldsUs), std::nullopt);
  poll.Forget(kPeer);
  EXPECT_EQ(poll.Of(kPeer, 1'000), std::nullopt);
}

class MemberFeature : public ::testing::Test {
 protected:
  MemberFeature() {
    one_.member().SetFeatureCan(2);
    one_.BecomeLeader();
    // The no-op of its term is committed and applied.
    AllAcknowledged();
  }

  void AllAcknowledged() {
    one_.Persist();
    const Index last = one_.member().core().log().last_index();
    one_.Receive(kPeer, one_.Acknowledge(last));
    one_.Settle();
  }
  void Tells(NodeId peer, store::FeatureLevel level) {
    one_.Turn([&] { one_.member().PeerCan(peer, level); });
  }
  [[nodiscard]] bool Proposed() {
    return one_.member().FeatureDemanded() > one_.machine().feature_level();
  }

  TestMember one_;
};

TEST_F(MemberFeature, IsRaisedWhenAllCan) {
  Tells(kPeer, 2);
  EXPECT_FALSE(Proposed());
  Tells(kOther, 1);
  EXPECT_FALSE(Proposed());
  Tells(kOther, 2);
  EXPECT_TRUE(Proposed());
  EXPECT_EQ(one_.machine().feature_level(), 1);
  const Index proposed = one_.member().core().log().last_index();
  one_.Turn();
  EXPECT_EQ(one_.member().core().log().last_index(), proposed) << "proposed once";
  AllAcknowledged();
  EXPECT_EQ(one_.machine().feature_level(), 2);
  one_.Turn();
  EXPECT_EQ(one_.member().core().log().last_index(), proposed) << "and not again";
}

TEST_F(MemberFeature, WaitsForWhoHasNotSaidSoLately) {
  Tells(kPeer, 2);
  one_.Turn([&] { one_.member().PeerLost(kPeer); });
  Tells(kOther, 2);
  EXPECT_FALSE(Proposed());
  Tells(kPeer, 2);
  EXPECT_TRUE(Proposed());
}

TEST_F(MemberFeature, OfItselfToo) {
  one_.Turn([&] { one_.member().SetFeatureCan(1); });
  Tells(kPeer, 2);
  Tells(kOther, 2);
  EXPECT_FALSE(Proposed());
}

TEST_F(MemberFeature, ALogThatNeedsMoreStopsTheMember) {
  store::EnvelopeWriter writer;
  const std::string_view raise[] = {"feature-level", "3", "0.3.0"};
  writer.Add(store::Opcode::kRaiseFeatureLevel, 0, nullptr, raise);
  const Payload payload(writer.Finish(one_.now().wall_ms, 0));
  (void)one_.Events();
  one_.Turn([&] { (void)one_.member().Propose(payload, 7); });
  const Index before = one_.machine().applied();
  AllAcknowledged();
  EXPECT_EQ(one_.Events(),
            "halt the log needs feature level 3: Kvorum 0.3.0 or newer; this release can do level "
            "2 at most\n");
  EXPECT_EQ(one_.machine().applied(), before);
  EXPECT_EQ(one_.machine().feature_level(), 1);
}

TEST_F(MemberFeature, IsNotBelievedForLong) {
  Tells(kPeer, 2);
  one_.Turn([] {}, kLong);
  EXPECT_EQ(one_.member().FeatureOf(kPeer), std::nullopt);
}

}  // namespace
}  // namespace kvorum::replica
