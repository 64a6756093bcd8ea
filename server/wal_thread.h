// SPDX-License-Identifier: Apache-2.0
//
// The thread that owns the write-ahead log. It takes everything that is queued, writes it at once,
// syncs once and reports the newest batch; while it syncs, the next batch grows. Group commit
// without a timer.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <variant>
#include <vector>

#include "base/stats.h"
#include "disk/wal.h"
#include "replica/seams.h"

namespace kvorum::server {

class WalThread final : public replica::LogDisk {
 public:
  struct Events {
    std::function<void(BatchNumber)> persisted;  // on the WAL's thread
    std::function<void(const Status&)> failed;   // on the WAL's thread; must end the process
  };
  // `wal` is borrowed and must not be touched by anybody else until Stop.
  WalThread(disk::Wal& wal, Events events);
  ~WalThread() override;

  void Save(raft::Save save) override;
  void Compact(raft::SnapshotMeta base) override;
  void Owes(Index index) override;
  void CaughtUp() override;
  // Finishes what is queued and joins.
  void Stop();
  [[nodiscard]] const Histogram& sync_us() const { return sync_us_; }

 private:
  struct Debt {
    Index index;  // none: caught up
  };
  using Item = std::variant<raft::Save, raft::SnapshotMeta, Debt>;

  void Push(Item item);
  void Run();
  Status Carry(std::vector<Item>& items);
  Status WriteSaves(std::vector<raft::Save>& saves);

  disk::Wal& wal_;
  Events events_;
  Histogram sync_us_;
  std::mutex mutex_;  // guards queue_ and stop_ only
  std::condition_variable wake_;
  std::vector<Item> queue_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace kvorum::server
