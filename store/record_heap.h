// SPDX-License-Identifier: Apache-2.0
//
// Where the records of a keyspace live. A general allocator knows 80 and 96 bytes and nothing
// between; a record of 88 bytes would waste a tenth. Here sizes differ by eight bytes.
//
// After Bonwick, "The Slab Allocator" (1994): blocks of one size fill slabs of 256 KiB, aligned so
// that a block's address tells its slab; those of a size that have room are in a list. A slab whose
// last block goes is given back, unless it is the only one of its size with room. What is larger
// than kMostSlabBytes is the general allocator's.
//
// A large heap takes its slabs from chunks of 2 MiB, and may ask for huge pages there: a record
// found by its hash is a miss of the processor's address cache, too, and a walk of page tables (of
// the host's as well on a virtual machine) costs as much as the record. A small heap would only be
// made larger by them: each size of record has a slab, however few there are.
//
//   slab | size, blocks in use, ... | block | block | freed, links | ... | never used yet |
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvorum::store {

// One thread at a time; may be handed over with all its blocks, as a loaded snapshot is.
class RecordHeap {
 public:
  static constexpr size_t kMostSlabBytes = 512;

  RecordHeap() = default;
  RecordHeap(const RecordHeap&) = delete;
  RecordHeap& operator=(const RecordHeap&) = delete;
  // Every block was given back.
  ~RecordHeap();

  // Aligned to eight bytes. Never null: without memory the process ends.
  void* Allocate(size_t bytes);
  // `bytes`: what was asked for.
  void Free(void* place, size_t bytes);
  // Like realloc.
  void* Resize(void* place, size_t bytes, size_t new_bytes);

  // From here on it asks for huge pages, and where chunks are already, too: there the system makes
  // them in its own time. Not while a snapshot is loaded, which wants its memory at once: a virtual
  // machine may have to ask its host for each that is whole (docs/decisions/0001-keyspace.md).
  void WantHugePages();

  // Room of slabs that hold or have just held blocks.
  [[nodiscard]] size_t SlabBytes() const;
  // The heap is large from here on.
  static constexpr size_t kChunksFromBytes = size_t{64} << 20;

 private:
  struct Slab;

  static constexpr size_t kStep = 8;
  static constexpr size_t kSizes = kMostSlabBytes / kStep + 1;

  // Sizes are counted in steps. A block of none has one, too: it has an address of its own.
  static constexpr size_t SizeOf(size_t bytes) {
    return bytes == 0 ? 1 : (bytes + kStep - 1) / kStep;
  }
  // In place of a size: slabs of chunks that have none.
  static constexpr size_t kUnused = 0;

  Slab* NewSlab(size_t size);
  void Release(Slab* slab);
  void AddChunk();
  void FreeChunk(Slab* chunk);
  void Link(Slab* slab, size_t size);
  void Unlink(Slab* slab, size_t size);

  std::array<Slab*, kSizes> with_room_{};
  size_t slabs_ = 0;           // not the unused ones
  size_t unused_ = 0;          // slabs
  std::vector<Slab*> chunks_;  // by their first slabs
  bool want_huge_pages_ = false;
  size_t blocks_ = 0;  // given out, large ones included
};

}  // namespace kvorum::store
