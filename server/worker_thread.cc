// SPDX-License-Identifier: Apache-2.0
#include "server/worker_thread.h"

#include <utility>

namespace kvorum::server {

WorkerThread::WorkerThread(std::function<void(std::function<void()>)> post)
    : post_(std::move(post)) {
  thread_ = std::thread([this] { Loop(); });
}

WorkerThread::~WorkerThread() { Stop(); }

void WorkerThread::Run(std::function<void()> work, std::function<void()> done) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back({std::move(work), std::move(done)});
  }
  wake_.notify_one();
}

void WorkerThread::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void WorkerThread::Loop() {
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stop_ || !jobs_.empty(); });
      if (stop_) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job.work();
    post_(std::move(job.done));
  }
}

}  // namespace kvorum::server
