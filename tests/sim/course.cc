// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/course.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <utility>
#include <vector>

#include "tests/sim/lab.h"

namespace kvorum::sim {
namespace {

struct Event {
  std::string type;
  Micros at = 0;
};

struct Config {
  std::string run;  // equal in generations that differ in nothing but their tiers
  std::string generation;
  std::string name;
  int replicas = 5;
  int requests = 0;
  Micros lifetime = 0;
  Micros end_wait = 0;  // of it, at the end: nothing is asked any more
  double read_share = 0;
  int drop_percent = 0;
  std::vector<Event> events;
  std::vector<std::vector<double>> tiers;  // messages, failures, duplicates, median latency
};

std::vector<std::string> Split(const std::string& text, char by) {
  std::vector<std::string> parts;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, by);) parts.push_back(part);
  return parts;
}

std::vector<double> Tiers(const std::string& text) {
  std::vector<double> tiers;
  for (const std::string& part : Split(text, '/')) {
    tiers.push_back(std::strtod(part.c_str(), nullptr));
  }
  return tiers;
}

std::vector<Config> Load() {
  std::ifstream file(KVORUM_COURSE_FILE);
  std::vector<Config> configs;
  std::string line;
  std::getline(file, line);  // the names of the columns
  while (std::getline(file, line)) {
    if (line.ends_with('\r')) line.pop_back();
    std::vector<std::string> cells = Split(line, ',');
    cells.resize(13);
    Config config{.generation = cells[0], .name = cells[1]};
    config.replicas = std::atoi(cells[2].c_str());
    config.requests = std::atoi(cells[3].c_str());
    config.lifetime = Micros{std::atoi(cells[4].c_str())} * 1'000'000;
    config.read_share = std::strtod(cells[5].c_str(), nullptr);
    config.drop_percent =
        static_cast<int>(std::lround(std::strtod(cells[6].c_str(), nullptr) * 100));
    config.end_wait = Micros{std::atoi(cells[7].c_str())} * 1'000'000;
    for (const std::string& event : Split(cells[8], ';')) {
      const std::vector<std::string> parts = Split(event, '@');
      config.events.push_back(
          {parts.at(0), static_cast<Micros>(std::strtod(parts.at(1).c_str(), nullptr) * 1e6)});
    }
    for (size_t i = 1; i < 9; ++i) config.run += cells[i] + ",";
    for (size_t i = 9; i < 13; ++i) config.tiers.push_back(Tiers(cells[i]));
    configs.push_back(std::move(config));
  }
  return configs;
}

// What a run scored; sums over runs, too.
struct Score {
  double messages = 0;
  double unanswered = 0;
  double duplicates = 0;
  double median_s = 0;
};

// One client: its requests spread evenly over the lifetime but its end, one at a time.
class CourseClient {
 public:
  CourseClient(Lab& lab, const Config& config, int number, int requests)
      : lab_(lab),
        config_(config),
        number_(number),
        requests_(requests),
        rng_(lab.rng.Next()),
        client_(lab.Client()) {}

  void Start() {
    for (int i = 0; i < requests_; ++i) {
      const Micros asking = config_.lifetime - config_.end_wait;
      const Micros at = asking * i / requests_ + rng_.Between(0, 100'000);
      lab_.world().events().After(at, [this] { Request(); });
    }
  }
  // It asks anybody next.
  void ForgetTheLeader() {
    if (client_.idle()) client_.Drop();
  }
  [[nodiscard]] size_t Waiting() const { return queue_.size() + (client_.idle() ? 0 : 1); }

 private:
  void Request() {
    std::vector<std::string> argv;
    const bool read =
        !keys_.empty() && static_cast<double>(rng_.Below(1000)) < config_.read_share * 1000;
    if (read) {
      argv = {"GET", keys_[rng_.Below(keys_.size())]};
    } else {
      std::string key;
      if (!keys_.empty() && rng_.OneIn(1, 2)) {
        key = keys_[rng_.Below(keys_.size())];
      } else {
        key = "client" + std::to_string(number_) + "." + std::to_string(keys_.size());
        key.resize(32, 'k');
        keys_.push_back(key);
      }
      argv = {"SET", key, "v" + std::to_string(number_) + "." + std::to_string(++values_) + ";"};
    }
    queue_.push_back(std::move(argv));
    Next();
  }
  void Next() {
    if (queue_.empty() || !client_.idle()) return;
    std::vector<std::string> argv = std::move(queue_.front());
    queue_.erase(queue_.begin());
    client_.Ask(std::move(argv),
                [this](const check::Op&) { lab_.world().events().After(1, [this] { Next(); }); });
  }

  Lab& lab_;
  const Config& config_;
  int number_;
  int requests_;
  Rng rng_;
  SimClient& client_;
  std::vector<std::string> keys_;
  std::vector<std::vector<std::string>> queue_;
  uint64_t values_ = 0;
};

class CourseRun {
 public:
  CourseRun(const Config& config, uint64_t seed, bool restart)
      : config_(config), lab_(seed), restart_(restart) {
    Plan& plan = lab_.plan;
    // Intervals as a wide-area operator sets them: the course counts every heartbeat.
    plan.election_ms = 600;
    plan.heartbeat_ms = 250;
    plan.delay_most_us = 300;
    plan.sync_most_us = 300;
    plan.snapshot_log_bytes = 16 << 10;
  }

