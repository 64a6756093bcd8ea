// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_node.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "tests/sim/world.h"

namespace kvorum::sim {
namespace {

constexpr UnixMs kWallEpochMs = 1'700'000'000'000;
constexpr Micros kShortestTurnUs = 5;
constexpr Micros kCronUs = 250'000;
constexpr Micros kBootMostUs = 3'000;
constexpr Micros kDoomMostUs = 100'000;

}  // namespace

SimNode::SimNode(World& world, NodeId id, uint64_t seed)
    : world_(world),
      id_(id),
      disk_rng_(seed),
      clock_rng_(seed ^ 0x5bd1e995),
      turn_rng_(seed ^ 0x7475726e),
      release_rng_(seed ^ 0x72656c),
      boot_offset_(clock_rng_.Between(0, 1'000'000'000)),
      rate_millionths_(1'000'000 + 10'000 * clock_rng_.Between(-world.plan().skew_percent,
                                                               world.plan().skew_percent)) {
  const Plan& plan = world.plan();
  config_.node_id = id;
  const auto place = [](int i) {
    return server::NodeAddress{NodeId(static_cast<uint64_t>(i)), "node" + std::to_string(i),
                               static_cast<uint16_t>(7000 + i), static_cast<uint16_t>(17000 + i)};
  };
  for (int i = 1; i <= plan.nodes; ++i) config_.cluster_nodes.push_back(place(i));
  config_.cluster_id = server::ClusterIdOf(config_);
  // Who was not there from the beginning knows of itself alone.
  if (id.value() > static_cast<uint64_t>(plan.nodes)) {
    config_.cluster_nodes = {place(static_cast<int>(id.value()))};
    config_.join = "node1:7001";
  }
  config_.lease_reads = plan.lease_reads;
  config_.lease_duration_ms = plan.lease_ms;
  config_.clock_drift_percent = plan.drift_percent;
  config_.snapshot_log_bytes = plan.snapshot_log_bytes;
  // These logs are small beside an empty keyspace.
  config_.snapshot_log_percentage = 0;
  config_.keep_log_bytes = plan.keep_log_bytes;
  config_.snapshot_rate = plan.snapshot_rate;
  if (plan.wishes) config_.leader_priority = 50 + 20 * static_cast<uint32_t>(id.value() % 5);
  config_.wal_segment_bytes = plan.segment_bytes;
  config_.election_timeout_ms = plan.election_ms;
  config_.election_timeout_max_ms = plan.election_ms * plan.election_most;
  config_.heartbeat_interval_ms = plan.heartbeat_ms;
  config_.election_park_timeout_ms = 800;
  config_.indoubt_timeout_ms = 2'000;
  config_.min_free_disk_bytes = 64 << 10;
  // Who comes later is new: an older release would not be taken in once the level is raised.
  const bool first = id.value() <= static_cast<uint64_t>(plan.nodes);
  SetRelease(first ? plan.release : Release::kNew);
}

SimNode::~SimNode() = default;

// ---- clocks -----------------------------------------------------------------------------------

Now SimNode::Clocks() {
  const Micros true_us = world_.events().now();
  const Micros run = true_us / 1000 * rate_millionths_ / 1000 + true_us % 1000;
  // As a real one, the boot clock never goes back.
  const Micros boot = std::max(boot_offset_ + run, process_->last_boot);
  process_->last_boot = boot;
  return {boot, kWallEpochMs + run / 1000 + wall_offset_ms_};
}

Micros SimNode::TrueTimeOf(Micros boot) const {
  return (boot - boot_offset_) * 1000 / rate_millionths_ * 1000 + 1'000;
}

// ---- releases ---------------------------------------------------------------------------------

void SimNode::SetRelease(Release release) {
  release_ = release;
  const uint16_t before = store::kFeatureLevel - 1;
  config_.feature_level_known = release == Release::kOld ? before : store::kFeatureLevel;
  config_.feature_level_max = release == Release::kHeld ? before : 0;
}

// Back only from where the level has been held: what a member has promised stays true.
void SimNode::MaybeUpgrade() {
  if (!world_.plan().upgrades) return;
  if (release_ == Release::kOld && release_rng_.OneIn(1, 2)) {
    SetRelease(release_rng_.OneIn(1, 2) ? Release::kHeld : Release::kNew);
  } else if (release_ == Release::kHeld && release_rng_.OneIn(2, 3)) {
    const bool back = release_rng_.OneIn(1, 2);
    SetRelease(back ? Release::kOld : Release::kNew);
    if (back) world_.watcher().Hit(Mark::kReleaseTakenBack);
  }
}

// An older release that has met a raise. Only one that is no member any more should: a raise waits
// for all members, and those that have left may still be told of it.
bool SimNode::Refuses(const std::string& why) {
  if (release_ != Release::kOld || why.find("needs feature level") == std::string::npos) {
    return false;
  }
  bool member = world_.Members().Contains(id_);
  if (process_ != nullptr &&
      process_->node != nullptr) {  // its own log knows better who was a member at the raise
    const raft::Core& core = node().member().core();
    const Index raise = std::max(node().member().applied() + 1, core.snapshot().index);
    member = member && core.ConfigurationAt(raise).Contains(id_);
  }
  if (!may_refuse_ && member) return false;
  world_.Trace(Name() + " refuses: " + why);
  refused_ = why;
  halted_ = true;
  return true;
}

// ---- life -------------------------------------------------------------------------------------

void SimNode::Start() {
  if (alive() || halted_) return;
  MaybeUpgrade();
  ++life_;
  paused_until_ = machine_until_ = 0;
  asleep_.clear();
  files_.Resume();
  Result<server::Booted> booted = server::Boot(files_, config_, disk_rng_.Next() | 1);
  if (!booted.ok()) {
    world_.Trace(Name() + " does not start: " + booted.status().message());
    if (Refuses(booted.status().message())) return;
    if (world_.watcher().IsDamaged(id_)) return Halted(booted.status().message());
    if (booted.status().code() != StatusCode::kNoSpace &&
        booted.status().code() != StatusCode::kIo) {
      return world_.Fail(Name() + " does not start: " + booted.status().message());
    }
    world_.events().After(100'000, [this] { Start(); });
    return;
  }
  world_.Trace(Name() + " starts, term " +
               std::to_string(booted.value().restart.hard_state.term.value()) + " " +
               booted.value().note);
  if (booted.value().note.find("cut an unsynced batch") != std::string::npos) {
    world_.watcher().Hit(Mark::kTornTail);
  }
  process_ = std::make_unique<SimProcess>(*this, std::move(booted).value());
  SimProcess& process = *process_;
  const raft::Restart restart = process.booted.restart;
  process.node = std::make_unique<server::Node>(
      config_, std::move(process.booted.restart), *process.booted.machine,
      *process.booted.snapshots, server::NodeSeams{process, process, process, process, process},
      life_, world_.plan().equal_timeouts ? 1 : disk_rng_.Next(), Clocks());
  world_.watcher().Booted(*this, restart);
  world_.network().Started(id_);
  Kick(turn_rng_.Between(0, kBootMostUs));
  process.Later(0, [this, life = life_] { Cron(life); });
}

void SimNode::Die(disk::CrashMode mode, bool silent) {
  if (!alive()) return;
  CollectFigures();
  world_.watcher().Crashed(id_);
  files_.StopAtChange(1);  // what destructors do must not reach the disk
  std::vector<std::function<void()>> closed;
  closed.reserve(process_->clients.size());
  for (auto& [number, client] : process_->clients) closed.push_back(client.closed);
  process_.reset();
  doom_ = nullptr;
  ++life_;
  paused_until_ = machine_until_ = 0;
  asleep_.clear();
  files_.Crash(disk_rng_, mode);
  files_.Resume();
  world_.network().Died(id_, silent);
  for (const auto& call : closed) call();
}

void SimNode::DieInAWrite(disk::CrashMode mode, bool silent, std::function<void()> afterwards) {
  if (!alive() || doom_) return;
  doom_ = [this, mode, silent, life = life_, afterwards = std::move(afterwards)] {
    if (life != life_ || !alive()) return;
    Die(mode, silent);
    afterwards();
  };
  world_.events().After(kDoomMostUs, [this, life = life_] {
    if (life == life_ && doom_) Doom();
  });
}

// The call may make a new one.
void SimNode::Doom() {
  const std::function<void()> doom = std::exchange(doom_, nullptr);
  doom();
}

void SimNode::Wrote(Micros sync_in) {
  if (!doom_) return;
  world_.events().After(disk_rng_.Between(0, sync_in), [this, life = life_] {
    if (life == life_ && doom_) Doom();
  });
}

void SimNode::Halted(const std::string& why) {
  if (files_.stopped()) return;  // the process has ended at a write, and is only not buried yet
  if (Refuses(why)) return Die(disk::CrashMode::kProcess, false);
  if (!world_.watcher().IsDamaged(id_)) return world_.Fail(Name() + " halted: " + why);
  world_.Trace(Name() + " halts: " + why);
  world_.watcher().Hit(Mark::kHalted);
  Die(disk::CrashMode::kProcess, false);
  halted_ = true;
}

void SimNode::Pause(Micros length) {
  paused_until_ = std::max(paused_until_, world_.events().now() + length);
  world_.events().At(paused_until_, [this] { Wake(); });
}

void SimNode::WhenAwake(std::function<void()> run) {
  if (world_.events().now() >= paused_until_) return run();
  asleep_.push_back([this, life = life_, run = std::move(run)] {
    if (life == life_ && alive()) run();
  });
}

void SimNode::Wake() {
  if (world_.events().now() < paused_until_) return;
  for (const auto& run : std::exchange(asleep_, {})) run();
  if (alive()) Kick(0);
}

void SimNode::PauseMachine(Micros length) {
  if (!alive() || paused_until_ > world_.events().now()) return;
  Pause(length);
  // Until it wakes nobody asks its clocks, so it may lose the time now.
  boot_offset_ -= length * rate_millionths_ / 1'000'000;
  machine_until_ = world_.events().now() + length;
}

// ---- the disk ---------------------------------------------------------------------------------

Micros SimNode::DiskLatency() {
  const Micros now = world_.events().now();
  Micros latency = disk_rng_.Between(10, world_.plan().sync_most_us);
  if (now < disk_slow_until_) latency += disk_extra_us_;
  if (now < disk_stuck_until_) latency += disk_stuck_until_ - now;
  return latency;
}

void SimNode::SlowDisk(Micros extra, Micros length) {
  disk_extra_us_ = extra;
  disk_slow_until_ = world_.events().now() + length;
}

void SimNode::StickDisk(Micros length) { disk_stuck_until_ = world_.events().now() + length; }

void SimNode::LimitDisk(uint64_t more_bytes) {
  files_.SetCapacity(more_bytes == 0 ? UINT64_MAX : files_.UsedBytes() + more_bytes);
}

bool SimNode::Rot(uint64_t dice) {
  KV_CHECK(!alive());
  Rng rng(dice);
  std::vector<std::string> paths;
  for (const char* dir : {"wal", "snapshots", ""}) {
    const auto names = files_.List(dir);
    if (!names.ok()) continue;
    for (const std::string& name : names.value()) {
      const std::string path = disk::JoinPath(dir, name);
      if (!files_.Contents(path).empty()) paths.push_back(path);
    }
  }
  if (paths.empty()) return false;
  const std::string& path = paths[rng.Below(paths.size())];
  const std::string bytes = files_.Contents(path);
  uint64_t offset = rng.Below(bytes.size());
  // What was written last is what a torn write looks like.
  const size_t last = bytes.find_last_not_of('\0');
  if (last != std::string::npos && rng.OneIn(1, 2))
    offset = last - rng.Below(std::min<uint64_t>(last + 1, 700));
  files_.Corrupt(path, offset, static_cast<uint8_t>(1U << rng.Below(8)));
  world_.Trace(Name() + ": " + path + " rots at byte " + std::to_string(offset));
  return true;
}

void SimNode::Mend() {
  doom_ = nullptr;  // else it would be dead later than what was mended
  disk_slow_until_ = disk_stuck_until_ = 0;
  files_.ClearFaults();
  files_.SetCapacity(UINT64_MAX);
  const Micros now = world_.events().now();
  if (machine_until_ > now) {  // woken early: it has not lost that much
    boot_offset_ += (machine_until_ - now) * rate_millionths_ / 1'000'000;
    machine_until_ = 0;
  }
  paused_until_ = std::min(paused_until_, now);
  Wake();
}

// The server looks at the room on its disk from time to time.
void SimNode::Cron(uint64_t life) {
  if (life != life_ || !alive()) return;
  const Result<uint64_t> free = files_.FreeBytes("");
  const bool full = free.ok() && free.value() < config_.min_free_disk_bytes;
  Input([this, full] { process_->node->SetDiskFull(full); });
  process_->Later(kCronUs, [this, life] { Cron(life); });
}

// ---- turns ------------------------------------------------------------------------------------

void SimNode::Input(std::function<void()> input) {
  // A pause in the middle of a turn: what came meanwhile goes first.
  const bool awake = world_.events().now() >= paused_until_ && process_->inputs.empty();
  if (process_->in_turn && awake) return input();
  process_->inputs.push_back(std::move(input));
  Kick(kShortestTurnUs);
}

void SimNode::Kick(Micros delay) {
  if (process_->in_turn) return;  // its end looks what is to be done
  const Micros at = std::max(world_.events().now() + delay, paused_until_);
  if (at >= process_->turn_at) return;
  process_->turn_at = at;
  world_.events().At(at, [this, life = life_] { BeginTurn(life); });
}

void SimNode::BeginTurn(uint64_t life) {
  if (life != life_ || !alive()) return;
  SimProcess& process = *process_;
  const Micros now = world_.events().now();
  if (process.in_turn || now < process.turn_at) return;
  process.turn_at = INT64_MAX;
  if (now < paused_until_) return Kick(0);
  process.in_turn = true;
  process.node->BeginTurn(Clocks());
  std::vector<std::function<void()>> inputs;
  inputs.swap(process.inputs);
  for (const auto& input : inputs) input();
  const Plan& plan = world_.plan();
  const bool interrupted = turn_rng_.OneIn(static_cast<uint64_t>(plan.long_turns_per_mille), 1000);
  const Micros most = interrupted ? plan.long_turn_most_us : plan.turn_most_us;
  world_.events().After(turn_rng_.Between(kShortestTurnUs, std::max(most, kShortestTurnUs)),
                        [this, life] { EndTurn(life); });
}

void SimNode::EndTurn(uint64_t life) {
  if (life != life_ || !alive()) return;
  if (world_.events().now() < paused_until_) return WhenAwake([this, life] { EndTurn(life); });
  SimProcess& process = *process_;
  process.node->EndTurn(Clocks());
  process.in_turn = false;
  process.invariants.Check(process.node->member().core());
  world_.watcher().TurnEnded(*this);
  Flush();
  if (process.node->WantsTurn() || !process.inputs.empty()) return Kick(kShortestTurnUs);
  const Micros wake = TrueTimeOf(process.node->NextWakeup());
  Kick(std::clamp<Micros>(wake - world_.events().now(), kShortestTurnUs, 1'000'000));
}

void SimNode::Flush() {
  SimProcess& process = *process_;
  process.node->Flush([this, &process](server::Session& session) {
    if (session.closed) return;
    const auto it = process.clients.find(reinterpret_cast<uintptr_t>(session.owner));
    if (it == process.clients.end()) return;
    if (session.closing && !session.Owed() && session.backlog.empty()) {
      HangUp(it->first);
    }
    if (session.output.empty()) return;
    // A connection keeps the order of its bytes.
    Micros& due = it->second.reply_due;
    due = std::max(due, world_.events().now() + world_.network().ClientDelay());
    world_.events().At(due,
                       [reply = it->second.reply, position = std::exchange(session.position, {}),
                        bytes = std::exchange(session.output, {})] { reply(bytes, position); });
    process.node->Touch(&session);
  });
}

// Behind what was said last.
void SimNode::HangUp(uint64_t connection) {
  SimProcess::Client& client = process_->clients.at(connection);
  client.reply_due = std::max(client.reply_due, world_.events().now() + 5'000);
  world_.events().At(client.reply_due + 1, [this, life = life_, connection] {
    if (life != life_ || !alive()) return;
    const auto it = process_->clients.find(connection);
    if (it == process_->clients.end()) return;
    const std::function<void()> closed = it->second.closed;
    Disconnect(connection);
    closed();
  });
}

void SimNode::CollectFigures() {
  if (!alive()) return;
  const server::Node& node = *process_->node;
  const replica::MemberStats& member = node.member().stats();
  Watcher& watcher = world_.watcher();
  world_.figures().carried += node.stats().forwarded.Get();
  world_.figures().indoubt += node.stats().indoubt.Get();
  if (node.stats().forwards_from_log.Get() > 0) watcher.Hit(Mark::kCarriedByLog);
  if (node.stats().forwards_resent.Get() > 0) watcher.Hit(Mark::kCarriedAgain);
  if (node.stats().parked_total.Get() > 0) watcher.Hit(Mark::kParked);
  if (member.pulses_proposed.Get() > 0) watcher.Hit(Mark::kExpiredByPulse);
  if (member.leases_dropped.Get() > 0) watcher.Hit(Mark::kLeaseDropped);
  if (node.member().taker().stats().taken.Get() > 0) watcher.Hit(Mark::kSnapshotTaken);
  if (process_->booted.wal->segment_count() > 1) watcher.Hit(Mark::kWalRotated);
  if (process_->booted.wal->base().index > Index()) watcher.Hit(Mark::kWalCompacted);
}

// ---- inputs -----------------------------------------------------------------------------------

void SimNode::Deliver(NodeId from, server::PeerMessage message) {
  if (!alive()) return;
  world_.watcher().Delivered(from, id_, message);
  Input([this, from, message = std::move(message)]() mutable {
    process_->node->OnPeer(from, std::move(message), Clocks());
  });
}

bool SimNode::Meet(NodeId peer, uint64_t incarnation, uint64_t knows_this_as) {
  const Result<std::string> why =
      process_->node->Meet(*process_->booted.acquaintances, peer, incarnation, knows_this_as);
  if (why.ok()) return why.value().empty();
  if (why.status().code() != StatusCode::kNoSpace) process_->DiskFailed(why.status());
  return false;
}

void SimNode::LinkReset(NodeId peer) {
  if (alive()) Input([this, peer] { process_->node->OnLinkReset(peer); });
}

void SimNode::LinkUp() {
  if (alive()) Input([] {});
}

void SimNode::PeerUnreachable(NodeId peer) {
  if (alive()) Input([this, peer] { process_->node->OnPeerUnreachable(peer); });
}

// ---- clients ----------------------------------------------------------------------------------

uint64_t SimNode::Connect(server::PortKind kind,
                          std::function<void(std::string, server::Position)> reply,
                          std::function<void()> closed) {
  if (!alive()) return 0;
  const uint64_t number = ++process_->last_client;
  SimProcess::Client& client = process_->clients[number];
  client.reply = std::move(reply);
  client.closed = std::move(closed);
  Input([this, number, kind] {
    const auto it = process_->clients.find(number);
    if (it == process_->clients.end()) return;
    it->second.session = process_->node->Open(kind);
    it->second.session->owner = reinterpret_cast<void*>(static_cast<uintptr_t>(number));
  });
  return number;
}

void SimNode::SendBytes(uint64_t connection, std::string bytes) {
  if (!alive()) return;
  const auto client = process_->clients.find(connection);
  if (client == process_->clients.end()) return;
  Micros& due = client->second.send_due;
  due = std::max(due, world_.events().now() + world_.network().ClientDelay());
  world_.events().At(due, [this, life = life_, connection, bytes = std::move(bytes)] {
    if (life != life_ || !alive()) return;
    Input([this, connection, bytes] {
      const auto it = process_->clients.find(connection);
      if (it == process_->clients.end() || it->second.session == nullptr) return;
      it->second.session->input += bytes;
      process_->node->Touch(it->second.session);
    });
  });
}

void SimNode::Disconnect(uint64_t connection) {
  if (!alive()) return;
  Input([this, connection] {
    const auto it = process_->clients.find(connection);
    if (it == process_->clients.end()) return;
    if (it->second.session != nullptr) {
      it->second.session->owner = nullptr;
      process_->node->Closed(it->second.session);
    }
    process_->clients.erase(it);
  });
}

}  // namespace kvorum::sim
