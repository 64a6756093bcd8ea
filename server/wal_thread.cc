// SPDX-License-Identifier: Apache-2.0
#include "server/wal_thread.h"

#include <chrono>
#include <utility>

#include "server/clocks.h"

namespace kvorum::server {
namespace {

// Work may come while a piece of a spare segment is written, and has to wait: not often.
constexpr std::chrono::milliseconds kBetweenPieces{5};

}  // namespace

WalThread::WalThread(disk::Wal& wal, Events events) : wal_(wal), events_(std::move(events)) {
  thread_ = std::thread([this] { Run(); });
}

WalThread::~WalThread() { Stop(); }

void WalThread::Save(raft::Save save) { Push(std::move(save)); }
void WalThread::Compact(raft::SnapshotMeta base) { Push(std::move(base)); }
void WalThread::Owes(Index index) { Push(Debt{index}); }
void WalThread::CaughtUp() { Push(Debt{}); }

void WalThread::Push(Item item) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(item));
  }
  wake_.notify_one();
}

void WalThread::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void WalThread::Run() {
  std::vector<Item> items;
  bool spares_tended = false;
  std::chrono::steady_clock::time_point next_piece;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      const auto called = [this] { return stop_ || !queue_.empty(); };
      if (!spares_tended && !wake_.wait_until(lock, next_piece, called)) {
        // Nothing to do: write some of the zeroes that the next segment will need, or remove a file
        // that none will.
        lock.unlock();
        const Result<bool> worked = wal_.TendSpares();
        if (!worked.ok()) return events_.failed(worked.status());
        spares_tended = !worked.value();
        next_piece = std::chrono::steady_clock::now() + kBetweenPieces;
        continue;
      }
      wake_.wait(lock, called);
      if (queue_.empty()) return;
      items.swap(queue_);
    }
    const Status status = Carry(items);
    if (!status.ok()) {
      events_.failed(status);
      return;
    }
    items.clear();
    spares_tended = false;
  }
}

Status WalThread::Carry(std::vector<Item>& items) {
  std::vector<raft::Save> saves;
  for (Item& item : items) {
    if (auto* save = std::get_if<raft::Save>(&item)) {
      saves.push_back(std::move(*save));
      continue;
    }
    if (Status status = WriteSaves(saves); !status.ok()) return status;
    Status status = Status::Ok();
    if (const auto* debt = std::get_if<Debt>(&item)) {
      status = debt->index == Index() ? wal_.CaughtUp() : wal_.Owes(debt->index);
    } else {
      status = wal_.Compact(std::get<raft::SnapshotMeta>(item));
    }
    if (!status.ok()) return status;
  }
  return WriteSaves(saves);
}

Status WalThread::WriteSaves(std::vector<raft::Save>& saves) {
  if (saves.empty()) return Status::Ok();
  if (Status status = wal_.Append(saves); !status.ok()) return status;
  const Micros started = BootMicros();
  if (Status status = wal_.Sync(); !status.ok()) return status;
  sync_us_.Observe(BootMicros() - started);
  events_.persisted(saves.back().number);
  saves.clear();
  return Status::Ok();
}

}  // namespace kvorum::server
