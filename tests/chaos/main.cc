// SPDX-License-Identifier: Apache-2.0
//
// kvorum-chaos: see README.md of this folder.
#include <charconv>
#include <csignal>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "tests/chaos/aftermath.h"
#include "tests/chaos/campaign.h"
#include "tests/chaos/history_file.h"

namespace kvorum::chaos {
namespace {

constexpr const char* kUsage =
    "kvorum-chaos [--server PATH] [--nodes 3|5] [--seconds S] [--seed N] [--faults "
    "LIST|all|churn]\n"
    "             [--trace] [--keep]\n"
    "kvorum-chaos --check FILE\n"
    "LIST: kill,power,stop,restart,partition,reset,slow-link,disk,clock,members\n";

template <class Number>
bool Parse(std::string_view text, Number* number) {
  return std::from_chars(text.data(), text.data() + text.size(), *number).ec == std::errc();
}

int Check(const std::string& path) {
  check::History history;
  if (!ReadHistory(path, &history)) {
    std::fprintf(stderr, "%s: not a history\n", path.c_str());
    return 2;
  }
  const std::string why = CheckHistory(history);
  std::printf("%zu operations: %s\n", history.size(), why.empty() ? "linearizable" : why.c_str());
  return why.empty() ? 0 : 1;
}

int Usage() {
  std::fputs(kUsage, stderr);
  return 2;
}

int Main(const std::vector<std::string>& arguments) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  std::signal(SIGPIPE, SIG_IGN);
  CampaignOptions options;
  options.faults = *ParseFaults("all");
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& name = arguments[i];
    if (name == "--trace" || name == "--keep") {
      (name == "--trace" ? options.talkative : options.keep) = true;
      continue;
    }
    if (i + 1 == arguments.size()) return Usage();
    const std::string& value = arguments[++i];
    bool good = true;
    if (name == "--check") return Check(value);
    if (name == "--server") {
      options.server = value;
    } else if (name == "--nodes") {
      good = Parse(value, &options.nodes) && options.nodes >= 2 && options.nodes <= 9;
    } else if (name == "--seconds") {
      good = Parse(value, &options.seconds);
    } else if (name == "--seed") {
      good = Parse(value, &options.seed);
    } else if (name == "--faults") {
      const auto faults = ParseFaults(value);
      good = faults.has_value();
      if (good) options.faults = *faults;
    } else {
      good = false;
    }
    if (!good) return Usage();
  }
  Campaign campaign(options);
  const bool good = campaign.Run();
  campaign.PrintSummary();
  return good ? 0 : 1;
}

}  // namespace
}  // namespace kvorum::chaos

int main(int argc, char** argv) {
  return kvorum::chaos::Main(std::vector<std::string>(argv + 1, argv + argc));
}
