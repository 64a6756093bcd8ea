// SPDX-License-Identifier: Apache-2.0
//
// What clients are told, with real processes. The numbers are those of the list of scenarios.
#include <hiredis/hiredis.h>

#include <atomic>
#include <set>
#include <thread>

#include "tests/chaos/scenario.h"

namespace kvorum::chaos {
namespace {

class Clients : public Scenario {};

// What was refused had no effect: it is not in the history, and its value would be seen.
TEST_F(Clients, Scenario88_RefusedIsNotExecutedAndUnknownIsUnknown) {
  Start(3, {"--election-park-timeout", "50"});
  BeginLoad(10, 3);
  for (int round = 0; round < 2; ++round) {
    Progress(80);
    const int leader = Leader();
    arena_->Cut({leader}, Others(leader));
    LeaderBesides(leader);
    arena_->HealLinks();
    Progress(40);
    arena_->Kill(Others(Leader()));  // nobody is left to commit with
    Wait(400);
    arena_->LaunchAll();
  }
  Finish();
  EXPECT_GT(recorder_.not_executed(), 0U);
}

TEST_F(Clients, Scenario89_TheReplyOfARequestIsItsOwnOverALeaderChange) {
  Start(3);
  const int leader = Leader();
  const int follower = Follower();
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> replies = 0;
  std::thread thread([&] {
    const e2e::ContextPtr context = e2e::Connect(arena_->cluster().ProxyPort(follower), 9000);
    for (int i = 0; !stop;) {
      const int first = i;
      for (int n = 0; n < 20; ++n, ++i) {
        redisAppendCommand(context.get(), n % 2 == 0 ? "ECHO %d" : "SETRANGE k:%d 0 x", i);
      }
      for (int n = 0; n < 20; ++n) {
        void* raw = nullptr;
        ASSERT_EQ(redisGetReply(context.get(), &raw), REDIS_OK) << context->errstr;
        const std::string text = e2e::Text(e2e::ReplyPtr(static_cast<redisReply*>(raw)));
        EXPECT_EQ(text, n % 2 == 0 ? std::to_string(first + n) : "1");
        ++replies;
      }
    }
  });
  for (const uint64_t target : {400U, 1200U}) {
    EXPECT_TRUE(e2e::WaitFor([&] { return replies > target; }));
    if (target == 400U) arena_->Kill({leader});
  }
  stop = true;
  thread.join();
  Finish();
}

// Through the proxy port of a node that lives on, each is executed exactly once, with its own
// reply.
TEST_F(Clients, Scenario109_ForwardedCommandsAreExecutedOnceThoughTheLeaderDies) {
  Start(3);
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> sum = 0;
  const int leader = Leader();
  std::vector<std::thread> threads;
  threads.reserve(6);
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&, i] {
      const int node = Others(leader)[static_cast<size_t>(i) % 2];
      const e2e::ContextPtr context = e2e::Connect(arena_->cluster().ProxyPort(node), 9000);
      uint64_t last = 0;
      while (!stop) {
        const std::string text = e2e::Text(e2e::Command(context.get(), {"INCR", "counter"}));
        ASSERT_FALSE(text.empty() || text[0] == '-' || text[0] == '(') << text;
        EXPECT_GT(std::stoull(text), last);
        last = std::stoull(text);
        ++sum;
      }
    });
  }
  EXPECT_TRUE(e2e::WaitFor([&] { return sum > 300; }));
  arena_->Kill({leader});
  const uint64_t then = sum;
  EXPECT_TRUE(e2e::WaitFor([&] { return sum > then + 300; }));
  stop = true;
  for (std::thread& thread : threads) thread.join();
  Finish();
  EXPECT_EQ(AskProxy(1, {"GET", "counter"}), std::to_string(sum));
}

// A node that forwards dies and comes back under its id: what it had sent is not confused.
TEST_F(Clients, Scenario111_ForwarderDiesAndComesBack) {
  Start(3);
  BeginLoad(10, 2);
  for (int round = 0; round < 3; ++round) {
    Progress(80);
    const int follower = Follower();
    arena_->Kill({follower});
    arena_->Launch(follower);
  }
  Finish();
}

