// SPDX-License-Identifier: Apache-2.0
#include "store/record_heap.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "base/check.h"

// Whoever builds with ASan has it; without ASan it does nothing.
#if __has_include(<sanitizer/asan_interface.h>)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(place, bytes) (static_cast<void>(place), static_cast<void>(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(place, bytes) ASAN_POISON_MEMORY_REGION(place, bytes)
#endif

namespace kvorum::store {

namespace {

constexpr size_t kSlabBytes = size_t{256} << 10;
constexpr size_t kChunkBytes = size_t{2} << 20;
constexpr size_t kChunkSlabs = kChunkBytes / kSlabBytes;

void* AlignedOrEnd(size_t bytes) {
  void* const place = std::aligned_alloc(bytes, bytes);
  KV_CHECK_MSG(place != nullptr, "out of memory");
  return place;
}

// Refused or not granted, it is memory all the same.
void AskForHugePage(void* chunk) { (void)madvise(chunk, kChunkBytes, MADV_HUGEPAGE); }

}  // namespace

struct RecordHeap::Slab {
  Slab* next = nullptr;  // among those with room
  Slab* previous = nullptr;
  void* freed = nullptr;  // each links to the one that was freed before it
  uint32_t used = 0;      // blocks
  uint32_t untouched = sizeof(Slab);
  Slab* chunk = nullptr;  // the first slab of its chunk; none: it stands alone
  // Of that first slab: how many of the chunk are in use, and where the heap has it.
  uint32_t chunk_used = 0;
  uint32_t chunk_at = 0;

  static Slab* Make(void* place, Slab* chunk) {
    auto* const slab = new (place) Slab();
    slab->chunk = chunk;
    ASAN_POISON_MEMORY_REGION(slab + 1, kSlabBytes - sizeof(Slab));
    return slab;
  }
  static Slab* Of(void* block) {
    return reinterpret_cast<Slab*>(reinterpret_cast<uintptr_t>(block) & ~(kSlabBytes - 1));
  }
  [[nodiscard]] bool HasRoom(size_t bytes) const {
    return freed != nullptr || untouched + bytes <= kSlabBytes;
  }

  // Under ASan nobody may touch what is not given out.
  void* Take(size_t bytes) {
    ++used;
    if (freed == nullptr) {
      void* const block = reinterpret_cast<char*>(this) + untouched;
      untouched += static_cast<uint32_t>(bytes);
      ASAN_UNPOISON_MEMORY_REGION(block, bytes);
      return block;
    }
    void* const block = freed;
    ASAN_UNPOISON_MEMORY_REGION(block, bytes);
    std::memcpy(static_cast<void*>(&freed), block, sizeof(freed));
    return block;
  }

