// SPDX-License-Identifier: Apache-2.0
//
// Everything of a simulated node that dies with its process: the product's Node, and the seams that
// the server implements with threads and sockets, here as events at virtual times.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "raft/invariants.h"
#include "server/boot.h"
#include "server/node.h"

namespace kvorum::sim {

class SimNode;

class SimProcess final : public replica::LogDisk,
                         public replica::Background,
                         public replica::Stopwatch,
                         public server::PeerWire,
                         public server::Host {
 public:
  struct Client {
    server::Session* session = nullptr;
    std::function<void(std::string, server::Position)> reply;
    std::function<void()> closed;
    Micros send_due = 0;  // arrival of the newest bytes, either way
    Micros reply_due = 0;
  };

  SimProcess(SimNode& owner, server::Booted found);
  ~SimProcess() override;

  // replica::LogDisk: what the server's log thread does, in two events: write, then sync.
  void Save(raft::Save save) override;
  void Compact(raft::SnapshotMeta base) override;
  void Owes(Index index) override;
  void CaughtUp() override;
  // replica::Background
  void Run(std::function<void()> work, std::function<void()> done) override;
  // replica::Stopwatch
  Micros Read() override { return 0; }
  // server::PeerWire
  void SendNow() override {}
  void SendToPeer(NodeId to, server::PeerMessage message) override;
  [[nodiscard]] bool IsConnected(NodeId to) const override;
  [[nodiscard]] size_t QueuedBytes(NodeId to) const override;
  // server::Host
  void Halt(const Status& why) override;
  void RequestShutdown() override {}
  void Log(Level level, std::string_view line) override;
  void Record(std::string_view line) override;

  // It ends.
  void DiskFailed(const Status& status);
  // An event of this process: nothing happens when it has died meanwhile, and it happens later when
  // the process is paused.
  void Later(Micros delay, std::function<void()> run);

  server::Booted booted;
  std::unique_ptr<server::Node> node;
  raft::InvariantChecker invariants;
  std::vector<std::function<void()>> inputs;  // for the next turn
  std::map<uint64_t, Client> clients;
  uint64_t last_client = 0;
  Micros turn_at = INT64_MAX;  // when the next turn begins
  bool in_turn = false;
  Micros last_boot = 0;

 private:
  struct DiskItem {
    enum class Kind : uint8_t { kSave, kCompact, kDebt } kind;
    raft::Save save;
    raft::SnapshotMeta base;
    Index owes;  // kDebt; none: caught up
  };
  struct Job {
    std::function<void()> work;
    std::function<void()> done;
  };

  void Queue(DiskItem item);
  void WriteDisk();
  Status Write(std::vector<DiskItem> items);
  void SyncDisk();
  void StartJob();

  SimNode& owner_;
  uint64_t life_;
  std::vector<DiskItem> disk_queue_;
  bool disk_busy_ = false;
  std::vector<raft::Save> unsynced_;  // written, for the watcher
  BatchNumber written_;               // newest save among them
  std::deque<Job> jobs_;
};

}  // namespace kvorum::sim
