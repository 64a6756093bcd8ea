// SPDX-License-Identifier: Apache-2.0
//
// kvorum-sim: see Usage.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/sim/campaign.h"
#include "tests/sim/course.h"
#include "tests/sim/minimize.h"
#include "tests/sim/scenario.h"
#include "tests/sim/world.h"

namespace {

using namespace kvorum::sim;  // NOLINT: a program, not a header

struct Arguments {
  uint64_t seed = 0;
  Campaign campaign;
  std::vector<uint64_t> only;
  bool some = false;  // --only was given
  bool trace = false;
  bool minimize = false;
  bool list = false;
  std::string scenario;
  std::string course;
};

int Usage() {
  std::fputs(
      "kvorum-sim --seed N [--trace] [--only A,B,...]  replays one run; with --only, only those "
      "of\n"
      "                                                its faults, by number\n"
      "kvorum-sim --seed N --minimize                  finds the faults that a failing run needs\n"
      "kvorum-sim --seeds COUNT | --campaign SECONDS [--first-seed S] [--jobs N]\n"
      "                                                runs many; stops at the first that fails\n"
      "kvorum-sim --scenario N|all [--seeds COUNT] [--trace]\n"
      "                                                the scripted fault scenarios, by number\n"
      "kvorum-sim --course NAME|all [--seeds COUNT]    the course simulator's scenarios, scored\n"
      "kvorum-sim --list                               what scenarios there are\n",
      stderr);
  return 2;
}

std::vector<uint64_t> Numbers(const std::string& text) {
  std::vector<uint64_t> numbers;
  const char* at = text.c_str();
  while (*at != '\0') {
    char* end = nullptr;
    numbers.push_back(std::strtoull(at, &end, 10));
    at = *end == ',' ? end + 1 : end;
    if (end == at && *end != '\0') break;
  }
  return numbers;
}

bool Parse(int argc, char** argv, Arguments* arguments) {
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--trace") {
      arguments->trace = true;
      continue;
    }
    if (option == "--minimize") {
      arguments->minimize = true;
      continue;
    }
    if (option == "--list") {
      arguments->list = true;
      continue;
    }
    if (i + 1 == argc) return false;
    const std::string value = argv[++i];
    const uint64_t number = std::strtoull(value.c_str(), nullptr, 10);
    if (option == "--seed") {
      arguments->seed = number;
    } else if (option == "--first-seed") {
      arguments->campaign.first = number;
    } else if (option == "--seeds") {
      arguments->campaign.count = number;
    } else if (option == "--jobs") {
      arguments->campaign.jobs = static_cast<int>(number);
    } else if (option == "--campaign") {
      arguments->campaign.seconds = std::strtod(value.c_str(), nullptr);
    } else if (option == "--scenario") {
      arguments->scenario = value;
    } else if (option == "--course") {
      arguments->course = value;
    } else if (option == "--only") {
      arguments->only = Numbers(value);
      arguments->some = true;
    } else {
      return false;
    }
  }
  return arguments->seed != 0 || arguments->campaign.count != 0 ||
         arguments->campaign.seconds > 0 || arguments->list || !arguments->scenario.empty() ||
         !arguments->course.empty();
}

Plan PlanOf(const Arguments& arguments) {
  Plan plan = Plan::Swarm(arguments.seed);
  plan.trace = arguments.trace;
  if (!arguments.some) return plan;
  std::vector<Fault> some;
  for (const uint64_t number : arguments.only) {
    if (number < plan.faults.size()) some.push_back(plan.faults[number]);
  }
  plan.faults = std::move(some);
  return plan;
}

int ReplayOne(const Arguments& arguments) {
  // The line is out before anything can end the process.
  std::fprintf(stderr, "seed %llu\n", static_cast<unsigned long long>(arguments.seed));
  const Report report = World(PlanOf(arguments)).Run();
  std::printf("%strace hash %016llx\n", Describe(report.figures, 0, 1).c_str(),
              static_cast<unsigned long long>(report.trace_hash));
  if (report.ok) return 0;
  std::fprintf(stderr, "seed %llu failed: %s\n", static_cast<unsigned long long>(arguments.seed),
               report.failure.c_str());
  return 1;
}

