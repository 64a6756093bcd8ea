// SPDX-License-Identifier: Apache-2.0
#include "store/machine.h"

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "store/call.h"
#include "store/families.h"
#include "store/keyspace.h"
#include "store/snapshot_reader.h"

namespace kvorum::store {

Machine::Machine(MachineOptions options) : options_(options) {
  KV_CHECK(options_.databases >= 1 && options_.databases <= kDatabases);
  KV_CHECK(options_.max_string_bytes <= kMaxStringBytes);
  KV_CHECK(options_.level_known >= kFirstFeatureLevel && options_.level_known <= kFeatureLevel);
  keyspace_ = std::make_unique<Keyspace>(KeyHash(options_.hash_seed), options_.databases);
  keyspace_->WantHugePages();
}

Machine::~Machine() = default;

void Machine::Apply(Index index, std::string_view envelope, ReplySink* sink) {
  EnvelopeReader reader(envelope);
  KV_CHECK_MSG(reader.ok(), "malformed envelope");
  keyspace_->AdvanceTime(reader.wall());
  stats_.expired_keys.Add(keyspace_->RemoveExpired(kExpiredPerEntry));
  uint32_t number = 0;
  for (size_t read = commands_.size(); read == commands_.size();) {
    read = 0;
    while (read < commands_.size() && reader.Next(commands_[read])) ++read;
    if (read > 1) Prefetch({commands_.data(), read});
    for (size_t i = 0; i < read; ++i) Execute(reader, commands_[i], number++, sink);
  }
  KV_CHECK_MSG(reader.Done(), "malformed envelope");
  KV_CHECK_MSG(feature_level() <= options_.level_known, "a level that is not known here");
  ApplyNoop(index);
}

// The first key of each command, where it has one. A key of another database is not worth a second
// round.
void Machine::Prefetch(std::span<const EnvelopeCommand> commands) const {
  const size_t number = commands[0].database;
  const Database* const database =
      number < static_cast<size_t>(options_.databases) ? keyspace_->Get(number) : nullptr;
  if (database == nullptr) return;
  std::array<std::string_view, Database::kPrefetchKeys> keys;
  static_assert(kCommandsAhead <= Database::kPrefetchKeys);
  size_t count = 0;
  for (const EnvelopeCommand& command : commands) {
    const CommandRow* const row = StoreIndex().Find(command.opcode);
    const size_t first = row == nullptr ? 0 : static_cast<size_t>(row->keys.first);
    if (first == 0 || first >= command.args.size() || command.database != number) continue;
    keys[count++] = command.args[first];
  }
  database->Prefetch({keys.data(), count});
}

Status Machine::DemandOf(std::string_view envelope) const {
  const std::optional<FeatureRaise> raise = FeatureRaiseIn(envelope);
  if (!raise || raise->level <= options_.level_known) return Status::Ok();
  return TooNew("the log", raise->level, raise->release, options_.level_known);
}

void Machine::ApplyNoop(Index index) {
  // A new machine takes any first index: its history may begin with a snapshot.
  KV_CHECK_MSG(applied_ == Index() || index == applied_ + 1, "applied out of order");
  applied_ = index;
  stats_.entries_applied.Add();
}

void Machine::Execute(const EnvelopeReader& envelope, EnvelopeCommand& command, uint32_t number,
                      ReplySink* sink) {
  const CommandRow* const row = StoreIndex().Find(command.opcode);
  KV_CHECK_MSG(row != nullptr && CheckArity(*row, command.args.size()), "malformed envelope");
  KV_CHECK_MSG(command.database < options_.databases, "malformed envelope");
  command.args[0] = row->name;
  resp::Reply dropped = resp::Reply::Discard();
  resp::Reply* reply = nullptr;
  if (sink != nullptr) {
    reply = sink->Begin(number, command.origin.has_value() ? &*command.origin : nullptr);
  }
  if (reply == nullptr) reply = &dropped;
  // One seed for the entry and the number of the command: no two commands draw the same numbers.
  const Call::Scene scene{command.database, keyspace_->log_time(),
                          envelope.seed() + number * 0x9E3779B97F4A7C15ULL};
  Call call({*keyspace_, stats_, options_, random_key_counter_, feature_level()}, *row,
            command.args, scene, *reply);
  row->handler(call);
  stats_.writes.Add();
  if (sink != nullptr) sink->End(number);
}

void Machine::Read(const CommandRow& row, Argv argv, uint8_t database, UnixMs now_for_display,
                   resp::Reply& reply) {
  KV_CHECK(row.route == Route::kRead && database < options_.databases);
  const Call::Scene scene{database, std::max(now_for_display, keyspace_->log_time()), 0};
  Call call({*keyspace_, stats_, options_, random_key_counter_, feature_level()}, row, argv, scene,
            reply);
  row.handler(call);
  stats_.reads.Add();
}

FeatureLevel Machine::feature_level() const { return keyspace_->feature_level(); }

UnixMs Machine::log_time() const { return keyspace_->log_time(); }

std::optional<UnixMs> Machine::next_deadline() const { return keyspace_->next_deadline(); }

uint64_t Machine::Digest() const { return keyspace_->Digest(); }

uint64_t Machine::DigestOfSlots(uint32_t first, uint32_t count) const {
  return keyspace_->DigestOfSlots(first, count);
}

void Machine::BeginSnapshot() { keyspace_->BeginSnapshot(); }

bool Machine::snapshot_running() const { return keyspace_->snapshot().running(); }

bool Machine::SnapshotStep(size_t budget_bytes, std::string& out) {
  SnapshotWriter& snapshot = keyspace_->snapshot();
  const uint64_t saved = snapshot.saved_by_writes();
  const bool more = snapshot.Step(budget_bytes, out);
  // The writer counts for one keyspace, the exporter wants a counter that survives a load.
  stats_.snapshot_copied_records.Add(saved - counted_copies_);
  counted_copies_ = saved;
  if (!more) stats_.snapshots.Add();
  return more;
}

void Machine::AbortSnapshot() { keyspace_->snapshot().Abort(); }

void Machine::BeginLoad() {
  loading_ = std::make_unique<SnapshotReader>(KeyHash(options_.hash_seed), options_.databases,
                                              options_.max_string_bytes, options_.level_known);
}

Status Machine::LoadChunk(std::string_view chunk) {
  KV_CHECK(loading_ != nullptr);
  return loading_->Chunk(chunk);
}

Status Machine::FinishLoad(Index index) {
  KV_CHECK(loading_ != nullptr);
  auto loaded = loading_->Finish();
  loading_.reset();
  if (!loaded.ok()) return loaded.status();
  loaded.value()->Inherit(*keyspace_);
  keyspace_ = std::move(loaded).value();
  counted_copies_ = 0;
  applied_ = index;
  return Status::Ok();
}

void Machine::AbortLoad() { loading_.reset(); }

bool Machine::Housekeep(size_t budget_keys) { return keyspace_->FreeSome(budget_keys); }

size_t Machine::KeyCount(int database) const {
  const Database* const db = keyspace_->Get(static_cast<size_t>(database));
  return db == nullptr ? 0 : db->size();
}

size_t Machine::ExpiryCount(int database) const {
  const Database* const db = keyspace_->Get(static_cast<size_t>(database));
  return db == nullptr ? 0 : db->with_deadline();
}

size_t Machine::MemoryBytes() const { return keyspace_->MemoryBytes(); }

size_t Machine::CountKeysInSlot(uint16_t slot) const {
  const Database* const db = keyspace_->Get(0);
  return db == nullptr || slot >= kSlots ? 0 : db->CountInSlot(slot);
}

void Machine::KeysInSlot(uint16_t slot, size_t count, resp::Reply& reply) const {
  std::vector<std::string_view> keys;
  if (const Database* const db = keyspace_->Get(0); db != nullptr && slot < kSlots) {
    Database::Position position{slot, 0};
    while (position.slot == slot && keys.size() < count && db->CountInSlot(slot) != 0) {
      db->VisitPage(position, [&](const Record* record) {
        if (keys.size() < count && !record->ExpiredAt(log_time())) keys.push_back(record->key());
      });
    }
  }
  reply.Array(keys.size());
  for (const std::string_view key : keys) reply.Bulk(key);
}

}  // namespace kvorum::store
