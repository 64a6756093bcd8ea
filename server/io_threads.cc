// SPDX-License-Identifier: Apache-2.0
#include "server/io_threads.h"

#include <algorithm>
#include <chrono>

namespace kvorum::server {
namespace {

// A helper costs a call to the kernel to wake, which a few reads or writes are not worth.
constexpr size_t kItemsPerThread = 8;

// A turn under load is a few hundred microseconds long and has two rounds, and to wake a thread on
// an idle processor takes tens of them. So where there are processors to spare a helper looks out
// for the next round so long before it sleeps. Where there are none, that would take one from
// somebody.
constexpr std::chrono::microseconds kPatience{200};

// Besides the threads themselves something else wants one: the log, the system, another node.
bool ProcessorsToSpare(size_t threads) { return std::thread::hardware_concurrency() > threads; }

}  // namespace

IoThreads::IoThreads(size_t threads)
    : patience_(ProcessorsToSpare(threads) ? kPatience : std::chrono::microseconds(0)) {
  for (size_t thread = 1; thread < threads; ++thread) {
    helpers_.emplace_back([this, thread] { Help(thread); });
  }
}

IoThreads::~IoThreads() {
  stop_ = true;
  ++round_;
  round_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
}

void IoThreads::ForEach(size_t count, const Work& work) {
  const size_t wanted = std::min(helpers_.size(), count / kItemsPerThread);
  if (wanted == 0) {
    for (size_t item = 0; item < count; ++item) work(item, 0);
    return;
  }
  work_ = &work;
  count_ = count;
  next_ = 0;
  state_ = kOpen;
  ++round_;
  for (size_t i = 0; i < wanted; ++i) round_.notify_one();
  TakeItems(0);
  uint32_t state = state_.fetch_and(~kOpen) & ~kOpen;
  while (state != 0) {
    state_.wait(state);
    state = state_;
  }
}

void IoThreads::TakeItems(size_t thread) {
  for (size_t item = next_++; item < count_; item = next_++) (*work_)(item, thread);
}

void IoThreads::Help(size_t thread) {
  for (uint32_t round = 0; !stop_; round = round_) {
    uint32_t state = state_;
    while ((state & kOpen) != 0) {
      if (!state_.compare_exchange_weak(state, state + 1)) continue;
      TakeItems(thread);
      if (--state_ == 0) state_.notify_one();
      break;
    }
    const auto until = std::chrono::steady_clock::now() + patience_;
    while (round_ == round && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    round_.wait(round);
  }
}

}  // namespace kvorum::server
