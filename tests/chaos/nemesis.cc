// SPDX-License-Identifier: Apache-2.0
#include "tests/chaos/nemesis.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <sstream>
#include <thread>
#include <utility>

#include "tests/chaos/recorder.h"

namespace kvorum::chaos {
namespace {

constexpr Micros kMs = 1000;
constexpr size_t kFaultsAtATime = 3;

constexpr std::pair<Fault, const char*> kNames[] = {
    {Fault::kKill, "kill"},          {Fault::kPower, "power"},         {Fault::kStop, "stop"},
    {Fault::kRestart, "restart"},    {Fault::kPartition, "partition"}, {Fault::kReset, "reset"},
    {Fault::kSlowLink, "slow-link"}, {Fault::kDisk, "disk"},           {Fault::kClock, "clock"},
    {Fault::kMembers, "members"},
};

void PauseMicros(Micros us) { std::this_thread::sleep_for(std::chrono::microseconds(us)); }

std::string List(const std::vector<int>& nodes) {
  std::string text;
  for (const int node : nodes) text += (text.empty() ? "" : ",") + std::to_string(node);
  return text;
}

}  // namespace

std::string NameOf(Fault fault) {
  for (const auto& [known, name] : kNames) {
    if (known == fault) return name;
  }
  return {};
}

std::optional<std::vector<Fault>> ParseFaults(const std::string& text) {
  if (text == "all") return std::vector<Fault>(std::begin(kAllFaults), std::end(kAllFaults));
  if (text == "churn") {
    return std::vector<Fault>(std::begin(kMemberFaults), std::end(kMemberFaults));
  }
  std::vector<Fault> faults;
  std::istringstream in(text);
  std::string word;
  while (std::getline(in, word, ',')) {
    const auto* found = std::find_if(std::begin(kNames), std::end(kNames),
                                     [&](const auto& known) { return word == known.second; });
    if (found == std::end(kNames)) return std::nullopt;
    faults.push_back(found->first);
  }
  if (faults.empty()) return std::nullopt;
  return faults;
}

Nemesis::Nemesis(Arena& arena, std::vector<Fault> faults, uint64_t seed, bool talkative)
    : arena_(arena), faults_(std::move(faults)), random_(seed), talkative_(talkative) {}

std::vector<std::string> Nemesis::Run(Micros duration) {
  const Micros end = NowMicros() + duration;
  Micros next = NowMicros() + random_.Between(50, 400) * kMs;
  while (NowMicros() < end) {
    const Micros now = NowMicros();
    EndDue(now);
    Look();
    // A node that its disk has ended is started again; if the disk still fails, so will it.
    if (random_.OneIn(1, 40) && active_.empty()) arena_.LaunchAll();
    if (now >= next && active_.size() < kFaultsAtATime) {
      Begin(faults_[random_.Below(faults_.size())]);
      next = NowMicros() + random_.Between(50, 900) * kMs;
    }
    PauseMicros(5 * kMs);
  }
  return std::exchange(findings_, {});
}

void Nemesis::Look() {
  for (std::string& finding : arena_.Supervise()) findings_.push_back(std::move(finding));
}

std::vector<std::string> Nemesis::Heal() {
  for (const Active& active : std::exchange(active_, {})) active.end();
  arena_.HealLinks();
  for (const int node : arena_.Nodes()) arena_.ClearDisk(node);
  // What the last fault has ended is no finding; from here on everything is.
  PauseMicros(20 * kMs);
  Look();
  for (const int node : arena_.Nodes()) {
    arena_.ExpectDiskFailure(node, unsettled_.contains(node));
  }
  arena_.HealAll();
  SettleMembers();
  return std::exchange(findings_, {});
}

void Nemesis::EndDue(Micros now) {
  for (size_t i = 0; i < active_.size();) {
    if (active_[i].until > now) {
      ++i;
      continue;
    }
    const std::function<void()> end = std::move(active_[i].end);
    active_.erase(active_.begin() + static_cast<std::ptrdiff_t>(i));
    end();
  }
}

void Nemesis::During(Micros least, Micros most, std::function<void()> end) {
  active_.push_back({NowMicros() + random_.Between(least, most), std::move(end)});
}

void Nemesis::Say(const std::string& what) {
  if (!talkative_) return;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count() % 3'600'000;
  std::printf("  %02d:%06.3f  %s\n", static_cast<int>(ms / 60'000),
              static_cast<double>(ms % 60'000) / 1e3, what.c_str());
}

void Nemesis::Begin(Fault fault) {
  ++counts_[NameOf(fault)];
  switch (fault) {
    case Fault::kKill:
      return BeginKill();
    case Fault::kPower:
      return BeginPower();
    case Fault::kStop:
      return BeginStop();
    case Fault::kRestart:
      return BeginRestart();
    case Fault::kPartition:
      return BeginPartition();
    case Fault::kReset:
      return BeginReset();
    case Fault::kSlowLink:
      return BeginSlowLink();
    case Fault::kDisk:
      return BeginDisk();
    case Fault::kClock:
      return BeginClock();
    case Fault::kMembers:
      return BeginMembers();
  }
}

// ---- whom it hits -------------------------------------------------------------------------------

int Nemesis::AnyNode() {
  return 1 + static_cast<int>(random_.Below(static_cast<uint64_t>(arena_.size())));
}

int Nemesis::LeaderOrAny() {
  const int leader = random_.OneIn(2, 3) ? arena_.Leader() : 0;
  return leader != 0 ? leader : AnyNode();
}

std::vector<int> Nemesis::Shuffled() {
  std::vector<int> nodes = arena_.Nodes();
  for (size_t i = nodes.size(); i > 1; --i) std::swap(nodes[i - 1], nodes[random_.Below(i)]);
  return nodes;
}

std::vector<int> Nemesis::Victims() {
  const uint64_t dice = random_.Below(10);
  if (dice < 6) return {LeaderOrAny()};
  std::vector<int> nodes = Shuffled();
  if (dice < 8) nodes.resize((nodes.size() - 1) / 2);
  if (dice == 8) nodes.resize(nodes.size() / 2 + 1);
  return nodes;
}

// ---- members ------------------------------------------------------------------------------------

// One at a time: a removal without an answer may still be made.
void Nemesis::BeginMembers() {
  if (!unsettled_.empty()) return;
  const int seat = AnyNode();
  const std::string id = std::to_string(arena_.cluster().IdOf(seat));
  const bool dead = random_.OneIn(1, 2);
  if (dead) arena_.Kill({seat});
  const std::string answer = arena_.TellLeader({"RAFT", "REMOVE", id});
  Say("remove " + id + (dead ? ", dead: " : ": ") + answer);
  const bool refused = answer.starts_with("-") && !answer.starts_with("-INDOUBT");
  if (!refused) unsettled_.insert(seat);
  if (answer == "OK") {
    arena_.Reseat(seat);
    arena_.ExpectRefusal(seat, true);
  }
  During(20 * kMs, 800 * kMs, [this, seat] {
    Say("node " + std::to_string(arena_.cluster().IdOf(seat)) + " starts");
    arena_.Launch(seat);
  });
}

// In the end each seat has a voter. A member whose removal has no outcome is removed for certain;
// so is one that was taken in and died before it knew.
void Nemesis::SettleMembers() {
  const Micros deadline = NowMicros() + 40'000 * kMs;
  while (!unsettled_.empty() && NowMicros() < deadline) {
    Look();
    std::erase_if(unsettled_, [&](int seat) {
      if (arena_.Field(seat, "membership") != "voter") return false;
      // Its own log may not know of a removal yet; whoever leads does.
      return arena_.TellLeader({"RAFT", "PROMOTE", std::to_string(arena_.cluster().IdOf(seat))}) ==
             "-ERR this node is a voter already";
    });
    for (const int seat : unsettled_) {
      const std::string id = std::to_string(arena_.cluster().IdOf(seat));
      const std::string own = arena_.Field(seat, "membership");
      // Who was down while it was removed still takes itself for a voter, and nobody speaks to it.
      const bool removed =
          own == "removed" ||
          (own == "voter" &&
           arena_.TellLeader({"RAFT", "PROMOTE", id}).starts_with("-ERR no member"));
      if (arena_.cluster().Running(seat) && !removed) continue;
      const std::string answer = arena_.TellLeader({"RAFT", "REMOVE", id});
      if (answer != "OK" && !answer.starts_with("-ERR no member")) continue;
      Say("node " + id + " is replaced");
      arena_.Reseat(seat);
      arena_.Launch(seat);
    }
    PauseMicros(20 * kMs);
  }
  for (const int seat : unsettled_) {
    findings_.push_back("healed, and node " + std::to_string(arena_.cluster().IdOf(seat)) +
                        " does not become a voter");
  }
  unsettled_.clear();
  for (const int node : arena_.Nodes()) arena_.ExpectRefusal(node, false);
}

// ---- processes ----------------------------------------------------------------------------------

void Nemesis::StartLater(const std::vector<int>& nodes) {
  for (const int node : nodes) {
    During(0, 1500 * kMs, [this, node] { arena_.Launch(node); });
  }
}

void Nemesis::BeginKill() {
  if (random_.OneIn(1, 4)) {
    const int node = LeaderOrAny();
    const auto call = static_cast<uint32_t>(random_.Between(1, 40));
    Say("kill " + std::to_string(node) + " at its call " + std::to_string(call) + " to the disk");
    arena_.ExpectDiskFailure(node, true);
    arena_.disk(node).kill_at_call = call;
    During(100 * kMs, 1200 * kMs, [this, node] {
      arena_.disk(node).kill_at_call = 0;
      Look();
      arena_.Launch(node);
    });
    return;
  }
  const std::vector<int> nodes = Victims();
  Say("kill " + List(nodes));
  arena_.Kill(nodes);
  StartLater(nodes);
}

void Nemesis::BeginPower() {
  const std::vector<int> nodes = Victims();
  PowerLoss how;
  if (random_.OneIn(2, 3)) {
    how.kept_percent = static_cast<unsigned>(random_.Between(1, 99));
    how.garbled_percent = random_.OneIn(1, 3) ? 10 : 0;
  }
  const Undone undone = arena_.LosePower(nodes, how);
  counts_["power: names undone"] += undone.names;
  counts_["power: sectors undone"] += undone.sectors;
  Say("power loss of " + List(nodes) + ", " + std::to_string(undone.sectors) + " sectors and " +
      std::to_string(undone.names) + " names undone");
  StartLater(nodes);
}

void Nemesis::BeginStop() {
  const std::vector<int> nodes = Victims();
  // Mostly around what matters: leases, promises, election timeouts.
  const Micros least = 10 * kMs;
  const Micros most = random_.OneIn(1, 2) ? 400 * kMs : 3000 * kMs;
  Say("stop " + List(nodes));
  for (const int node : nodes) arena_.Stop(node);
  for (const int node : nodes) {
    During(least, most, [this, node] { arena_.Continue(node); });
  }
}

void Nemesis::BeginRestart() {
  const std::vector<int> nodes = random_.OneIn(1, 2) ? Shuffled() : std::vector<int>{LeaderOrAny()};
  Say("restart " + List(nodes));
  for (const int node : nodes) {
    // A log that is stuck ends when it has ended.
    const bool stuck = arena_.disk(node).sync_delay_us.load() > 1'000'000;
    if (!arena_.cluster().Running(node) || arena_.Stopped(node) || stuck) continue;
    if (std::string finding = arena_.Terminate(node); !finding.empty()) {
      findings_.push_back(std::move(finding));
    }
    arena_.Launch(node);
    PauseMicros(random_.Between(50, 400) * kMs);
    EndDue(NowMicros());
  }
}

// ---- links --------------------------------------------------------------------------------------

void Nemesis::Shape(int shape) {
  const std::vector<int> nodes = Shuffled();
  const size_t half = nodes.size() / 2;
  const std::vector<int> few(nodes.begin(), nodes.begin() + static_cast<std::ptrdiff_t>(half));
  const std::vector<int> many(nodes.begin() + static_cast<std::ptrdiff_t>(half), nodes.end());
  const int leader = LeaderOrAny();
  switch (shape) {
    case 0:
      Say("partition: " + std::to_string(leader) + " is alone");
      return arena_.Cut({leader}, nodes);
    case 1:
      Say("partition: " + List(few) + " | " + List(many));
      return arena_.Cut(few, many);
    case 2:  // sends but does not hear, or the other way round
      Say("partition: one way, " + std::to_string(leader));
      for (const int node : nodes) {
        if (node == leader) continue;
        if (random_.OneIn(1, 2)) {
          arena_.CutOneWay(leader, node);
        } else {
          arena_.CutOneWay(node, leader);
        }
      }
      return;
    case 3:  // two sides that only one node can speak to
      Say("partition: " + std::to_string(many.back()) + " is the bridge");
      return arena_.Cut(few, {many.begin(), many.end() - 1});
    case 4:  // each speaks to its neighbours in a ring
      Say("partition: ring");
      for (size_t i = 0; i < nodes.size(); ++i) {
        for (size_t apart = 2; apart + 1 < nodes.size(); ++apart) {
          arena_.Cut({nodes[i]}, {nodes[(i + apart) % nodes.size()]});
        }
      }
      if (nodes.size() == 3) arena_.Cut({nodes[0]}, {nodes[1]});
      return;
    case 5:  // everybody alone
      Say("partition: all alone");
      return arena_.Cut(nodes, nodes);
    default:
      Say("partition: single directions");
      for (const int a : nodes) {
        for (const int b : nodes) {
          if (a != b && random_.OneIn(1, 3)) arena_.CutOneWay(a, b);
        }
      }
  }
}

void Nemesis::Flap() {
  const int node = LeaderOrAny();
  Say("flapping: " + std::to_string(node));
  for (int i = 0; i < 6; ++i) {
    arena_.Cut({node}, arena_.Nodes());
    PauseMicros(random_.Between(20, 200) * kMs);
    arena_.HealLinks();
    PauseMicros(random_.Between(20, 200) * kMs);
  }
}

void Nemesis::BeginPartition() {
  if (random_.OneIn(1, 8)) return Flap();
  Shape(static_cast<int>(random_.Below(7)));
  During(100 * kMs, 2500 * kMs, [this] { arena_.HealLinks(); });
}

void Nemesis::BeginReset() {
  const int node = LeaderOrAny();
  const uint64_t dice = random_.Below(3);
  LinkRule refused;
  refused.refuse = true;
  for (const int peer : arena_.Nodes()) {
    if (peer == node) continue;
    if (dice == 0) {  // evidence of a death that is none
      arena_.proxy().Set(peer, node, refused);
      continue;
    }
    if (dice == 1 || random_.OneIn(1, 2)) arena_.proxy().Reset(peer, node, random_.OneIn(1, 2));
    if (dice == 1 || random_.OneIn(1, 2)) arena_.proxy().Reset(node, peer, random_.OneIn(1, 2));
  }
  Say((dice == 0 ? "links refused: " : "links reset: ") + std::to_string(node));
  if (dice == 0) During(20 * kMs, 1000 * kMs, [this] { arena_.HealLinks(); });
}

void Nemesis::BeginSlowLink() {
  LinkRule rule;
  rule.delay = std::chrono::microseconds(random_.Between(0, 60'000));
  rule.jitter = std::chrono::microseconds(random_.Between(0, 120'000));
  if (random_.OneIn(1, 3)) rule.bytes_per_second = 20'000 + random_.Below(200'000);
  const int node = LeaderOrAny();
  const bool everywhere = random_.OneIn(1, 3);
  Say("slow links: " + (everywhere ? std::string("all") : std::to_string(node)));
  for (const int a : arena_.Nodes()) {
    for (const int b : arena_.Nodes()) {
      if (a != b && (everywhere || a == node || b == node)) arena_.proxy().Set(a, b, rule);
    }
  }
  During(200 * kMs, 2500 * kMs, [this] { arena_.HealLinks(); });
}

// ---- disks and clocks ---------------------------------------------------------------------------

void Nemesis::BeginDisk() {
  const int node = LeaderOrAny();
  DiskControl& disk = arena_.disk(node);
  const uint64_t dice = random_.Below(6);
  constexpr const char* kWhat[] = {"slow",        "stuck", "sync fails",
                                   "write fails", "full",  "nearly full"};
  Say("disk of " + std::to_string(node) + ": " + kWhat[dice]);
  ++counts_[std::string("disk: ") + kWhat[dice]];
  switch (dice) {
    case 0:
      disk.sync_delay_us = static_cast<uint32_t>(random_.Between(1, 80) * kMs);
      disk.write_delay_us = static_cast<uint32_t>(random_.Between(0, 5) * kMs);
      break;
    case 1:
      disk.sync_delay_us = 20'000'000;
      break;
    case 2:
      arena_.ExpectDiskFailure(node, true);
      disk.fail_syncs = 1;
      break;
    case 3:
      arena_.ExpectDiskFailure(node, true);
      disk.fail_writes = 1;
      break;
    case 4:
      arena_.ExpectDiskFailure(node, true);
      disk.full = 1;
      break;
    default:
      disk.nearly_full = 1;
  }
  During(100 * kMs, 2500 * kMs, [this, node] {
    const int64_t offset = arena_.disk(node).wall_offset_ms;
    arena_.ClearDisk(node);
    arena_.disk(node).wall_offset_ms = offset;
    Look();
    arena_.Launch(node);
  });
}

void Nemesis::BeginClock() {
  constexpr int64_t kHourMs = 3'600'000;
  const std::vector<int> nodes = Victims();
  Say("wall clocks of " + List(nodes) + " jump");
  const bool strobe = random_.OneIn(1, 4);
  for (int i = 0; i < (strobe ? 20 : 1); ++i) {
    for (const int node : nodes) {
      arena_.disk(node).wall_offset_ms = random_.Between(-kHourMs, kHourMs);
    }
    if (strobe) PauseMicros(10 * kMs);
  }
  During(200 * kMs, 3000 * kMs, [this, nodes] {
    for (const int node : nodes) arena_.disk(node).wall_offset_ms = 0;
  });
}

}  // namespace kvorum::chaos