  Report Run(Score* score) {
    lab_.Begin(config_.replicas);
    World& world = lab_.world();
    world.plan().loss_percent = config_.drop_percent;
    const uint64_t messages = world.figures().messages;
    constexpr int kClients = 8;
    for (int i = 0; i < kClients; ++i) {
      const int share = config_.requests / kClients + (i < config_.requests % kClients ? 1 : 0);
      clients_.push_back(std::make_unique<CourseClient>(lab_, config_, i, share));
      clients_.back()->Start();
    }
    for (const Event& event : config_.events) {
      world.events().After(event.at, [this, &event] { Do(event); });
    }
    lab_.Run(config_.lifetime);
    score->messages = static_cast<double>(world.figures().messages - messages);
    for (const auto& client : clients_) score->unanswered += static_cast<double>(client->Waiting());
    for (const check::Op& op : world.history()) score->unanswered += op.Known() ? 0 : 1;
    score->median_s = MedianSeconds(world.history());
    // Ours: what was asked is answered when the faults are over.
    const auto all_answered = [&] {
      return std::all_of(clients_.begin(), clients_.end(),
                         [](const auto& client) { return client->Waiting() == 0; });
    };
    lab_.network().Heal();
    world.plan().loss_percent = 0;
    lab_.Until(all_answered, lab_.ET(10));
    lab_.Expect(all_answered(), "every request is answered");
    if (restart_) return lab_.End();
    return EndWithoutTheDead();
  }

 private:
  static double MedianSeconds(const check::History& history) {
    std::vector<Micros> latencies;
    for (const check::Op& op : history) {
      if (op.Known()) latencies.push_back(op.returned - op.invoked);
    }
    if (latencies.empty()) return 0;
    const auto middle = latencies.begin() + static_cast<std::ptrdiff_t>(latencies.size() / 2);
    std::nth_element(latencies.begin(), middle, latencies.end());
    return static_cast<double>(*middle) / 1e6;
  }

  void Do(const Event& event) {
    const NodeId leader = lab_.leader();
    std::vector<NodeId> alive;
    for (const NodeId id : lab_.world().Ids()) {
      if (lab_.node(id).alive()) alive.push_back(id);
    }
    if (event.type == "kill_leader" || event.type == "kill_non_leader") {
      const bool kill_leader = event.type == "kill_leader";
      if (!kill_leader || leader == NodeId()) std::erase(alive, leader);
      const NodeId victim =
          kill_leader && leader != NodeId() ? leader : alive[lab_.rng.Below(alive.size())];
      lab_.Kill(victim);
      if (restart_) lab_.world().events().After(1'000'000, [this, victim] { lab_.Start(victim); });
    } else if (event.type == "part_end") {
      lab_.network().Heal();
    } else {
      // Three on one side; "easy" keeps the leader among them, "hard" has it forgotten.
      std::vector<NodeId> mixed = lab_.world().Ids();
      for (size_t i = mixed.size(); i > 1; --i) std::swap(mixed[i - 1], mixed[lab_.rng.Below(i)]);
      if (event.type == "part_easy" && leader != NodeId()) {
        std::iter_swap(mixed.begin(), std::find(mixed.begin(), mixed.end(), leader));
      }
      for (size_t i = 0; i < 3; ++i) {
        for (size_t j = 3; j < mixed.size(); ++j) lab_.CutBoth(mixed[i], mixed[j]);
      }
      if (event.type == "part_hard") {
        for (const auto& client : clients_) client->ForgetTheLeader();
      }
    }
  }