// What was committed when the leader died had its effect, whether or not a reply was seen.
TEST_F(Clients, Scenario91_TheLeaderDiesBetweenCommitAndReply) {
  Start(3);
  BeginLoad(8, 5);
  for (int round = 0; round < 6; ++round) {
    Progress(100);
    KillLeader();
  }
  Finish();
}

TEST_F(Clients, Scenario92_OneCommandIsOneEntry) {
  Start(3);
  const int leader = Leader();
  const int follower = Follower();
  ASSERT_TRUE(arena_->WaitUntilLevel());
  uint64_t last = Number(leader, "last_index");
  for (int i = 1; i <= 20; ++i) {
    const int node = i % 2 == 0 ? leader : follower;
    EXPECT_EQ(AskProxy(node, {"INCR", "counter"}), std::to_string(i));
    EXPECT_EQ(Number(leader, "last_index"), ++last);
  }
  Finish();
}

TEST_F(Clients, Scenario93_RedirectsPointToTheLeaderAndNeverToTheNodeThatSaysThem) {
  Start(3, {"--election-park-timeout", "100"});
  std::set<std::string> words;
  const auto look = [&](int node) {
    const std::string text = Ask(node, {"SET", "k", "v"});
    words.insert(text.substr(0, text.find(' ')));
    if (!text.starts_with("-MOVED ")) return;
    const int port = std::stoi(text.substr(text.rfind(':') + 1));
    EXPECT_NE(port, arena_->cluster().Port(node)) << text;
    const std::vector<int> nodes = Others(node);
    EXPECT_TRUE(std::any_of(nodes.begin(), nodes.end(), [&](int other) {
      return arena_->cluster().Port(other) == port;
    })) << text;
  };
  for (int round = 0; round < 3; ++round) {
    const int leader = Leader();
    arena_->Kill({leader});
    for (int i = 0; i < 60; ++i) {
      for (const int node : Others(leader)) look(node);
    }
    if (round == 1) {  // one alone knows of no leader, and says so
      const int alone = Others(leader)[0];
      arena_->Kill({Others(leader)[1]});
      EXPECT_TRUE(
          e2e::WaitFor([&] { return Ask(alone, {"SET", "k", "v"}).starts_with("-CLUSTERDOWN"); }));
    }
    arena_->LaunchAll();
    EXPECT_TRUE(arena_->WaitUntilServing());
  }
  for (const std::string& word : words) {
    EXPECT_TRUE(word == "OK" || word == "-MOVED" || word == "-CLUSTERDOWN") << word;
  }
  Finish();
}

TEST_F(Clients, Scenario94_AHealthyClusterAlwaysHasALeader) {
  Start(3);
  BeginLoad(8, 3);
  const uint64_t term = Term(Leader());
  const int leader = Leader();
  for (int i = 0; i < 100; ++i) {
    for (const int node : Others(leader)) {
      EXPECT_TRUE(Ask(node, {"SET", "k", "v"}).starts_with("-MOVED "));
    }
    Wait(10);
  }
  EXPECT_EQ(Term(leader), term);
  Finish();
}

TEST_F(Clients, Scenario95_ClientsThatDoNotReadWhileTheLeaderChanges) {
  Start(3, {"--output-hard-limit", "8mb", "--output-soft-limit", "2mb"});
  const int leader = Leader();
  const int follower = Follower();
  ASSERT_EQ(Ask(leader, {"SET", "big", std::string(1 << 20, 'b')}), "OK");
  std::vector<e2e::ContextPtr> silent;
  for (int i = 0; i < 8; ++i) {
    const int node = i % 2 == 0 ? leader : follower;
    silent.push_back(e2e::Connect(arena_->cluster().ProxyPort(node), 300));
    ASSERT_NE(silent.back(), nullptr);
    for (int n = 0; n < 500; ++n) redisAppendCommand(silent.back().get(), "GET big");
    for (int n = 0, done = 0; n < 50 && done == 0; ++n) {
      if (redisBufferWrite(silent.back().get(), &done) != REDIS_OK) break;
    }
  }
  arena_->Stop(leader);
  LeaderBesides(leader);
  arena_->Continue(leader);
  EXPECT_TRUE(arena_->WaitUntilServing());
  for (const int node : arena_->Nodes()) EXPECT_LT(arena_->ResidentKb(node), 300U * 1024);
  silent.clear();
  Finish();
}