  void GiveBack(void* block, size_t bytes) {
    std::memcpy(block, static_cast<const void*>(&freed), sizeof(freed));
    ASAN_POISON_MEMORY_REGION(block, bytes);
    freed = block;
    --used;
  }
};

RecordHeap::~RecordHeap() {
  KV_CHECK(blocks_ == 0);
  for (size_t size = 1; size < with_room_.size(); ++size) {
    Slab* const slab = with_room_[size];
    if (slab == nullptr) continue;
    KV_CHECK(slab->next == nullptr);
    Release(slab);
  }
  if (unused_ > 0) FreeChunk(with_room_[kUnused]->chunk);
  KV_CHECK(unused_ == 0 && slabs_ == 0);
}

RecordHeap::Slab* RecordHeap::NewSlab(size_t size) {
  Slab* slab = nullptr;
  if (unused_ == 0 && SlabBytes() < kChunksFromBytes) {
    slab = Slab::Make(AlignedOrEnd(kSlabBytes), nullptr);
  } else {
    if (unused_ == 0) AddChunk();
    slab = with_room_[kUnused];
    Unlink(slab, kUnused);
    --unused_;
    ++slab->chunk->chunk_used;
  }
  ++slabs_;
  Link(slab, size);
  return slab;
}

void RecordHeap::Release(Slab* slab) {
  --slabs_;
  if (slab->chunk == nullptr) {
    ASAN_UNPOISON_MEMORY_REGION(slab, kSlabBytes);
    std::free(slab);
    return;
  }
  slab->freed = nullptr;
  slab->untouched = sizeof(Slab);
  Link(slab, kUnused);
  ++unused_;
  // The last chunk with unused slabs stays, or a heap at its edge would go back and forth.
  if (--slab->chunk->chunk_used == 0 && unused_ > kChunkSlabs) FreeChunk(slab->chunk);
}

void RecordHeap::AddChunk() {
  char* const place = static_cast<char*>(AlignedOrEnd(kChunkBytes));
  auto* const chunk = reinterpret_cast<Slab*>(place);
  for (size_t at = 0; at < kChunkBytes; at += kSlabBytes) {
    Link(Slab::Make(place + at, chunk), kUnused);
  }
  unused_ += kChunkSlabs;
  chunk->chunk_at = static_cast<uint32_t>(chunks_.size());
  chunks_.push_back(chunk);
  if (want_huge_pages_) AskForHugePage(chunk);
}

void RecordHeap::WantHugePages() {
  want_huge_pages_ = true;
  for (Slab* const chunk : chunks_) AskForHugePage(chunk);
}

// None of its slabs is in use.
void RecordHeap::FreeChunk(Slab* chunk) {
  for (size_t at = 0; at < kChunkBytes; at += kSlabBytes) {
    Unlink(reinterpret_cast<Slab*>(reinterpret_cast<char*>(chunk) + at), kUnused);
  }
  unused_ -= kChunkSlabs;
  chunks_.back()->chunk_at = chunk->chunk_at;
  chunks_[chunk->chunk_at] = chunks_.back();
  chunks_.pop_back();
  ASAN_UNPOISON_MEMORY_REGION(chunk, kChunkBytes);
  std::free(chunk);
}

void RecordHeap::Link(Slab* slab, size_t size) {
  slab->previous = nullptr;
  slab->next = with_room_[size];
  if (slab->next != nullptr) slab->next->previous = slab;
  with_room_[size] = slab;
}

void RecordHeap::Unlink(Slab* slab, size_t size) {
  (slab->previous != nullptr ? slab->previous->next : with_room_[size]) = slab->next;
  if (slab->next != nullptr) slab->next->previous = slab->previous;
}

void* RecordHeap::Allocate(size_t bytes) {
  ++blocks_;
  if (bytes > kMostSlabBytes) {
    void* const place = std::malloc(bytes);
    KV_CHECK_MSG(place != nullptr, "out of memory");
    return place;
  }
  const size_t size = SizeOf(bytes);
  Slab* const slab = with_room_[size] != nullptr ? with_room_[size] : NewSlab(size);
  void* const block = slab->Take(size * kStep);
  if (!slab->HasRoom(size * kStep)) Unlink(slab, size);
  return block;
}

void RecordHeap::Free(void* place, size_t bytes) {
  --blocks_;
  if (bytes > kMostSlabBytes) {
    std::free(place);
    return;
  }
  const size_t size = SizeOf(bytes);
  Slab* const slab = Slab::Of(place);
  if (!slab->HasRoom(size * kStep)) Link(slab, size);
  slab->GiveBack(place, size * kStep);
  const bool alone = slab->previous == nullptr && slab->next == nullptr;
  if (slab->used > 0 || alone) return;
  Unlink(slab, size);
  Release(slab);
}

void* RecordHeap::Resize(void* place, size_t bytes, size_t new_bytes) {
  if (bytes > kMostSlabBytes && new_bytes > kMostSlabBytes) {
    void* const resized = std::realloc(place, new_bytes);
    KV_CHECK_MSG(resized != nullptr, "out of memory");
    return resized;
  }
  void* const resized = Allocate(new_bytes);
  std::memcpy(resized, place, std::min(bytes, new_bytes));
  Free(place, bytes);
  return resized;
}

size_t RecordHeap::SlabBytes() const { return slabs_ * kSlabBytes; }

}  // namespace kvorum::store
