// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_node.h"

#include <algorithm>
#include <utility>

namespace kvorum::sim {
namespace {

constexpr UnixMs kWallEpochMs = 1'700'000'000'000;
constexpr Micros kTurnUs = 20;         // a turn, at the least
constexpr Micros kEvidenceUs = 1'000;  // until a refused reconnection is noticed

}  // namespace

// Everything that dies with the process.
struct SimNode::Process final : replica::LogDisk,
                                replica::Background,
                                replica::Stopwatch,
                                server::PeerWire,
                                server::Host {
  struct Job {
    std::function<void()> work;
    std::function<void()> done;
  };
  struct Client {
    server::Session* session = nullptr;
    std::function<void(std::string)> reply;
    std::function<void()> closed;
  };
  struct DiskItem {
    enum class Kind : uint8_t { kSave, kCompact, kCaughtUp } kind;
    raft::Save save;
    raft::SnapshotMeta base;
  };

  explicit Process(SimNode& owner) : owner_(owner), life_(owner.life_) {}

  // ---- replica::LogDisk: what a thread does in the server, in two events here
  // ---------------------
  void Save(raft::Save save) override {
    disk_queue.push_back({DiskItem::Kind::kSave, std::move(save), {}});
    StartDisk();
  }
  void Compact(raft::SnapshotMeta base) override {
    disk_queue.push_back({DiskItem::Kind::kCompact, {}, std::move(base)});
    StartDisk();
  }
  void CaughtUp() override {
    disk_queue.push_back({DiskItem::Kind::kCaughtUp, {}, {}});
    StartDisk();
  }

  void Later(Micros delay, std::function<void()> run) {
    owner_.world_.events().After(delay, [&node = owner_, life = life_, run = std::move(run)] {
      if (node.life_ == life && node.alive()) run();
    });
  }

  void StartDisk() {
    if (disk_busy) return;
    disk_busy = true;
    Later(5, [this] { WriteDisk(); });
  }
  void WriteDisk() {
    std::vector<DiskItem> items;
    items.swap(disk_queue);
    BatchNumber newest;
    std::vector<raft::Save> saves;
    Status status;
    for (DiskItem& item : items) {
      if (!status.ok()) break;
      if (item.kind == DiskItem::Kind::kSave) {
        newest = item.save.number;
        saves.push_back(std::move(item.save));
        continue;
      }
      if (!saves.empty()) status = booted.wal->Append(std::exchange(saves, {}));
      if (!status.ok()) break;
      status = item.kind == DiskItem::Kind::kCompact ? booted.wal->Compact(item.base)
                                                     : booted.wal->CaughtUp();
    }
    if (status.ok() && !saves.empty()) status = booted.wal->Append(saves);
    if (!status.ok()) return DiskFailed(status);
    const Micros latency = owner_.disk_rng_.Between(20, owner_.world_.plan().disk_most_us);
    Later(latency, [this, newest] { SyncDisk(newest); });
  }
  void SyncDisk(BatchNumber newest) {
    if (Status status = booted.wal->Sync(); !status.ok()) return DiskFailed(status);
    if (newest != BatchNumber()) {
      owner_.Input([this, newest] { node->Persisted(newest); });
    }
    disk_busy = false;
    if (!disk_queue.empty()) StartDisk();
  }
  void DiskFailed(const Status& status) {
    owner_.world_.Trace("node " + std::to_string(owner_.id_.value()) +
                        " disk failed: " + status.message());
    Later(0, [&node = owner_] { node.Crash(disk::CrashMode::kRandomSectors); });
  }

  // ---- replica::Background
  // --------------------------------------------------------------------------
  void Run(std::function<void()> work, std::function<void()> done) override {
    jobs.push_back({std::move(work), std::move(done)});
    if (jobs.size() == 1) StartJob();
  }
  void StartJob() {
    Later(owner_.disk_rng_.Between(20, owner_.world_.plan().disk_most_us), [this] {
      jobs.front().work();
      owner_.Input(std::move(jobs.front().done));
      jobs.pop_front();
      if (!jobs.empty()) StartJob();
    });
  }

  Micros Read() override { return 0; }

  // ---- server::PeerWire
  // -----------------------------------------------------------------------------
  void SendToPeer(NodeId to, server::PeerMessage message) override {
    World& world = owner_.world_;
    SimNode& peer = world.node(to);
    if (!std::holds_alternative<raft::Message>(message)) {
      if (!IsConnected(to)) return;  // a link that is down loses it; the carrier sends it again
      peer.DeliverCarried(owner_.id_, peer.LinkLife(owner_.id_), std::move(message));
      return;
    }
    Rng& rng = world.net_rng();
    const int copies =
        rng.OneIn(static_cast<uint64_t>(world.plan().duplicate_percent), 100) ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
      if (rng.OneIn(static_cast<uint64_t>(world.plan().loss_percent), 100)) continue;
      world.events().After(world.Delay(), [&world, &peer, from = owner_.id_, message] {
        if (!world.Cut(from, peer.id())) peer.Deliver(from, message);
      });
    }
  }
  [[nodiscard]] bool IsConnected(NodeId to) const override {
    return owner_.world_.nodes().contains(to) && owner_.world_.node(to).alive();
  }

