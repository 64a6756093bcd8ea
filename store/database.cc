// SPDX-License-Identifier: Apache-2.0
#include "store/database.h"

#include <algorithm>
#include <iterator>
#include <limits>

#include "base/check.h"
#include "store/snapshot_writer.h"

namespace kvorum::store {

namespace {
// What a deadline costs in the index: an entry of a B-tree node that is three quarters full.
constexpr size_t kDeadlineBytes = 22;
}  // namespace

Database::~Database() {
  while (!FreeSome(std::numeric_limits<size_t>::max())) {
  }
}

SlotTable& Database::TableFor(std::string_view key) {
  if (slots_ == nullptr) slots_ = std::make_unique<Slots>();
  return (*slots_)[SlotOf(key)];
}

Record** Database::Place(std::string_view key, uint64_t hash) const {
  return slots_ == nullptr ? nullptr : (*slots_)[SlotOf(key)].Find(key, hash);
}

const Record* Database::Find(std::string_view key) const {
  Record** const place = Place(key, key_hash_(key));
  return place == nullptr ? nullptr : *place;
}

void Database::Prefetch(std::span<const std::string_view> keys) const {
  if (slots_ == nullptr) return;
  struct Target {
    const SlotTable* table;
    uint64_t hash;
  };
  std::array<Target, kPrefetchKeys> targets;
  const size_t count = std::min(keys.size(), targets.size());
  for (size_t i = 0; i < count; ++i) {
    targets[i] = {&(*slots_)[SlotOf(keys[i])], key_hash_(keys[i])};
    __builtin_prefetch(targets[i].table);
  }
  for (unsigned step = 0; step < SlotTable::kPrefetchSteps; ++step) {
    for (size_t i = 0; i < count; ++i) targets[i].table->Prefetch(targets[i].hash, step);
  }
}

void Database::PrefetchPages(Position position, size_t pages) const {
  for (; pages > 0 && !position.AtEnd(); --pages) {
    VisitWholePage(position, [](Record* record) { record->Prefetch(); });
  }
}

uint16_t Database::epoch() const { return snapshot_->epoch(); }

void Database::Detach(Record* record) {
  snapshot_->BeforeChange(*this, record);
  record_bytes_ -= record->AllocatedBytes();
  if (const auto at = record->deadline()) deadlines_.erase(Deadline{*at, record});
}

void Database::Attach(Record* record) {
  record_bytes_ += record->AllocatedBytes();
  if (const auto at = record->deadline()) deadlines_.insert(Deadline{*at, record});
}

void Database::Add(SlotTable& table, Record* record, uint64_t hash, SlotTable::Arrival arrival) {
  table.Insert(record, hash, key_hash_, arrival);
  ++count_;
  Attach(record);
}

void Database::Set(std::string_view key, const Record::Value& value,
                   std::optional<UnixMs> deadline) {
  SlotTable& table = TableFor(key);
  const uint64_t hash = key_hash_(key);
  Record** const place = table.Find(key, hash);
  if (place == nullptr) {
    Add(table, Record::Create(*heap_, key, value, deadline, epoch()), hash);
    return;
  }
  Record* const old = *place;
  Detach(old);
  if (old->has_deadline() == deadline.has_value() && old->AssignInPlace(value)) {
    if (deadline.has_value()) old->ChangeDeadline(*deadline);
  } else {
    // Made before the old one goes: the key or the value may be a view into it.
    *place = Record::Create(*heap_, key, value, deadline, epoch());
    Record::Free(*heap_, old);
  }
  Attach(*place);
}

bool Database::Load(std::string_view key, const Record::Value& value,
                    std::optional<UnixMs> deadline) {
  SlotTable& table = TableFor(key);
  const uint64_t hash = key_hash_(key);
  if (table.Find(key, hash) != nullptr) return false;
  Add(table, Record::Create(*heap_, key, value, deadline, epoch()), hash,
      SlotTable::Arrival::kSorted);
  return true;
}

void Database::Put(Record* record) {
  SlotTable& table = TableFor(record->key());
  const uint64_t hash = key_hash_(record->key());
  if (Record** const place = table.Find(record->key(), hash)) {
    Detach(*place);
    Record::Free(*heap_, *place);
    *place = record;
    Attach(record);
  } else {
    Add(table, record, hash);
  }
}

bool Database::Remove(std::string_view key) {
  const uint64_t hash = key_hash_(key);
  Record** const place = Place(key, hash);
  if (place == nullptr) return false;
  Record* const record = *place;
  Detach(record);
  (*slots_)[SlotOf(key)].Erase(place, hash, key_hash_);
  --count_;
  Record::Free(*heap_, record);
  return true;
}

Record* Database::MoveOut(std::string_view key, std::string_view new_key) {
  const uint64_t hash = key_hash_(key);
  Record** const place = Place(key, hash);
  KV_CHECK(place != nullptr);
  Record* const record = *place;
  Detach(record);
  (*slots_)[SlotOf(key)].Erase(place, hash, key_hash_);
  --count_;
  return Record::Rebuild(*heap_, record, new_key, record->deadline(), epoch());
}

void Database::SetDeadline(std::string_view key, std::optional<UnixMs> deadline) {
  Record** const place = Place(key, key_hash_(key));
  KV_CHECK(place != nullptr);
  Record* const record = *place;
  if (record->deadline() == deadline) return;
  Detach(record);
  if (record->has_deadline() && deadline.has_value()) {
    record->ChangeDeadline(*deadline);
  } else {
    *place = Record::Rebuild(*heap_, record, record->key(), deadline, record->epoch());
  }
  Attach(*place);
}

char* Database::Grow(std::string_view key, size_t size) {
  Record** const place = Place(key, key_hash_(key));
  KV_CHECK(place != nullptr);
  Detach(*place);
  *place = Record::Resize(*heap_, *place, size);
  Attach(*place);
  return (*place)->MutableBytes();
}

void Database::RemoveFirstDeadline() {
  KV_CHECK(!deadlines_.empty());
  const bool removed = Remove(deadlines_.begin()->record->key());
  KV_CHECK(removed);
}

size_t Database::MemoryBytes() const {
  size_t bytes = record_bytes_ + deadlines_.size() * kDeadlineBytes;
  if (slots_ == nullptr) return bytes;
  // Tables are close to eleven bytes a key; asking each would make INFO cost a walk of all slots.
  constexpr size_t kTableBytesPerKey = 11;
  return bytes + sizeof(Slots) + count_ * kTableBytesPerKey;
}

bool Database::FreeSome(size_t budget) {
  if (slots_ == nullptr) return true;
  size_t freed = 0;
  while (freed < budget && !deadlines_.empty()) {
    // Before the records, which the index points at; erasing by position compares nothing.
    deadlines_.erase(deadlines_.begin());
    ++freed;
  }
  for (; freed < budget && freed_slots_ < kSlots; ++freed_slots_) {
    SlotTable& table = (*slots_)[freed_slots_];
    uint64_t from = 0;
    if (table.empty()) continue;
    do {
      from = table.VisitPage(from, [&](Record* record) {
        record_bytes_ -= record->AllocatedBytes();
        --count_;
        Record::Free(*heap_, record);
        ++freed;
      });
    } while (from != 0);
    table.Clear();
  }
  if (freed_slots_ < kSlots) return false;
  slots_.reset();
  return true;
}

}  // namespace kvorum::store