// In a process of its own, because a broken invariant ends it.
bool Fails(const Plan& plan) {
  Campaign once{.first = plan.seed, .count = 1, .quiet = true};
  return !RunCampaign(once, [&](uint64_t) { return World(plan).Run(); }).ok;
}

int Minimize(const Arguments& arguments) {
  const Plan plan = PlanOf(arguments);
  if (!Fails(plan)) {
    std::printf("seed %llu does not fail\n", static_cast<unsigned long long>(arguments.seed));
    return 0;
  }
  const std::vector<Fault> left = MinimizeFaults(plan, Fails, 400);
  std::string numbers;
  std::printf("%zu of %zu faults are left:\n", left.size(), plan.faults.size());
  size_t at = 0;
  for (const Fault& fault : left) {
    while (plan.faults[at].at != fault.at || plan.faults[at].kind != fault.kind) ++at;
    std::printf("%4zu %s\n", at, fault.Text().c_str());
    numbers += (numbers.empty() ? "" : ",") + std::to_string(at++);
  }
  std::printf("replay: kvorum-sim --seed %llu --trace --only '%s'\n",
              static_cast<unsigned long long>(arguments.seed), numbers.c_str());
  return 1;
}

int RunMany(const Arguments& arguments) {
  const CampaignResult result =
      RunCampaign(arguments.campaign, [](uint64_t seed) { return World(Plan::Swarm(seed)).Run(); });
  if (!result.ok) {
    const auto seed = static_cast<unsigned long long>(result.failed_seed);
    std::fprintf(stderr, "seed %llu failed: %.6000s\nreplay: kvorum-sim --seed %llu --trace\n",
                 seed, result.failure.c_str(), seed);
    return 1;
  }
  std::fputs(Describe(result.figures, result.seconds, arguments.campaign.jobs).c_str(), stdout);
  // The same for the same seeds with every compiler, optimized or not.
  std::printf("trace hash %016llx\n", static_cast<unsigned long long>(result.trace_hash));
  const std::string missing = MissingMarks(result.figures);
  if (missing.empty()) return 0;
  std::fprintf(stderr, "these states never came up, so they were not tested: %s\n",
               missing.c_str());
  return 1;
}

int RunScenarios(const Arguments& arguments) {
  int failed = 0;
  int found = 0;
  for (const Scenario& scenario : AllScenarios()) {
    if (arguments.scenario != "all" && arguments.scenario != std::to_string(scenario.number)) {
      continue;
    }
    ++found;
    Campaign campaign = arguments.campaign;
    campaign.quiet = true;
    if (campaign.count == 0) campaign.count = 5;
    const CampaignResult result = RunCampaign(
        campaign, [&](uint64_t seed) { return RunScenario(scenario, seed, arguments.trace); });
    std::printf("%-6s %3d  %s\n", result.ok ? "ok" : "FAILED", scenario.number, scenario.what);
    if (result.ok) continue;
    ++failed;
    const auto seed = static_cast<unsigned long long>(result.failed_seed);
    std::printf(
        "  seed %llu: %s\n  replay: kvorum-sim --scenario %d --first-seed %llu --seeds 1 --trace\n",
        seed, result.failure.c_str(), scenario.number, seed);
  }
  std::printf("%d scenarios, %d failed\n", found, failed);
  return found == 0 || failed != 0 ? 1 : 0;
}

int List() {
  for (const Scenario& scenario : AllScenarios()) {
    std::printf("%3d  %s\n", scenario.number, scenario.what);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!Parse(argc, argv, &arguments)) return Usage();
  if (arguments.list) return List();
  if (!arguments.scenario.empty()) return RunScenarios(arguments);
  if (!arguments.course.empty()) {
    return RunCourse(arguments.course, arguments.campaign) ? 0 : 1;
  }
  if (arguments.minimize) return Minimize(arguments);
  return arguments.seed != 0 ? ReplayOne(arguments) : RunMany(arguments);
}
