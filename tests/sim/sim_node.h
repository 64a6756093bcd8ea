// SPDX-License-Identifier: Apache-2.0
//
// One node of the simulated cluster: a machine with a disk and clocks, which survives, and a
// process, which does not.
//
// A turn of the node's loop takes time. It begins, takes what has come, goes on taking what comes
// until it ends, and may be interrupted for long anywhere in between: what is decided at its end
// must not rest on what the clock said at its beginning.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <string>

#include "base/rng.h"
#include "server/node.h"
#include "tests/disk/memory_files.h"
#include "tests/sim/plan.h"
#include "tests/sim/sim_process.h"

namespace kvorum::sim {

class World;

class SimNode {
 public:
  SimNode(World& world, NodeId id, uint64_t seed);
  ~SimNode();

  // ---- what happens to it -----------------------------------------------------------------------
  void Start();
  // The process ends; `mode` says what becomes of what was not synced. `silent`: the machine is
  // gone too, peers are not told.
  void Die(disk::CrashMode mode, bool silent);
  // The same between the next write of its log and the sync behind it, or soon if it writes
  // nothing; then `afterwards`.
  void DieInAWrite(disk::CrashMode mode, bool silent, std::function<void()> afterwards);
  void Wrote(Micros sync_in);
  // The process does nothing for so long, its clocks go on.
  void Pause(Micros length);
  // The whole machine stands still: afterwards only its wall clock knows.
  void PauseMachine(Micros length);
  void JumpWallClock(UnixMs by_ms) { wall_offset_ms_ += by_ms; }
  void SlowDisk(Micros extra, Micros length);
  void StickDisk(Micros length);
  // No space but for so many bytes; 0: as much as it likes.
  void LimitDisk(uint64_t more_bytes);
  // Changes one byte of some file; false when there is none. Only while the process is down.
  bool Rot(uint64_t dice);
  // It cannot go on, and should not.
  void Halted(const std::string& why);
  // What it runs from its next start on.
  void SetRelease(Release release);
  // From the next start on it may refuse to go on, as an older release does behind a raise of the
  // feature level; then it stays down.
  void MayRefuse() { may_refuse_ = true; }
  void Mend();  // of everything that lasts: pauses, the disk's faults

  // ---- what it is -------------------------------------------------------------------------------
  [[nodiscard]] bool alive() const { return process_ != nullptr; }
  // It refused to start on a damaged disk, and stays down.
  [[nodiscard]] bool halted() const { return halted_; }
  // Why it has refused to go on; "": it has not.
  [[nodiscard]] const std::string& refused() const { return refused_; }
  [[nodiscard]] Release release() const { return release_; }
  // The feature level that it may be raised to, as it is configured.
  [[nodiscard]] store::FeatureLevel FeatureCan() const {
    const uint16_t most = config_.feature_level_max;
    return most == 0 ? config_.feature_level_known : std::min(config_.feature_level_known, most);
  }
  [[nodiscard]] NodeId id() const { return id_; }
  [[nodiscard]] uint64_t life() const { return life_; }
  // Now, or when the pause ends that is going on, however it ends; never in another life.
  void WhenAwake(std::function<void()> run);
  [[nodiscard]] World& world() { return world_; }
  [[nodiscard]] SimProcess& process() { return *process_; }
  [[nodiscard]] const server::Node& node() const { return *process_->node; }
  [[nodiscard]] server::Node& node() { return *process_->node; }
  [[nodiscard]] disk::MemoryFiles& files() { return files_; }
  [[nodiscard]] server::Config& config() { return config_; }
  [[nodiscard]] uint64_t Digest() const { return process_->node->machine().Digest(); }
  [[nodiscard]] std::string Name() const { return "node " + std::to_string(id_.value()); }
  [[nodiscard]] Micros DiskLatency();
  // What its clocks call so long, in true time.
  [[nodiscard]] Micros TrueLength(Micros length) const {
    return length * 1'000'000 / rate_millionths_;
  }

  // ---- inputs -----------------------------------------------------------------------------------
  // Runs inside the turn that is going on, or inside the next one.
  void Input(std::function<void()> input);
  void Deliver(NodeId from, server::PeerMessage message);
  // What two nodes say of themselves when they connect: false when this one wants no more of it.
  bool Meet(NodeId peer, uint64_t incarnation, uint64_t knows_this_as);
  void LinkReset(NodeId peer);
  void LinkUp();
  void PeerUnreachable(NodeId peer);

  // ---- clients ----------------------------------------------------------------------------------
  // Returns a connection number, or 0 when nobody listens. `reply` gets bytes and what the last of
  // them was made from, `closed` is called when the process dies.
  uint64_t Connect(server::PortKind kind, std::function<void(std::string, server::Position)> reply,
                   std::function<void()> closed);
  void SendBytes(uint64_t connection, std::string bytes);
  void Disconnect(uint64_t connection);

  // Adds what this life has counted to the world's figures.
  void CollectFigures();

 private:
  void Doom();
  void MaybeUpgrade();
  [[nodiscard]] bool Refuses(const std::string& why);
  void Kick(Micros delay);
  void BeginTurn(uint64_t life);
  void EndTurn(uint64_t life);
  void Flush();
  void Wake();
  void HangUp(uint64_t connection);
  void Cron(uint64_t life);
  [[nodiscard]] Now Clocks();
  [[nodiscard]] Micros TrueTimeOf(Micros boot) const;

  World& world_;
  NodeId id_;
  Rng disk_rng_;
  Rng clock_rng_;
  Rng turn_rng_;
  Rng release_rng_;
  Release release_ = Release::kNew;
  bool may_refuse_ = false;
  std::string refused_;
  disk::MemoryFiles files_;
  server::Config config_;
  uint64_t life_ = 0;
  bool halted_ = false;
  Micros boot_offset_;
  int64_t rate_millionths_;  // of true time
  UnixMs wall_offset_ms_ = 0;
  Micros paused_until_ = 0;
  Micros machine_until_ = 0;                   // its boot clock was set back for a stop until then
  std::vector<std::function<void()>> asleep_;  // what waits for the end of the pause
  Micros disk_extra_us_ = 0;
  Micros disk_slow_until_ = 0;
  Micros disk_stuck_until_ = 0;
  std::function<void()> doom_;  // to be called in the next write
  std::unique_ptr<SimProcess> process_;
};

}  // namespace kvorum::sim
