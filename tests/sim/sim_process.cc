// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_process.h"

#include <algorithm>
#include <utility>

#include "tests/sim/sim_node.h"
#include "tests/sim/world.h"

namespace kvorum::sim {

SimProcess::SimProcess(SimNode& owner, server::Booted found)
    : booted(std::move(found)), owner_(owner), life_(owner.life()) {}

SimProcess::~SimProcess() = default;

void SimProcess::Later(Micros delay, std::function<void()> run) {
  owner_.world().events().After(delay, [&node = owner_, life = life_, run = std::move(run)] {
    if (node.life() != life || !node.alive()) return;
    node.WhenAwake(run);
  });
}

// ---- the log's disk ---------------------------------------------------------------------------

void SimProcess::Save(raft::Save save) { Queue({DiskItem::Kind::kSave, std::move(save), {}}); }
void SimProcess::Compact(raft::SnapshotMeta base) {
  Queue({DiskItem::Kind::kCompact, {}, std::move(base)});
}
void SimProcess::Owes(Index index) { Queue({DiskItem::Kind::kDebt, {}, {}, index}); }
void SimProcess::CaughtUp() { Owes(Index()); }

void SimProcess::Queue(DiskItem item) {
  disk_queue_.push_back(std::move(item));
  if (!std::exchange(disk_busy_, true)) Later(5, [this] { WriteDisk(); });
}

void SimProcess::WriteDisk() {
  std::vector<DiskItem> items;
  items.swap(disk_queue_);
  if (const Status status = Write(std::move(items)); !status.ok()) return DiskFailed(status);
  const Micros latency = owner_.DiskLatency();
  owner_.Wrote(latency);
  Later(latency, [this] { SyncDisk(); });
}

// Saves that queued up become one batch, as in server/wal_thread.cc.
Status SimProcess::Write(std::vector<DiskItem> items) {
  std::vector<raft::Save> saves;
  const auto append = [&] {
    if (saves.empty()) return Status::Ok();
    Status status = booted.wal->Append(saves);
    std::move(saves.begin(), saves.end(), std::back_inserter(unsynced_));
    saves.clear();
    return status;
  };
  for (DiskItem& item : items) {
    if (item.kind == DiskItem::Kind::kSave) {
      written_ = item.save.number;
      saves.push_back(std::move(item.save));
      continue;
    }
    if (Status status = append(); !status.ok()) return status;
    Status status = item.kind == DiskItem::Kind::kCompact ? booted.wal->Compact(item.base)
                    : item.owes != Index()                ? booted.wal->Owes(item.owes)
                                                          : booted.wal->CaughtUp();
    if (!status.ok()) return status;
  }
  return append();
}

void SimProcess::SyncDisk() {
  if (const Status status = booted.wal->Sync(); !status.ok()) return DiskFailed(status);
  owner_.world().watcher().Synced(owner_.id(), std::exchange(unsynced_, {}));
  if (const BatchNumber newest = std::exchange(written_, BatchNumber()); newest != BatchNumber()) {
    owner_.Input([this, newest] { node->Persisted(newest); });
  }
  disk_busy_ = !disk_queue_.empty();
  if (disk_busy_) Later(5, [this] { WriteDisk(); });
}

void SimProcess::DiskFailed(const Status& status) {
  owner_.world().Trace(owner_.Name() + " disk failed: " + status.message());
  owner_.world().watcher().Hit(Mark::kProcessEndedByDisk);
  // What the page cache holds is anybody's guess, so the next life sees only the platter.
  Later(0, [&node = owner_] { node.Die(disk::CrashMode::kRandomSectors, false); });
}

// ---- the slow thread --------------------------------------------------------------------------

void SimProcess::Run(std::function<void()> work, std::function<void()> done) {
  jobs_.push_back({std::move(work), std::move(done)});
  if (jobs_.size() == 1) StartJob();
}

void SimProcess::StartJob() {
  Later(owner_.DiskLatency(), [this] {
    jobs_.front().work();
    owner_.Input(std::move(jobs_.front().done));
    jobs_.pop_front();
    if (!jobs_.empty()) StartJob();
  });
}

// ---- peers and host ---------------------------------------------------------------------------

void SimProcess::SendToPeer(NodeId to, server::PeerMessage message) {
  owner_.world().network().Send(owner_.id(), to, std::move(message));
}

bool SimProcess::IsConnected(NodeId to) const {
  return owner_.world().network().IsConnected(owner_.id(), to);
}

size_t SimProcess::QueuedBytes(NodeId to) const {
  return owner_.world().network().QueuedBytes(owner_.id(), to);
}

void SimProcess::Halt(const Status& why) {
  Later(0, [&node = owner_, text = why.message()] { node.Halted(text); });
}

void SimProcess::Record(std::string_view line) { owner_.world().Trace(std::string(line)); }

void SimProcess::Log(Level /*level*/, std::string_view line) {
  owner_.world().Trace(owner_.Name() + ": " + std::string(line));
}

}  // namespace kvorum::sim
