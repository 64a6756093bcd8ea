// SPDX-License-Identifier: Apache-2.0
#include "tests/chaos/campaign.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <utility>

#include "tests/chaos/aftermath.h"
#include "tests/chaos/history_file.h"

namespace kvorum::chaos {
namespace {

constexpr Micros kRoundUs = 3'000'000;
constexpr Micros kSlowHealUs = 3'000'000;  // told, not a fault
constexpr uint64_t kMostOpenFiles = 400;
constexpr uint64_t kMostResidentKb = 512 * 1024;

// Small files and frequent snapshots: what is rare in production happens in every round.
const std::vector<std::string> kArguments = {
    "--wal-segment-size", "1mb", "--snapshot-log-size", "1mb", "--keep-log-size", "256kb"};

double Seconds(Micros us) { return static_cast<double>(us) / 1e6; }

bool IsFiller(const std::string& key) { return key.starts_with("filler:") || key == "probe"; }

}  // namespace

Campaign::Campaign(const CampaignOptions& options)
    : options_(options),
      arena_(options.nodes, options.server, options.seed, kArguments),
      random_(options.seed),
      nemesis_(arena_, options.faults, random_.Next(), options.talkative) {}

void Campaign::Found(const std::string& what) {
  std::printf("FOUND (seed %llu, round %d): %s\n", static_cast<unsigned long long>(options_.seed),
              rounds_, what.c_str());
  findings_.push_back(what);
}

bool Campaign::Run() {
  const Micros end = NowMicros() + Micros{options_.seconds} * 1'000'000;
  arena_.LaunchAll();
  if (!arena_.WaitUntilServing()) Found("the nodes do not start");
  while (findings_.empty() && NowMicros() < end) {
    ++rounds_;
    RunRound(rounds_);
  }
  CollectCheck();
  if (findings_.empty() && !options_.keep) return true;
  arena_.cluster().KeepFolder();
  std::printf("logs and data are kept in %s\n", arena_.cluster().Folder().c_str());
  return findings_.empty();
}

void Campaign::RunRound(int round) {
  LoadShape shape;
  shape.prefix = "r" + std::to_string(round);
  shape.clients = static_cast<int>(random_.Between(4, 10));
  shape.groups = static_cast<int>(random_.Between(4, 8));
  arena_.SetSyncTime(static_cast<uint32_t>(random_.Between(0, 3000)));
  recorder_.Watch(true);
  Load load(arena_.cluster(), recorder_, shape, random_.Next());
  for (const std::string& finding : nemesis_.Run(kRoundUs)) Found(finding);
  for (const std::string& finding : nemesis_.Heal()) Found(finding);
  const bool serving = Settle();
  load.Stop();
  recorder_.Watch(false);
  if (serving) {
    for (const std::string& finding : ReadFinally(arena_, recorder_, load.Keys(), random_.Next())) {
      Found(finding);
    }
  }
  for (const std::string& finding : arena_.Supervise()) Found(finding);
  for (const std::string& wrong : recorder_.wrong()) Found(wrong);
  CheckHistory(round, recorder_.Take());
  if (!serving || !findings_.empty()) return;
  CheckStates(shape.prefix);
  if (findings_.empty()) CheckResources();
}

// Everything is healed: how long until it works?
bool Campaign::Settle() {
  const Micros began = NowMicros();
  std::string slow;
  const bool serving = arena_.WaitUntilServing(std::chrono::seconds(30), &slow);
  const Micros took = NowMicros() - began;
  longest_heal_ = std::max(longest_heal_, took);
  if (took > kSlowHealUs) {
    std::printf("round %d: %.3f s until healed;%s\n", rounds_, Seconds(took), slow.c_str());
  }
  if (!serving) Found("healed, and writes do not work");
  return serving;
}

// In the background: the next round goes on meanwhile.
void Campaign::CheckHistory(int round, check::History history) {
  CollectCheck();
  largest_history_ = std::max<uint64_t>(largest_history_, history.size());
  const std::string file = arena_.cluster().Folder() + "/history-" + std::to_string(round) + ".txt";
  check_ = std::async(std::launch::async, [file, history = std::move(history)] {
    WriteHistory(file, history);
    const Micros began = NowMicros();
    Checked checked{chaos::CheckHistory(history), file, 0};
    checked.took = NowMicros() - began;
    return checked;
  });
}

void Campaign::CollectCheck() {
  if (!check_.valid()) return;
  const Checked checked = check_.get();
  longest_check_ = std::max(longest_check_, checked.took);
  if (!checked.why.empty()) Found("history " + checked.file + ": " + checked.why);
}

void Campaign::CheckStates(const std::string& prefix) {
  std::map<std::string, std::string> first;
  const Findings findings = CompareStates(arena_, &first);
  for (const std::string& finding : findings) Found(finding);
  if (!findings.empty()) return;
  std::erase_if(first, [](const auto& entry) { return IsFiller(entry.first); });
  for (const auto& [key, value] : settled_) {
    const auto found = first.find(key);
    if (found == first.end() || found->second != value) {
      Found("nobody has written to " + key + " since it was read, and it has changed");
    }
  }
  for (const auto& [key, value] : first) {
    if (!key.starts_with(prefix + ":") && !settled_.contains(key)) Found(key + " has come back");
  }
  settled_ = std::move(first);
}

void Campaign::CheckResources() {
  for (const int node : arena_.Nodes()) {
    const uint64_t files = arena_.OpenFiles(node);
    const uint64_t kb = arena_.ResidentKb(node);
    if (files > kMostOpenFiles || kb > kMostResidentKb) {
      Found("node " + std::to_string(node) + " holds " + std::to_string(files) +
            " descriptors and " + std::to_string(kb) + " KiB");
    }
  }
}

void Campaign::PrintSummary() const {
  const auto number = [](uint64_t n) { return static_cast<unsigned long long>(n); };
  std::printf("seed %llu: %d nodes, %d rounds, %zu findings\n", number(options_.seed),
              options_.nodes, rounds_, findings_.size());
  std::printf("operations: %llu with an outcome, %llu without (%llu INDOUBT), %llu refused\n",
              number(recorder_.known()), number(recorder_.unknown()), number(recorder_.in_doubt()),
              number(recorder_.not_executed()));
  std::printf("faults:");
  for (const auto& [name, count] : nemesis_.counts()) {
    std::printf(" %s=%llu", name.c_str(), number(count));
  }
  std::printf("\nlongest time without an acknowledged write %.3f s, until healed %.3f s\n",
              Seconds(recorder_.longest_gap()), Seconds(longest_heal_));
  std::printf("largest history %llu operations, longest check %.3f s\n", number(largest_history_),
              Seconds(longest_check_));
}

}  // namespace kvorum::chaos
