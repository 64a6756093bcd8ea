// SPDX-License-Identifier: Apache-2.0
//
// One numbered database: an array of 16384 slot tables, made when the first key arrives, and an
// ordered index of the keys that have a deadline. Every change of a record goes through here, so
// that a running snapshot sees it first, and the deadline index and the memory count stay right.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "absl/container/btree_set.h"
#include "base/time.h"
#include "store/limits.h"
#include "store/record.h"
#include "store/slot.h"
#include "store/slot_table.h"

namespace kvorum::store {

class SnapshotWriter;

class Database {
 public:
  // `snapshot` must outlive every change, not the object itself. `heap` is shared with the other
  // databases of the keyspace: records move between them.
  Database(const KeyHash& key_hash, SnapshotWriter& snapshot, std::shared_ptr<RecordHeap> heap)
      : key_hash_(key_hash), snapshot_(&snapshot), heap_(std::move(heap)) {}
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database();

  // Expired keys included: the caller knows the time. Valid until the next change.
  [[nodiscard]] const Record* Find(std::string_view key) const;

  // These keys will be looked for soon: the processor fetches what that touches, for all of them at
  // the same time (the first kPrefetchKeys). Worth it from two keys on.
  static constexpr size_t kPrefetchKeys = 16;
  void Prefetch(std::span<const std::string_view> keys) const;

  // --- Changes. Each invalidates every Record* of this database.

  // Sets a string. An existing record of any type goes; its deadline too, unless it is passed in.
  void Set(std::string_view key, const Record::Value& value, std::optional<UnixMs> deadline);
  // The next record of a snapshot, whose keys come in the order of slots and hashes. False: the key
  // is there already.
  bool Load(std::string_view key, const Record::Value& value, std::optional<UnixMs> deadline);
  // Takes over a record that MoveOut gave, or one made with heap() and epoch(); one with the same
  // key goes.
  void Put(Record* record);
  // Takes the record of `key`, which must be there, out of the table, renamed to `new_key`: the
  // caller owns it and gives it to Put, of this database or another of the same keyspace. An object
  // moves with it, it is not cloned.
  Record* MoveOut(std::string_view key, std::string_view new_key);
  // False: it was not there.
  bool Remove(std::string_view key);
  // The key must be there.
  void SetDeadline(std::string_view key, std::optional<UnixMs> deadline);
  // The key must be there and hold a string: makes it a raw string of `size` bytes, not shorter
  // than it was, zeroes appended, and returns its bytes to write into.
  char* Grow(std::string_view key, size_t size);

  // What records made for Put are made with.
  [[nodiscard]] uint16_t epoch() const;
  [[nodiscard]] RecordHeap& heap() { return *heap_; }

  // The first in order of (deadline, key).
  [[nodiscard]] std::optional<UnixMs> next_deadline() const {
    if (deadlines_.empty()) return std::nullopt;
    return deadlines_.begin()->at;
  }
  void RemoveFirstDeadline();

  [[nodiscard]] size_t size() const { return count_; }
  [[nodiscard]] size_t with_deadline() const { return deadlines_.size(); }
  [[nodiscard]] size_t MemoryBytes() const;
  [[nodiscard]] size_t CountInSlot(uint16_t slot) const {
    return slots_ == nullptr ? 0 : (*slots_)[slot].size();
  }

  // --- Iteration, in order of slot and hash: a position is where the next page begins.
  struct Position {
    uint32_t slot = 0;  // kSlots: the end
    uint64_t hash = 0;
    [[nodiscard]] bool AtEnd() const { return slot >= kSlots; }
  };
  // Visits the records from `position` to the end of its page and moves on to the next page that
  // may have records. The database must not change meanwhile.
  template <class Visit>
  void VisitPage(Position& position, Visit visit) const {
    VisitWholePage(position, [&](Record* record) {
      if (position.hash == 0 || key_hash_(record->key()) >= position.hash) visit(record);
    });
  }
  // Asks the processor for the records of the next `pages` pages, without waiting for any:
  // VisitPage alone waits for one after the other.
  void PrefetchPages(Position position, size_t pages) const;
  template <class Visit>
  void ForEachInSlots(uint32_t first, uint32_t end, Visit visit) const {
    if (slots_ == nullptr) return;
    for (uint32_t slot = first; slot < end; ++slot) {
      for (Position at{slot}; at.slot == slot && !(*slots_)[slot].empty();) VisitPage(at, visit);
    }
  }
  template <class Visit>
  void ForEach(Visit visit) const {
    for (Position position; !position.AtEnd();) VisitPage(position, visit);
  }

  // Frees records from the front, about `budget` of them, without telling anybody; the database is
  // only good for more of the same afterwards. True when nothing is left.
  bool FreeSome(size_t budget);

 private:
  using Slots = std::array<SlotTable, kSlots>;

  struct Deadline {
    UnixMs at;
    Record* record;
  };
  // By key among equals, so that the order of removal is a function of the state alone.
  struct Earlier {
    bool operator()(const Deadline& a, const Deadline& b) const {
      return a.at != b.at ? a.at < b.at : a.record->key() < b.record->key();
    }
  };

  // VisitPage, with those records of the page that are before `position`, which stays where it is
  // until all are visited. Touches no record.
  template <class Visit>
  void VisitWholePage(Position& position, Visit visit) const {
    if (slots_ == nullptr) {
      position.slot = kSlots;
      return;
    }
    while (!position.AtEnd() && (*slots_)[position.slot].empty()) NextSlot(position);
    if (position.AtEnd()) return;
    position.hash = (*slots_)[position.slot].VisitPage(position.hash, visit);
    if (position.hash == 0) NextSlot(position);
  }
  static void NextSlot(Position& position) {
    ++position.slot;
    position.hash = 0;
  }
  SlotTable& TableFor(std::string_view key);
  [[nodiscard]] Record** Place(std::string_view key, uint64_t hash) const;
  // Lets the snapshot save the record before it changes, and takes it out of index and counts.
  void Detach(Record* record);
  // The opposite, after the change.
  void Attach(Record* record);
  // A record whose key is not there yet; `table` is its slot's.
  void Add(SlotTable& table, Record* record, uint64_t hash,
           SlotTable::Arrival arrival = SlotTable::Arrival::kAny);

  KeyHash key_hash_;
  SnapshotWriter* snapshot_;
  std::shared_ptr<RecordHeap> heap_;
  std::unique_ptr<Slots> slots_;
  absl::btree_set<Deadline, Earlier> deadlines_;
  size_t count_ = 0;
  size_t record_bytes_ = 0;
  uint32_t freed_slots_ = 0;
};

}  // namespace kvorum::store