// Times are decided once, by whoever proposes, whatever the nodes' own clocks say.
TEST_F(Clients, Scenario96_TimesAndChancesAreTheSameOnAllNodes) {
  Start(3);
  constexpr int64_t kMinuteMs = 60'000;
  arena_->disk(1).wall_offset_ms = -7 * kMinuteMs;
  arena_->disk(2).wall_offset_ms = 5 * kMinuteMs;
  for (int i = 0; i < 30; ++i) {
    const std::string key = "k" + std::to_string(i);
    EXPECT_EQ(AskProxy(1 + i % 3, {"SET", key, "v", "PX", "900000"}), "OK");
    if (i == 15) {
      EXPECT_EQ(arena_->Terminate(Leader()), "");
      arena_->LaunchAll();
      EXPECT_TRUE(arena_->WaitUntilServing());
    }
  }
  Finish();
  std::set<std::string> seen;
  for (const int node : arena_->Nodes()) {
    const e2e::ContextPtr context = e2e::Connect(arena_->cluster().Port(node));
    EXPECT_EQ(e2e::Text(e2e::Command(context.get(), {"READONLY"})), "OK");
    std::string times;
    for (int i = 0; i < 30; ++i) {
      times +=
          e2e::Text(e2e::Command(context.get(), {"PEXPIRETIME", "k" + std::to_string(i)})) + " ";
    }
    seen.insert(times);
  }
  EXPECT_EQ(seen.size(), 1U);
}

TEST_F(Clients, Scenario98_LimitsOfOneNodeDoNotChangeWhatItApplies) {
  Start(3, {}, [this] { arena_->cluster().AddArguments(3, {"--maxmemory", "1mb"}); });
  if (Leader() == 3) {
    EXPECT_EQ(arena_->Terminate(3), "");
    LeaderBesides(3);
    arena_->Launch(3);
  }
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(AskProxy(1, {"SET", "k" + std::to_string(i), std::string(65'536, 'v')}), "OK");
  }
  Finish();
}

// More than the nodes can do is asked for: clients wait, nobody is elected, memory stays bounded.
TEST_F(Clients, Scenario99_MoreIsAskedForThanCanBeDone) {
  Start(3);
  const int leader = Leader();
  const uint64_t term = Term(leader);
  arena_->SetSyncTime(20'000);
  std::atomic<uint64_t> answered = 0;
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  const std::string value(64 << 10, 'v');
  threads.reserve(8);
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      const e2e::ContextPtr context = e2e::Connect(arena_->cluster().ProxyPort(1 + i % 3), 30'000);
      const std::string key = "flood" + std::to_string(i);
      while (!stop && context != nullptr) {
        for (int n = 0; n < 64; ++n) {
          redisAppendCommand(context.get(), "SET %s %b", key.c_str(), value.data(), value.size());
        }
        for (int n = 0; n < 64; ++n) {
          void* reply = nullptr;
          if (redisGetReply(context.get(), &reply) != REDIS_OK) {
            ADD_FAILURE() << context->errstr;
            return;
          }
          const e2e::ReplyPtr owned(static_cast<redisReply*>(reply));
          EXPECT_EQ(e2e::Text(owned), "OK");
          ++answered;
        }
      }
    });
  }
  EXPECT_TRUE(e2e::WaitFor([&] { return answered > 4'000; }));
  EXPECT_EQ(Term(leader), term) << LogOf(leader);
  for (const int node : arena_->Nodes()) EXPECT_LT(arena_->ResidentKb(node), 600U * 1024);
  stop = true;
  for (std::thread& thread : threads) thread.join();
  Finish();
}

}  // namespace
}  // namespace kvorum::chaos
