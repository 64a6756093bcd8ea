// SPDX-License-Identifier: Apache-2.0
#include "store/slot_table.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>

#include "base/check.h"

namespace kvorum::store {

namespace {

// Page capacities whose sizes are jemalloc's size classes: 48, 64, 80, 112, 128, 160, 192, 224 and
// 256 bytes.
constexpr uint32_t kCapacities[] = {4, 6, 8, 11, 13, 16, 20, 24, kPageRecords};
constexpr uint32_t kFirstCapacity = kCapacities[0];
constexpr uint32_t kMaxCapacity = (1U << 26) - 8;

// Records for each directory entry before the directory doubles.
constexpr uint64_t kRecordsPerEntry = 8;
// Two neighbours that have this few records together become one page. Half of what splits, so that
// a page at the edge does not go back and forth.
constexpr uint32_t kMergeRecords = kPageRecords / 2;

// The smallest capacity of the series that holds `count`.
uint32_t CapacityFor(uint32_t count) {
  for (const uint32_t capacity : kCapacities) {
    if (count <= capacity) return capacity;
  }
  const uint32_t capacity = (count + std::max(count / 8, 4U) + 7U) & ~7U;
  KV_CHECK(capacity <= kMaxCapacity);
  return capacity;
}

}  // namespace

uint64_t KeyHash::operator()(std::string_view key) const {
  return XXH3_64bits_withSeed(key.data(), key.size(), seed_);
}

size_t SlotTable::Page::BytesFor(uint32_t capacity) {
  return sizeof(Page) + ((capacity + 7U) & ~size_t{7}) + size_t{capacity} * sizeof(Record*);
}

void SlotTable::Page::Add(Record* record, uint64_t hash) {
  fingerprints()[count] = Fingerprint(hash);
  records()[count] = record;
  ++count;
}

SlotTable::Page* SlotTable::NewPage(uint32_t capacity, uint32_t depth) {
  // Fingerprints are read eight at a time: calloc spares the reader a bounds check.
  auto* page = static_cast<Page*>(std::calloc(1, Page::BytesFor(capacity)));
  KV_CHECK_MSG(page != nullptr, "out of memory");
  page->capacity = capacity & ((1U << 26) - 1);
  page->depth = depth & 63U;
  return page;
}

SlotTable::Directory* SlotTable::NewDirectory(uint32_t depth) {
  auto* directory = static_cast<Directory*>(
      std::malloc(sizeof(Directory) + (size_t{1} << depth) * sizeof(Page*)));
  KV_CHECK_MSG(directory != nullptr, "out of memory");
  directory->depth = depth;
  directory->deepest = 0;
  directory->count = 0;
  return directory;
}

Record** SlotTable::Find(std::string_view key, uint64_t hash) const {
  if (root_ == 0) return nullptr;
  Page* const page = PageOf(hash);
  const uint8_t* const fingerprints = page->fingerprints();
  Record** const records = page->records();
  constexpr uint64_t kOnes = 0x0101010101010101ULL;
  const uint64_t pattern = kOnes * Fingerprint(hash);
  for (uint32_t base = 0; base < page->count; base += 8) {
    uint64_t word = 0;
    std::memcpy(&word, fingerprints + base, sizeof(word));
    word ^= pattern;
    // Zero bytes become 0x80; a borrow may mark a byte too many, the key comparison sorts it out.
    uint64_t hits = (word - kOnes) & ~word & (kOnes << 7);
    for (; hits != 0; hits &= hits - 1) {
      const uint32_t i = base + static_cast<uint32_t>(std::countr_zero(hits)) / 8;
      if (i < page->count && records[i]->key() == key) return &records[i];
    }
  }
  return nullptr;
}

void SlotTable::Prefetch(uint64_t hash, unsigned step) const {
  if (root_ == 0) return;
  if (step == 0) {  // the only page, or the directory
    __builtin_prefetch(reinterpret_cast<const void*>(root_ & ~uintptr_t{1}));
  } else if (step == 1) {
    if (!has_directory()) return;
    const Page* const& entry = directory()->pages()[hash >> (64 - directory()->depth)];
    __builtin_prefetch(static_cast<const void*>(&entry));
  } else if (step == 2) {
    __builtin_prefetch(PageOf(hash));
  } else {
    const Page* const page = PageOf(hash);
    const auto* const first = page->fingerprints();
    const auto* const hit =
        static_cast<const uint8_t*>(std::memchr(first, Fingerprint(hash), page->count));
    if (hit == nullptr) return;
    Record* const& place = page->records()[hit - first];
    __builtin_prefetch(step == 3 ? static_cast<const void*>(&place) : place);
  }
}

size_t SlotTable::size() const {
  if (root_ == 0) return 0;
  return has_directory() ? directory()->count : reinterpret_cast<Page*>(root_)->count;
}

size_t SlotTable::MemoryBytes() const {
  if (root_ == 0) return 0;
  if (!has_directory()) return Page::BytesFor(reinterpret_cast<Page*>(root_)->capacity);
  Directory* const d = directory();
  const size_t entries = size_t{1} << d->depth;
  size_t bytes = sizeof(Directory) + entries * sizeof(Page*);
  for (size_t i = 0; i < entries;) {
    const Page* page = d->pages()[i];
    bytes += Page::BytesFor(page->capacity);
    i += size_t{1} << (d->depth - page->depth);
  }
  return bytes;
}

void SlotTable::Clear() {
  if (root_ == 0) return;
  if (!has_directory()) {
    std::free(reinterpret_cast<Page*>(root_));
  } else {
    Directory* const d = directory();
    const size_t entries = size_t{1} << d->depth;
    for (size_t i = 0; i < entries;) {
      Page* page = d->pages()[i];
      i += size_t{1} << (d->depth - page->depth);
      std::free(page);
    }
    std::free(d);
  }
  root_ = 0;
}

void SlotTable::Link(Page* page, uint64_t hash) {
  if (!has_directory()) {
    root_ = reinterpret_cast<uintptr_t>(page);
    return;
  }
  Directory* const d = directory();
  const uint32_t free_bits = d->depth - page->depth;
  const size_t first = page->depth == 0 ? 0 : (hash >> (64 - page->depth)) << free_bits;
  std::fill_n(d->pages() + first, size_t{1} << free_bits, page);
}

SlotTable::Page* SlotTable::WithCapacity(Page* page, uint64_t hash, uint32_t capacity) {
  Page* const grown = NewPage(capacity, page->depth);
  grown->count = page->count;
  std::memcpy(grown->fingerprints(), page->fingerprints(), page->count);
  std::memcpy(static_cast<void*>(grown->records()), static_cast<const void*>(page->records()),
              page->count * sizeof(Record*));
  std::free(page);
  Link(grown, hash);
  return grown;
}

bool SlotTable::MaySplit(const Page* page) const {
  if (page->count < kPageRecords) return false;
  if (!has_directory()) return true;
  const Directory* const d = directory();
  if (page->depth < d->depth) return true;
  return d->depth < kMaxDirectoryDepth && d->count >= (kRecordsPerEntry << (d->depth + 1));
}

void SlotTable::Insert(Record* record, uint64_t hash, const KeyHash& key_hash, Arrival arrival) {
  if (root_ == 0) root_ = reinterpret_cast<uintptr_t>(NewPage(kFirstCapacity, 0));
  Page* page = PageOf(hash);
  // A split may leave all records on one side: then it is asked again, one level deeper.
  while (page->count == page->capacity) {
    if (MaySplit(page)) {
      const bool doubles = has_directory() && page->depth == directory()->depth;
      Split(page, hash, key_hash);
      if (doubles && arrival == Arrival::kSorted) SplitLargePages(key_hash);
      page = PageOf(hash);
    } else {
      page = WithCapacity(page, hash, CapacityFor(page->count + 1));
    }
  }
  page->Add(record, hash);
  if (has_directory()) ++directory()->count;
}

void SlotTable::SplitLargePages(const KeyHash& key_hash) {
  const uint32_t depth = directory()->depth;
  for (size_t i = 0; i < size_t{1} << depth;) {
    Page* const page = directory()->pages()[i];
    if (page->count > kPageRecords && page->depth < depth) {
      Split(page, uint64_t{i} << (64 - depth), key_hash);  // and look at its lower half again
    } else {
      i += size_t{1} << (depth - page->depth);
    }
  }
}

void SlotTable::DoubleDirectory() {
  if (!has_directory()) {
    Page* const page = reinterpret_cast<Page*>(root_);
    Directory* const d = NewDirectory(1);
    d->count = page->count;
    d->pages()[0] = page;
    d->pages()[1] = page;
    root_ = reinterpret_cast<uintptr_t>(d) + 1;
    return;
  }
  Directory* const old = directory();
  Directory* const d = NewDirectory(old->depth + 1);
  d->count = old->count;
  for (size_t i = 0; i < size_t{1} << old->depth; ++i) {
    d->pages()[2 * i] = old->pages()[i];
    d->pages()[2 * i + 1] = old->pages()[i];
  }
  std::free(old);
  root_ = reinterpret_cast<uintptr_t>(d) + 1;
}

void SlotTable::Split(Page* page, uint64_t hash, const KeyHash& key_hash) {
  if (!has_directory() || page->depth == directory()->depth) DoubleDirectory();
  const uint32_t depth = page->depth + 1U;
  const uint64_t bit = uint64_t{1} << (64 - depth);
  uint32_t ones = 0;
  for (uint32_t i = 0; i < page->count; ++i) {
    if ((key_hash(page->records()[i]->key()) & bit) != 0) ++ones;
  }
  Page* const low = NewPage(CapacityFor(page->count - ones + 1), depth);
  Page* const high = NewPage(CapacityFor(ones + 1), depth);
  for (uint32_t i = 0; i < page->count; ++i) {
    Record* const record = page->records()[i];
    const uint64_t record_hash = key_hash(record->key());
    ((record_hash & bit) != 0 ? high : low)->Add(record, record_hash);
  }
  std::free(page);
  Link(low, hash & ~bit);
  Link(high, hash | bit);
  if (depth == directory()->depth) directory()->deepest += 2;
}

void SlotTable::Erase(Record** place, uint64_t hash, const KeyHash& key_hash) {
  Page* const page = PageOf(hash);
  const auto i = static_cast<uint32_t>(place - page->records());
  KV_CHECK(i < page->count);
  --page->count;
  page->records()[i] = page->records()[page->count];
  page->fingerprints()[i] = page->fingerprints()[page->count];
  if (has_directory()) --directory()->count;
  if (size() == 0) {
    Clear();
    return;
  }
  Shrink(page, hash, key_hash);
}

void SlotTable::Shrink(Page* page, uint64_t hash, const KeyHash& key_hash) {
  while (page->depth > 0 && MergeWithBuddy(page, hash, key_hash)) page = PageOf(hash);
  while (has_directory() && directory()->deepest == 0) HalveDirectory();
  if (page->capacity > kFirstCapacity && page->count <= page->capacity / 2) {
    const uint32_t capacity = CapacityFor(page->count + 1);
    if (capacity < page->capacity) WithCapacity(page, hash, capacity);
  }
}

bool SlotTable::MergeWithBuddy(Page* page, uint64_t hash, const KeyHash& key_hash) {
  const uint64_t bit = uint64_t{1} << (64 - page->depth);
  Page* const buddy = PageOf(hash ^ bit);
  if (buddy->depth != page->depth || page->count + buddy->count > kMergeRecords) return false;
  if (page->depth == directory()->depth) directory()->deepest -= 2;
  Page* const merged = NewPage(CapacityFor(page->count + buddy->count + 1), page->depth - 1U);
  for (const Page* from : {page, buddy}) {
    for (uint32_t i = 0; i < from->count; ++i) {
      merged->Add(from->records()[i], key_hash(from->records()[i]->key()));
    }
  }
  std::free(page);
  std::free(buddy);
  Link(merged, hash);
  return true;
}

// No page is as deep as the directory: every second entry repeats the one before.
void SlotTable::HalveDirectory() {
  Directory* const old = directory();
  if (old->depth == 1) {
    root_ = reinterpret_cast<uintptr_t>(old->pages()[0]);
    std::free(old);
    return;
  }
  Directory* const d = NewDirectory(old->depth - 1);
  d->count = old->count;
  for (size_t i = 0; i < size_t{1} << d->depth; ++i) {
    d->pages()[i] = old->pages()[2 * i];
    if (d->pages()[i]->depth == d->depth) ++d->deepest;
  }
  std::free(old);
  root_ = reinterpret_cast<uintptr_t>(d) + 1;
}

}  // namespace kvorum::store
