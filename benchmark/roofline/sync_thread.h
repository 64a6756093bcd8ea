// SPDX-License-Identifier: Apache-2.0
//
// Group commit: while one batch is written and synced by the thread in here, the next one grows.
#pragma once

#include <sys/eventfd.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "base/check.h"
#include "benchmark/roofline/log_file.h"

namespace kvorum::roofline {

// Lives as long as the process.
class SyncThread {
 public:
  // `event`: an eventfd that is written when more has become durable.
  SyncThread(LogFile& file, int event) : file_(file), event_(event), thread_([this] { Run(); }) {}

  void Append(std::string_view bytes) {
    const std::lock_guard lock(mutex_);
    if (growing_.empty()) more_.notify_one();
    growing_ += bytes;
  }
  // How many bytes of all that were appended are on the disk.
  [[nodiscard]] uint64_t Durable() const { return durable_.load(std::memory_order_acquire); }

 private:
  [[noreturn]] void Run() {
    std::string batch;
    while (true) {
      batch.clear();
      {
        std::unique_lock lock(mutex_);
        more_.wait(lock, [this] { return !growing_.empty(); });
        batch.swap(growing_);
      }
      file_.WriteAndSync(batch);
      durable_.fetch_add(batch.size(), std::memory_order_release);
      KV_CHECK(eventfd_write(event_, 1) == 0);
    }
  }

  LogFile& file_;
  int event_;
  std::mutex mutex_;
  std::condition_variable more_;
  std::string growing_;
  std::atomic<uint64_t> durable_{0};
  std::thread thread_;
};

}  // namespace kvorum::roofline
