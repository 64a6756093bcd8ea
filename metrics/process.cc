// SPDX-License-Identifier: Apache-2.0
#include "metrics/process.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>

namespace kvorum::metrics {
namespace {

// Field `number` (from 1) of /proc/self/stat, counted behind the command name, which may contain
// blanks and parentheses.
double StatField(const std::string& stat, int number) {
  const size_t end = stat.rfind(')');
  if (end == std::string::npos) return 0;
  std::istringstream rest(stat.substr(end + 1));
  std::string field;
  for (int i = 3; i <= number && (rest >> field); ++i) {
  }
  std::istringstream text(field);
  double value = 0;
  text >> value;
  return value;
}

double BootTime() {
  std::ifstream stat("/proc/stat");
  std::string word;
  while (stat >> word) {
    double value = 0;
    if (word == "btime" && stat >> value) return value;
  }
  return 0;
}

}  // namespace

Process ReadProcess() {
  Process process;
  std::ifstream file("/proc/self/stat");
  std::string stat;
  std::getline(file, stat);
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  process.cpu_seconds = (StatField(stat, 14) + StatField(stat, 15)) / ticks;
  process.start_time_seconds = BootTime() + StatField(stat, 22) / ticks;
  process.virtual_bytes = StatField(stat, 23);
  process.resident_bytes = StatField(stat, 24) * static_cast<double>(sysconf(_SC_PAGESIZE));
  std::error_code error;
  for (std::filesystem::directory_iterator it("/proc/self/fd", error), end; it != end && !error;
       it.increment(error)) {
    ++process.open_fds;
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) process.max_fds = static_cast<double>(limit.rlim_cur);
  return process;
}

}  // namespace kvorum::metrics