  // In the course a killed replica stays dead.
  Report EndWithoutTheDead() {
    World& world = lab_.world();
    if (!lab_.failed()) {
      std::vector<NodeId> alive;
      for (const NodeId id : world.Ids()) {
        if (lab_.node(id).alive()) alive.push_back(id);
      }
      const auto equal = [&] {
        return std::all_of(alive.begin(), alive.end(), [&](NodeId id) {
          return lab_.node(id).node().member().applied() == world.watcher().committed();
        });
      };
      lab_.Until(equal, lab_.ET(10));
      lab_.Expect(equal(), "all living replicas are equal within ten timeouts");
      world.CheckEverything();
    }
    return world.Finish();
  }

  const Config& config_;
  Lab lab_;
  bool restart_;
  std::vector<std::unique_ptr<CourseClient>> clients_;
};

constexpr uint64_t kDefaultSeeds = 200;

// 0: best. One more for each bound that is passed; "-" where the generation has none.
std::string TierOf(double value, const std::vector<double>& tiers) {
  if (tiers.empty()) return "-";
  int tier = 0;
  for (const double bound : tiers) tier += value > bound ? 1 : 0;
  return std::to_string(tier);
}

CampaignResult RunConfig(const Config& config, bool restart, Campaign campaign) {
  campaign.quiet = true;
  if (campaign.count == 0) campaign.count = kDefaultSeeds;
  return RunCampaign(campaign, [&](uint64_t seed) {
    Score score;
    Report report = CourseRun(config, seed, restart).Run(&score);
    // Through the figures, which processes can add up.
    report.figures.messages = static_cast<uint64_t>(score.messages);
    report.figures.unknown = static_cast<uint64_t>(score.unanswered);
    report.figures.searched = static_cast<uint64_t>(score.median_s * 1e9);
    return report;
  });
}

void Print(const Config& config, bool restart, const CampaignResult& result) {
  const auto n = static_cast<double>(std::max<uint64_t>(result.figures.seeds, 1));
  const double messages = static_cast<double>(result.figures.messages) / n;
  const double unanswered = static_cast<double>(result.figures.unknown) / n;
  const double median = static_cast<double>(result.figures.searched) / n / 1e9;
  // A client hears one reply to each request: the transport sees to it, and a second one fails the
  // run.
  std::printf("%-6s %-14s %-13s %-8s %8.0f (%s) %10.2f (%s) %6d (%s) %12.6f (%s)\n",
              result.ok ? "ok" : "FAILED", config.generation.c_str(), config.name.c_str(),
              restart ? "restart" : "", messages, TierOf(messages, config.tiers[0]).c_str(),
              unanswered, TierOf(unanswered, config.tiers[1]).c_str(), 0,
              TierOf(0, config.tiers[2]).c_str(), median, TierOf(median, config.tiers[3]).c_str());
  if (!result.ok) {
    std::printf("  seed %llu: %s\n", static_cast<unsigned long long>(result.failed_seed),
                result.failure.c_str());
  }
}

}  // namespace

bool RunCourse(const std::string& name, const Campaign& campaign) {
  const std::vector<Config> configs = Load();
  std::printf(
      "means over %llu seeds; in brackets the tier, 0 is best, - has none\n",
      static_cast<unsigned long long>(campaign.count == 0 ? kDefaultSeeds : campaign.count));
  std::printf("%-6s %-14s %-13s %-8s %12s %14s %10s %16s\n", "", "generation", "config", "variant",
              "messages", "unanswered", "doubled", "median s");
  std::map<std::pair<std::string, bool>, CampaignResult> done;
  bool ok = true;
  int found = 0;
  for (const Config& config : configs) {
    const std::string full = config.generation + "/" + config.name;
    if (name != "all" && full.find(name) == std::string::npos) continue;
    ++found;
    const bool kills = std::any_of(config.events.begin(), config.events.end(),
                                   [](const Event& e) { return e.type.starts_with("kill"); });
    for (const bool restart : {false, true}) {
      if (restart && !kills) continue;
      const auto [it, first] = done.try_emplace({config.run, restart});
      if (first) it->second = RunConfig(config, restart, campaign);
      Print(config, restart, it->second);
      ok &= it->second.ok;
    }
  }
  std::printf("%d of %zu configs, %s\n", found, configs.size(), ok ? "all passed" : "FAILED");
  return ok && found > 0;
}

}  // namespace kvorum::sim
