// SPDX-License-Identifier: Apache-2.0
//
// Threads that help the reactor to read from and write to sockets, which is most of its time. They
// have no queue: the reactor hands out what is ready at once, works with them, and goes on alone
// when all is done. So nothing but the bytes of one connection is ever touched by another thread,
// and what is executed stays in one order.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace kvorum::server {

class IoThreads {
 public:
  // `item` is one of those to be worked on; `thread` counts from 0, the caller's.
  using Work = std::function<void(size_t item, size_t thread)>;

  // `threads` with the caller's: 1 starts none.
  explicit IoThreads(size_t threads);
  ~IoThreads();
  IoThreads(const IoThreads&) = delete;
  IoThreads& operator=(const IoThreads&) = delete;

  // Calls work for each item from 0 to `count`, each once, and returns when all are done. Few items
  // are not worth waking anybody. One caller at a time; `work` must not throw.
  void ForEach(size_t count, const Work& work);
  [[nodiscard]] size_t size() const { return helpers_.size() + 1; }

 private:
  void Help(size_t thread);
  void TakeItems(size_t thread);

  // Of the round: whether it may still be joined, and how many helpers have joined it. Who joins an
  // open round is waited for; who wakes too late finds it closed, and nobody has waited for him.
  static constexpr uint32_t kOpen = 1U << 31;
  const std::chrono::microseconds patience_;  // how long a helper waits before it sleeps
  std::atomic<uint32_t> state_{0};
  std::atomic<uint32_t> round_{0};  // helpers sleep on it
  std::atomic<bool> stop_{false};
  std::atomic<size_t> next_{0};  // item
  // Set while the round is closed and nobody has joined it.
  size_t count_ = 0;
  const Work* work_ = nullptr;
  std::vector<std::thread> helpers_;
};

}  // namespace kvorum::server
