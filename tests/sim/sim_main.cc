// SPDX-License-Identifier: Apache-2.0
//
// kvorum-sim --seed N [--trace]                          replays one seed
// kvorum-sim --campaign SECONDS [--first-seed S]         runs seeds until the time is over
// kvorum-sim --seeds COUNT [--first-seed S]              runs that many
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/sim/world.h"

namespace {

using kvorum::sim::Plan;
using kvorum::sim::Report;
using kvorum::sim::World;

struct Arguments {
  uint64_t seed = 0;
  uint64_t first = 1;
  uint64_t seeds = 0;
  double seconds = 0;
  bool trace = false;
};

int Usage() {
  std::fputs(
      "usage: kvorum-sim --seed N [--trace]\n"
      "       kvorum-sim --seeds COUNT | --campaign SECONDS [--first-seed S]\n",
      stderr);
  return 2;
}

bool Parse(int argc, char** argv, Arguments* arguments) {
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--trace") {
      arguments->trace = true;
      continue;
    }
    if (i + 1 == argc) return false;
    const char* value = argv[++i];
    if (option == "--seed") {
      arguments->seed = std::strtoull(value, nullptr, 10);
    } else if (option == "--first-seed") {
      arguments->first = std::strtoull(value, nullptr, 10);
    } else if (option == "--seeds") {
      arguments->seeds = std::strtoull(value, nullptr, 10);
    } else if (option == "--campaign") {
      arguments->seconds = std::strtod(value, nullptr);
    } else {
      return false;
    }
  }
  return arguments->seed != 0 || arguments->seeds != 0 || arguments->seconds > 0;
}

void Print(const Report& r, uint64_t seeds, double real_seconds) {
  const double simulated = static_cast<double>(r.simulated_us) / 1e6;
  std::printf(
      "%llu seeds, %.0f s simulated in %.1f s (%.0f:1), %llu events\n"
      "operations: %llu known, %llu unknown, %llu redirects, %llu in doubt, %llu carried, %llu "
      "carried again\n"
      "faults: %llu kills, %llu power losses, %llu partitions; %llu elections, %llu snapshots "
      "taken, %llu installed\n",
      static_cast<unsigned long long>(seeds), simulated, real_seconds,
      real_seconds > 0 ? simulated / real_seconds : 0, static_cast<unsigned long long>(r.events),
      static_cast<unsigned long long>(r.operations), static_cast<unsigned long long>(r.unknown),
      static_cast<unsigned long long>(r.redirects), static_cast<unsigned long long>(r.indoubt),
      static_cast<unsigned long long>(r.carried), static_cast<unsigned long long>(r.carried_again),
      static_cast<unsigned long long>(r.crashes), static_cast<unsigned long long>(r.power_losses),
      static_cast<unsigned long long>(r.partitions), static_cast<unsigned long long>(r.elections),
      static_cast<unsigned long long>(r.snapshots_taken),
      static_cast<unsigned long long>(r.snapshots_installed));
}

void Accumulate(Report& sum, const Report& one) {
  sum.events += one.events;
  sum.operations += one.operations;
  sum.unknown += one.unknown;
  sum.redirects += one.redirects;
  sum.indoubt += one.indoubt;
  sum.crashes += one.crashes;
  sum.power_losses += one.power_losses;
  sum.partitions += one.partitions;
  sum.elections += one.elections;
  sum.snapshots_taken += one.snapshots_taken;
  sum.snapshots_installed += one.snapshots_installed;
  sum.carried += one.carried;
  sum.carried_again += one.carried_again;
  sum.simulated_us += one.simulated_us;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!Parse(argc, argv, &arguments)) return Usage();
  const auto begin = std::chrono::steady_clock::now();
  const auto passed = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  Report sum;
  uint64_t done = 0;
  uint64_t seed = arguments.seed != 0 ? arguments.seed : arguments.first;
  const auto more = [&] {
    if (arguments.seed != 0) return done == 0;
    return arguments.seeds != 0 ? done < arguments.seeds : passed() < arguments.seconds;
  };
  for (; more(); ++seed, ++done) {
    Plan plan = Plan::Swarm(seed);
    plan.trace = arguments.trace;
    // Said beforehand, because a broken invariant ends the process.
    std::fprintf(stderr, "\rseed %llu ", static_cast<unsigned long long>(seed));
    const Report report = World(plan).Run();
    Accumulate(sum, report);
    if (!report.ok) {
      std::fprintf(stderr, "\nseed %llu failed: %s\nreplay: kvorum-sim --seed %llu --trace\n",
                   static_cast<unsigned long long>(seed), report.failure.c_str(),
                   static_cast<unsigned long long>(seed));
      return 1;
    }
    if (arguments.seed != 0) {
      std::printf("\ntrace hash %016llx\n", static_cast<unsigned long long>(report.trace_hash));
    }
  }
  std::fputc('\n', stderr);
  Print(sum, done, passed());
  return 0;
}
