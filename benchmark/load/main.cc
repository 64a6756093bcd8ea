// SPDX-License-Identifier: Apache-2.0
//
// kvorum-bench: starts the threads and prints what they counted.
#include <sys/resource.h>

#include <cstdio>
#include <memory>
#include <string_view>
#include <thread>
#include <vector>

#include "benchmark/load/keys.h"
#include "benchmark/load/options.h"
#include "benchmark/load/tally.h"
#include "benchmark/load/worker.h"

namespace {

double OwnCpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

int main(int argc, char** argv) {
  namespace load = kvorum::load;
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  const auto parsed = load::ParseOptions(words);
  if (!parsed.ok()) {
    std::fprintf(stderr, "kvorum-bench: %s\n", parsed.status().message().c_str());
    return 2;
  }
  const load::Options& options = parsed.value();
  if (options.help) {
    std::fputs(load::Help().data(), stdout);
    return 0;
  }
  const load::KeyChooser keys(options.keys, options.theta);
  const double cpu_before = OwnCpuSeconds();
  const int64_t start_ns = load::NowNs();
  std::vector<std::unique_ptr<load::Worker>> workers;
  workers.reserve(options.threads);
  for (uint64_t part = 0; part < options.threads; ++part) {
    workers.push_back(std::make_unique<load::Worker>(options, keys, part, start_ns));
  }
  std::vector<std::jthread> threads;
  for (size_t i = 1; i < workers.size(); ++i) threads.emplace_back([&, i] { workers[i]->Run(); });
  workers[0]->Run();
  threads.clear();  // joins
  auto tally = std::make_unique<load::Tally>();
  for (const auto& worker : workers) tally->Merge(worker->tally());
  const double cpu = OwnCpuSeconds() - cpu_before;
  const std::string text =
      options.json ? load::AsJson(options, *tally, cpu) : load::AsText(options, *tally, cpu);
  std::fputs(text.c_str(), stdout);
  return tally->Clean() ? 0 : 1;
}
