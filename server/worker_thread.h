// SPDX-License-Identifier: Apache-2.0
//
// One thread for slow files: snapshots that are written, received, read and sent.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "replica/seams.h"

namespace kvorum::server {

class WorkerThread final : public replica::Background {
 public:
  // `post` carries a function to the reactor's thread; it is called on the worker's.
  explicit WorkerThread(std::function<void(std::function<void()>)> post);
  ~WorkerThread() override;

  void Run(std::function<void()> work, std::function<void()> done) override;
  // Finishes the job it is at, drops the rest, joins.
  void Stop();

 private:
  struct Job {
    std::function<void()> work;
    std::function<void()> done;
  };
  void Loop();

  std::function<void(std::function<void()>)> post_;
  std::mutex mutex_;  // guards jobs_ and stop_ only
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace kvorum::server
