// SPDX-License-Identifier: Apache-2.0
//
// The deterministic state machine: log entries in, replies out. The same entries give the same
// state and the same replies on every node; nothing in here reads a clock, draws a random number or
// starts a thread.
//
// Time. The machine's clock is the log's: each envelope carries its leader's wall time, and
// log_time() is the greatest one seen. A key is expired when its deadline <= log_time(), and as
// log_time() never goes back, a key that was seen expired never returns. Expired keys are removed
// at the start of an entry, in order of (deadline, database, key), at most kExpiredPerEntry of
// them; what is left over is treated as absent wherever it is met. Only DBSIZE, the key counts of
// stats and COUNTKEYSINSLOT may count such a left-over, as Redis's DBSIZE counts keys that expired
// and were not collected.
//
// Threads: everything is called from the one thread that owns the machine, except stats(), which
// any thread may read.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/stats.h"
#include "base/status.h"
#include "base/time.h"
#include "resp/reply.h"
#include "store/command.h"
#include "store/envelope.h"
#include "store/limits.h"

namespace kvorum::store {

class Keyspace;
class SnapshotReader;

// Where the replies of an entry go. Both calls come in command order, from inside Machine::Apply.
class ReplySink {
 public:
  virtual ~ReplySink() = default;
  // Before command number `command` (from 0) runs. nullptr: nobody waits for it. `origin` is null
  // unless the command was forwarded; it is valid during the call only.
  virtual resp::Reply* Begin(uint32_t command, const Origin* origin) = 0;
  // Right after it ran: reads that were pipelined behind it may run here, through Machine::Read.
  virtual void End(uint32_t command) = 0;
};

// hash_seed must be the same on all nodes of a group if SCAN cursors are to survive a change of the
// node that answers; state, replies of writes and Digest() do not depend on it. `level_known` is
// what this release can; less makes the machine of an older one. The other fields are part of the
// replicated behaviour: equal on all nodes.
struct MachineOptions {
  uint64_t hash_seed = 0;
  int databases = kDatabases;  // 1 to kDatabases
  size_t max_string_bytes = kMaxStringBytes;
  FeatureLevel level_known = kFeatureLevel;
};

// Counters for the exporter. One writer, any reader.
struct MachineStats {
  Counter entries_applied;
  Counter writes;         // commands executed from the log
  Counter reads;          // commands executed by Read
  Counter keyspace_hits;  // of reads, as Redis counts them
  Counter keyspace_misses;
  Counter expired_keys;
  Counter snapshots;                // completed
  Counter snapshot_copied_records;  // serialized early because a write was about to change them
};

class Machine {
 public:
  explicit Machine(MachineOptions options = {});
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  // Executes one entry. Indexes are contiguous (after a load: from the loaded one). `sink` may be
  // null. An envelope that EnvelopeReader::Validate refuses is a broken invariant: check before
  // proposing and when receiving.
  void Apply(Index index, std::string_view envelope, ReplySink* sink);
  // Ok, or why this machine must not execute that entry: it raises the feature level beyond what is
  // known here. Ask before Apply; whoever gets an error has to stop.
  [[nodiscard]] Status DemandOf(std::string_view envelope) const;
  // An entry without commands of ours (no-op, configuration): only applied() advances.
  void ApplyNoop(Index index);

  // Executes a kRead row against the current state. argv[0] is the name as the client wrote it;
  // arity was checked. Changes nothing. TTL and PTTL are answered against the later of log_time()
  // and `now_for_display` and never below 0 for a key that exists; nothing else looks at it.
  // `database` < databases. May be called from ReplySink::End.
  void Read(const CommandRow& row, Argv argv, uint8_t database, UnixMs now_for_display,
            resp::Reply& reply);

  [[nodiscard]] Index applied() const { return applied_; }
  [[nodiscard]] FeatureLevel feature_level() const;  // in force
  [[nodiscard]] UnixMs log_time() const;
  // The earliest deadline of any key, possibly in the past: the leader proposes a pulse (an
  // envelope without commands) when it passes with no traffic.
  [[nodiscard]] std::optional<UnixMs> next_deadline() const;
  // Order-independent hash over all keys, values, encodings and deadlines, the log time and the
  // feature level: equal on replicas at an equal applied index. O(keys).
  [[nodiscard]] uint64_t Digest() const;

  // The same over the slots from `first` on, past the last one from 0 again. O(their keys).
  [[nodiscard]] uint64_t DigestOfSlots(uint32_t first, uint32_t count) const;

  // --- Snapshot, without fork and without stopping writes. The stream is the one of
  // docs/formats/snapshot-records.md, cut at applied() as of BeginSnapshot.
  // At most one at a time.
  void BeginSnapshot();
  [[nodiscard]] bool snapshot_running() const;
  // Appends the next part to `out`: at most about `budget_bytes`, exceeded by one record and by
  // what writes had to save since the last step. False: the stream is complete with this call.
  bool SnapshotStep(size_t budget_bytes, std::string& out);
  void AbortSnapshot();

  // --- Load. The chunks together are one stream; their boundaries mean nothing. The state is
  // untouched until FinishLoad succeeds and then replaced as a whole, with `index` as applied().
  // Hostile bytes give kCorrupt, a feature level that is not known here kInvalid; both end the
  // load; memory grows only with bytes that arrived. A running snapshot is aborted by FinishLoad.
  void BeginLoad();
  Status LoadChunk(std::string_view chunk);
  Status FinishLoad(Index index);
  void AbortLoad();

  // Frees what FLUSHALL, FLUSHDB or a load left behind, at most about `budget_keys` records a call.
  // Has no visible effect. True while there is more to do. Call it once a turn.
  bool Housekeep(size_t budget_keys);

  // --- What INFO, CLUSTER and the exporter ask.
  [[nodiscard]] size_t KeyCount(int database) const;
  [[nodiscard]] size_t ExpiryCount(int database) const;  // keys that have a deadline
  // Bytes of records and tables, those that wait for Housekeep included. An estimate: what was
  // asked of the allocator, not what it took.
  [[nodiscard]] size_t MemoryBytes() const;
  // Of database 0, the only one a cluster has.
  [[nodiscard]] size_t CountKeysInSlot(uint16_t slot) const;
  // An array of at most `count` keys of the slot.
  void KeysInSlot(uint16_t slot, size_t count, resp::Reply& reply) const;
  [[nodiscard]] const MachineStats& stats() const { return stats_; }
  [[nodiscard]] const MachineOptions& options() const { return options_; }

 private:
  // Commands that Apply reads before it executes the first of them: enough to wait for memory once
  // and not for each, few enough for all they touch to stay in the nearest cache.
  static constexpr size_t kCommandsAhead = 16;

  void Prefetch(std::span<const EnvelopeCommand> commands) const;
  void Execute(const EnvelopeReader& envelope, EnvelopeCommand& command, uint32_t number,
               ReplySink* sink);

  MachineOptions options_;
  MachineStats stats_;
  std::unique_ptr<Keyspace> keyspace_;
  std::unique_ptr<SnapshotReader> loading_;
  Index applied_;
  uint64_t random_key_counter_ = 0;  // RANDOMKEY's choice; not state
  uint64_t counted_copies_ = 0;      // of this keyspace's snapshot, in stats_ already
  std::array<EnvelopeCommand, kCommandsAhead> commands_;  // reused by Apply
};

}  // namespace kvorum::store
