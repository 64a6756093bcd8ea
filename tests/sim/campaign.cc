// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/campaign.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <new>
#include <vector>

#include "base/check.h"

namespace kvorum::sim {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMaxJobs = 256;
constexpr size_t kFailureBytes = 64 << 10;

// Shared by all processes of a campaign.
struct Board {
  std::atomic<uint64_t> next;
  std::atomic<bool> stop;
  struct Job {
    std::atomic<uint64_t> seed;  // being run; 0: none
    Figures figures;
    uint64_t trace_hash;
    bool failed;
    char failure[kFailureBytes];
  } jobs[kMaxJobs];
};

Board* MakeBoard() {
  void* memory =
      mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  KV_CHECK(memory != MAP_FAILED);
  return new (memory) Board();
}

double Since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

void Work(const Campaign& campaign, const std::function<Report(uint64_t)>& run, Board& board,
          Board::Job& job, Clock::time_point begin) {
  while (!board.stop) {
    const uint64_t number = board.next++;
    if (campaign.count != 0 && number >= campaign.count) break;
    if (campaign.count == 0 && Since(begin) >= campaign.seconds) break;
    const uint64_t seed = campaign.first + number;
    job.seed = seed;
    const Report report = run(seed);
    job.figures.Add(report.figures);
    job.trace_hash += report.trace_hash;
    if (!report.ok) {
      job.failed = true;
      std::strncpy(job.failure, report.failure.c_str(), kFailureBytes - 1);
      board.stop = true;
      return;
    }
    job.seed = 0;
    if (!campaign.quiet && number % 64 == 0) {
      std::fprintf(stderr, "\rseed %llu ", static_cast<unsigned long long>(seed));
    }
  }
}

}  // namespace

CampaignResult RunCampaign(const Campaign& campaign, const std::function<Report(uint64_t)>& run) {
  Board* const board = MakeBoard();
  const Clock::time_point begin = Clock::now();
  const size_t jobs = std::clamp<size_t>(static_cast<size_t>(campaign.jobs), 1, kMaxJobs);
  std::fflush(nullptr);
  std::vector<pid_t> pids;
  pids.reserve(jobs);
  for (size_t i = 0; i < jobs; ++i) {
    const pid_t pid = fork();
    KV_CHECK(pid >= 0);
    if (pid == 0) {
      Work(campaign, run, *board, board->jobs[i], begin);
      std::fflush(nullptr);
      _exit(0);
    }
    pids.push_back(pid);
  }
  CampaignResult result;
  for (size_t done = 0; done < jobs; ++done) {
    int status = 0;
    const pid_t pid = wait(&status);
    const auto at = static_cast<size_t>(std::find(pids.begin(), pids.end(), pid) - pids.begin());
    KV_CHECK(at < jobs);
    Board::Job& job = board->jobs[at];
    result.figures.Add(job.figures);
    result.trace_hash += job.trace_hash;
    const bool died = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    if (died) board->stop = true;
    if ((!died && !job.failed) || !result.ok) continue;
    result.ok = false;
    result.failed_seed = job.seed;
    result.failure = job.failed ? job.failure : "the process died: a broken invariant, see above";
  }
  if (!campaign.quiet) std::fputc('\n', stderr);
  result.seconds = Since(begin);
  munmap(board, sizeof(Board));
  return result;
}

}  // namespace kvorum::sim