  // ---- server::Host
  // ---------------------------------------------------------------------------------
  void Halt(const Status& why) override {
    owner_.world_.Fail("node " + std::to_string(owner_.id_.value()) + " halted: " + why.message());
  }
  void RequestShutdown() override {}
  void Log(Level /*level*/, std::string_view line) override {
    owner_.world_.Trace("node " + std::to_string(owner_.id_.value()) + ": " + std::string(line));
  }

  SimNode& owner_;
  uint64_t life_;
  server::Booted booted;
  std::vector<DiskItem> disk_queue;
  bool disk_busy = false;
  std::deque<Job> jobs;
  std::unique_ptr<server::Node> node;
  raft::InvariantChecker invariants;
  std::vector<std::function<void()>> inputs;
  std::map<uint64_t, Client> clients;
  uint64_t last_client = 0;
  std::map<NodeId, Micros> carried_until;  // arrival of the newest carried message, per sender
  Micros turn_at = INT64_MAX;
  Index seen_applied;
  Micros last_boot = 0;
};

SimNode::SimNode(World& world, NodeId id, uint64_t seed)
    : world_(world),
      id_(id),
      disk_rng_(seed),
      clock_rng_(seed ^ 0x5bd1e995),
      boot_offset_(clock_rng_.Between(0, 1'000'000'000)),
      rate_millionths_(1'000'000 + 10'000 * clock_rng_.Between(-world.plan().drift_percent,
                                                               world.plan().drift_percent)) {
  config_.node_id = id;
  for (int i = 1; i <= world.plan().nodes; ++i) {
    config_.cluster_nodes.push_back({NodeId(static_cast<uint64_t>(i)), "node" + std::to_string(i),
                                     static_cast<uint16_t>(7000 + i),
                                     static_cast<uint16_t>(17000 + i)});
  }
  config_.lease_reads = world.plan().lease_reads;
  config_.snapshot_log_bytes = world.plan().snapshot_log_bytes;
  config_.keep_log_bytes = world.plan().keep_log_bytes;
  config_.wal_segment_bytes = 32 << 10;
  config_.election_timeout_ms = 150;
  config_.heartbeat_interval_ms = 40;
  config_.election_park_timeout_ms = 800;
  config_.indoubt_timeout_ms = 2'000;
}

SimNode::~SimNode() = default;

const server::Node& SimNode::node() const { return *process_->node; }
uint64_t SimNode::Digest() const { return process_->node->machine().Digest(); }

Now SimNode::Clocks() const {
  const Micros boot = boot_offset_ + world_.events().now() / 1000 * rate_millionths_ / 1000 +
                      world_.events().now() % 1000;
  return {boot, kWallEpochMs + (boot - boot_offset_) / 1000 + wall_offset_ms_};
}

Micros SimNode::GlobalTimeOf(Micros boot) const {
  return (boot - boot_offset_) * 1000 / rate_millionths_ * 1000 + 1'000;
}

void SimNode::Start() {
  ++life_;
  stalled_until_ = 0;
  files_.Resume();
  Result<server::Booted> booted = server::Boot(files_, config_);
  if (!booted.ok()) {
    world_.Fail("node " + std::to_string(id_.value()) +
                " does not start: " + booted.status().message());
    return;
  }
  process_ = std::make_unique<Process>(*this);
  Process& process = *process_;
  process.booted = std::move(booted).value();
  if (!process.booted.note.empty()) {
    world_.Trace("node " + std::to_string(id_.value()) + " recovery: " + process.booted.note);
  }
  process.last_boot = Clocks().boot_us;
  process.node = std::make_unique<server::Node>(
      config_, std::move(process.booted.restart), *process.booted.machine,
      *process.booted.snapshots, server::NodeSeams{process, process, process, process, process},
      life_, disk_rng_.Next(), Clocks());
  process.seen_applied = process.booted.machine->applied();
  for (const auto& [id, node] : world_.nodes()) {
    if (id == id_ || !node->alive()) continue;
    ++link_lives_[id];
    node->PeerStarted(id_);
  }
  Kick(0);
}

void SimNode::Crash(disk::CrashMode mode) {
  if (!alive()) return;
  const bool evidence = mode == disk::CrashMode::kProcess;
  files_.StopAtChange(1);  // what destructors do must not reach the disk
  std::vector<std::function<void()>> closed;
  for (auto& [number, client] : process_->clients) closed.push_back(client.closed);
  process_.reset();
  ++life_;
  files_.Crash(disk_rng_, mode);
  files_.Resume();
  for (const auto& [id, node] : world_.nodes()) {
    if (id != id_ && node->alive()) node->PeerDied(id_, evidence);
  }
  for (const auto& call : closed) call();
}

void SimNode::Stall(Micros until) { stalled_until_ = std::max(stalled_until_, until); }

// ---- turns ------------------------------------------------------------------------------------

void SimNode::Input(std::function<void()> input) {
  process_->inputs.push_back(std::move(input));
  Kick(kTurnUs);
}

void SimNode::Kick(Micros delay) {
  const Micros at = std::max(world_.events().now() + delay, stalled_until_);
  if (at >= process_->turn_at) return;
  process_->turn_at = at;
  world_.events().At(at, [this, life = life_] { Turn(life); });
}

void SimNode::Turn(uint64_t life) {
  if (life != life_ || !alive()) return;
  Process& process = *process_;
  if (world_.events().now() < process.turn_at) return;  // a later, earlier-scheduled one has run
  process.turn_at = INT64_MAX;
  if (world_.events().now() < stalled_until_) return Kick(0);
  Now now = Clocks();
  now.boot_us = std::max(now.boot_us, process.last_boot);
  process.last_boot = now.boot_us;
  process.node->BeginTurn(now);
  std::vector<std::function<void()>> inputs;
  inputs.swap(process.inputs);
  for (const auto& input : inputs) input();
  process.node->EndTurn();
  Observe();
  process.node->Flush([this, &process](server::Session& session) {
    if (session.closed) return;
    const auto number = reinterpret_cast<uintptr_t>(session.owner);
    const auto it = process.clients.find(number);
    if (it == process.clients.end() || session.output.empty()) return;
    world_.events().After(
        world_.Delay(),
        [reply = it->second.reply, bytes = std::exchange(session.output, {})] { reply(bytes); });
    process.node->Touch(&session);
  });
  if (process.node->WantsTurn()) {
    Kick(kTurnUs);
  } else {
    const Micros wake = GlobalTimeOf(process.node->NextWakeup());
    Kick(std::clamp<Micros>(wake - world_.events().now(), kTurnUs, 1'000'000));
  }
}

void SimNode::Observe() {
  Process& process = *process_;
  const raft::Core& core = process.node->member().core();
  process.invariants.Check(core);
  if (core.IsLeader()) world_.SawLeader(core.term(), id_);
  const Index applied = process.node->member().applied();
  if (applied > process.seen_applied && process.seen_applied + 1 <= core.log().base_index()) {
    world_.SawRestore(id_, applied);
    process.seen_applied = core.log().base_index();
  }
  while (process.seen_applied < applied) {
    ++process.seen_applied;
    world_.SawApplied(id_, core.log().At(process.seen_applied));
  }
}

// ---- network ----------------------------------------------------------------------------------

void SimNode::Deliver(NodeId from, server::PeerMessage message) {
  if (!alive()) return;
  Input([this, from, message = std::move(message)]() mutable {
    process_->node->OnPeer(from, std::move(message));
  });
}

void SimNode::DeliverCarried(NodeId from, uint64_t link_life, server::PeerMessage message) {
  if (!alive()) return;
  // In order: never before what was sent earlier. A cut holds it back.
  Micros at = std::max(world_.events().now() + world_.Delay(), process_->carried_until[from] + 1);
  process_->carried_until[from] = at;
  world_.events().At(at,
                     [this, from, link_life, life = life_, message = std::move(message)]() mutable {
                       if (life != life_ || !alive() || LinkLife(from) != link_life) return;
                       if (world_.Cut(from, id_))
                         return ResetLink(from);  // what a cut delays too long is reset
                       Deliver(from, std::move(message));
                     });
}

uint64_t SimNode::LinkLife(NodeId peer) const {
  const auto it = link_lives_.find(peer);
  return it == link_lives_.end() ? 0 : it->second;
}

void SimNode::ResetLink(NodeId peer) {
  SimNode& other = world_.node(peer);
  for (auto [here, there] : {std::pair(this, &other), std::pair(&other, this)}) {
    ++here->link_lives_[there->id_];
    if (!here->alive()) continue;
    here->Input([here, id = there->id_] { here->process_->node->OnLinkReset(id); });
    here->process_->Later(world_.Delay(), [here, there, id = there->id_] {
      if (there->alive()) here->Input([here, id] { here->process_->node->OnLinkUp(id); });
    });
  }
}

void SimNode::PeerDied(NodeId peer, bool evidence) {
  ++link_lives_[peer];
  Input([this, peer] { process_->node->OnLinkReset(peer); });
  if (!evidence) return;
  process_->Later(world_.net_rng().Between(100, kEvidenceUs), [this, peer] {
    if (!world_.node(peer).alive() && !world_.Cut(peer, id_)) {
      Input([this, peer] { process_->node->OnPeerUnreachable(peer); });
    }
  });
}

void SimNode::PeerStarted(NodeId peer) {
  ++link_lives_[peer];
  Input([this, peer] { process_->node->OnLinkUp(peer); });
}

// ---- clients ----------------------------------------------------------------------------------

uint64_t SimNode::Connect(server::PortKind kind, std::function<void(std::string)> reply,
                          std::function<void()> closed) {
  if (!alive()) return 0;
  const uint64_t number = ++process_->last_client;
  Process::Client& client = process_->clients[number];
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
  process_->Later(world_.Delay(), [this, connection, bytes = std::move(bytes)] {
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
