// SPDX-License-Identifier: Apache-2.0
//
// The records of one slot: an extendible hash table (Fagin, Nievergelt, Pippenger and Strong,
// "Extendible hashing", 1979), in eight bytes when empty.
//
//   empty          a small slot              a larger slot
//   [ null ]       [ page ]                  [ directory | 1 ]
//                                               depth 2
//                                               00 -> page, depth 2, hashes 00...
//                                               01 -> page, depth 2, hashes 01...
//                                               10 -> page, depth 1, hashes 1....
//                                               11 ---^
//
//   page: | count 4 | capacity 26 bits, depth 6 | fingerprints, padded to 8 | Record* x capacity |
//
// The directory is indexed by the top bits of the key's hash. A full page splits alone; when its
// depth is the directory's, the directory doubles by copying pointers. So the longest pause of an
// insert is one copy of a directory, which is bounded by kMaxDirectoryDepth, and there is never a
// rehash. A directory only doubles while it has at least kRecordsPerEntry records for each of its
// entries: until then, and at the depth limit, a full page grows instead. That keeps the directory
// at a byte per key and leaves a flood of equal hashes nothing to blow up but one page.
//
// Pages lie in hash order, so "everything from this hash on" is a position that survives every
// split, merge and copy: SCAN and the snapshot walk are built on VisitPage.
//
// Refused: absl::flat_hash_map per slot (rehashes a slot at once, wastes half its capacity on
// small slots, has no stable order); see docs/decisions/0001-keyspace.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "store/limits.h"
#include "store/record.h"

namespace kvorum::store {

// The hash that places a key inside its slot. The slot itself is CRC16 and says nothing about it.
class KeyHash {
 public:
  explicit KeyHash(uint64_t seed) : seed_(seed) {}
  uint64_t operator()(std::string_view key) const;

 private:
  uint64_t seed_;
};

// Owns its pages and directory, not the records. Not copyable; the array of a database.
class SlotTable {
 public:
  SlotTable() = default;
  SlotTable(const SlotTable&) = delete;
  SlotTable& operator=(const SlotTable&) = delete;
  ~SlotTable() { Clear(); }

  // The place that holds the record of `key`, or nullptr. Valid until the next Insert or Erase; a
  // record of the same key may be stored through it.
  [[nodiscard]] Record** Find(std::string_view key, uint64_t hash) const;
  // Asks the processor for what Find will touch, without waiting for it. Each step needs what the
  // one before it asked for, so several keys are taken through step 0, then through step 1, ...
  static constexpr unsigned kPrefetchSteps = 5;
  void Prefetch(uint64_t hash, unsigned step) const;
  // The key must not be there. kSorted: many keys come in hash order (a load). Then the directory,
  // which grows with the number of records, is always too shallow for the first pages, and pages
  // that are never touched again would stay large; so when it doubles they are split at once.
  enum class Arrival : uint8_t { kAny, kSorted };
  void Insert(Record* record, uint64_t hash, const KeyHash& key_hash,
              Arrival arrival = Arrival::kAny);
  // `place` is from Find with the same hash. The record is not freed.
  void Erase(Record** place, uint64_t hash, const KeyHash& key_hash);
  // Forgets everything; records are not freed.
  void Clear();

  [[nodiscard]] bool empty() const { return root_ == 0; }
  [[nodiscard]] size_t size() const;
  // Of pages and directory.
  [[nodiscard]] size_t MemoryBytes() const;

  // Calls visit(Record*) for each record of the page that covers `from`, and returns where the next
  // page begins, 0 after the last one. The table must not change meanwhile. Records of the page
  // with a smaller hash are included.
  template <class Visit>
  uint64_t VisitPage(uint64_t from, Visit visit) const {
    if (root_ == 0) return 0;
    const Page* page = PageOf(from);
    for (uint32_t i = 0; i < page->count; ++i) visit(page->records()[i]);
    if (page->depth == 0) return 0;
    const unsigned shift = 64 - page->depth;
    return ((from >> shift) + 1) << shift;  // wraps to 0 behind the last page
  }

 private:
  struct Page {
    uint32_t count;
    uint32_t capacity : 26;
    uint32_t depth : 6;

    static size_t BytesFor(uint32_t capacity);
    uint8_t* fingerprints() { return reinterpret_cast<uint8_t*>(this + 1); }
    [[nodiscard]] const uint8_t* fingerprints() const {
      return reinterpret_cast<const uint8_t*>(this + 1);
    }
    Record** records() {
      return reinterpret_cast<Record**>(fingerprints() + ((capacity + 7U) & ~7U));
    }
    [[nodiscard]] Record* const* records() const { return const_cast<Page*>(this)->records(); }
    void Add(Record* record, uint64_t hash);
  };
  static_assert(sizeof(Page) == 8);

  struct Directory {
    uint32_t depth;    // at least 1
    uint32_t deepest;  // pages whose depth is the directory's
    uint64_t count;    // records
    Page** pages() { return reinterpret_cast<Page**>(this + 1); }
  };

  static Page* NewPage(uint32_t capacity, uint32_t depth);
  static Directory* NewDirectory(uint32_t depth);
  static uint8_t Fingerprint(uint64_t hash) { return static_cast<uint8_t>(hash); }

  [[nodiscard]] bool has_directory() const { return (root_ & 1) != 0; }
  [[nodiscard]] Directory* directory() const { return reinterpret_cast<Directory*>(root_ - 1); }
  [[nodiscard]] Page* PageOf(uint64_t hash) const {
    if (!has_directory()) return reinterpret_cast<Page*>(root_);
    Directory* const d = directory();
    return d->pages()[hash >> (64 - d->depth)];
  }
  // Points every directory entry that `page` covers at `page`.
  void Link(Page* page, uint64_t hash);
  Page* WithCapacity(Page* page, uint64_t hash, uint32_t capacity);
  [[nodiscard]] bool MaySplit(const Page* page) const;
  void Split(Page* page, uint64_t hash, const KeyHash& key_hash);
  void DoubleDirectory();
  void SplitLargePages(const KeyHash& key_hash);
  void Shrink(Page* page, uint64_t hash, const KeyHash& key_hash);
  bool MergeWithBuddy(Page* page, uint64_t hash, const KeyHash& key_hash);
  void HalveDirectory();

  uintptr_t root_ = 0;  // null, Page*, or Directory* + 1
};

static_assert(sizeof(SlotTable) == 8);

}  // namespace kvorum::store
