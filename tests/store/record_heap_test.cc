// SPDX-License-Identifier: Apache-2.0
#include "store/record_heap.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "base/rng.h"

namespace kvorum::store {
namespace {

constexpr size_t kSlab = size_t{256} << 10;

struct Block {
  char* place;
  size_t bytes;
  char fill;

  [[nodiscard]] bool Untouched() const {
    return std::string(place, bytes) == std::string(bytes, fill);
  }
};

TEST(RecordHeap, BlocksAreAlignedAndDoNotTouch) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    Rng rng(seed);
    RecordHeap heap;
    std::vector<Block> blocks;
    for (int step = 0; step < 20000; ++step) {
      // Waves, so that slabs are filled, emptied, given back and made again.
      const bool grow = (step / 4000) % 2 == 0;
      if (blocks.empty() || rng.OneIn(grow ? 3 : 1, 4)) {
        const size_t bytes = rng.Below(seed % 2 == 0 ? 100 : 2 * RecordHeap::kMostSlabBytes);
        auto* const place = static_cast<char*>(heap.Allocate(bytes));
        ASSERT_EQ(reinterpret_cast<uintptr_t>(place) % 8, 0U);
        blocks.push_back({place, bytes, static_cast<char>(rng.Below(256))});
        std::memset(place, blocks.back().fill, bytes);
        continue;
      }
      std::swap(blocks[rng.Below(blocks.size())], blocks.back());
      Block& block = blocks.back();
      ASSERT_TRUE(block.Untouched());
      if (rng.OneIn(1, 4)) {
        const size_t bytes = block.bytes + rng.Below(600);
        block.place = static_cast<char*>(heap.Resize(block.place, block.bytes, bytes));
        ASSERT_TRUE(block.Untouched()) << "the old bytes move along";
        block.bytes = bytes;
        std::memset(block.place, block.fill, bytes);
        continue;
      }
      heap.Free(block.place, block.bytes);
      blocks.pop_back();
    }
    for (const Block& block : blocks) {
      ASSERT_TRUE(block.Untouched());
      heap.Free(block.place, block.bytes);
    }
  }
}

TEST(RecordHeap, SizesDifferByEightBytes) {
  RecordHeap heap;
  std::vector<void*> blocks;
  while (heap.SlabBytes() < 4 * kSlab) blocks.push_back(heap.Allocate(81));
  EXPECT_EQ(blocks.size(), 3 * ((kSlab - 48) / 88) + 1) << "and a slab's own takes 48";
  for (void* block : blocks) heap.Free(block, 81);
}

TEST(RecordHeap, EmptySlabsAreGivenBackButOne) {
  RecordHeap heap;
  std::vector<void*> blocks;
  for (int i = 0; i < 20000; ++i) blocks.push_back(heap.Allocate(64));
  const size_t full = heap.SlabBytes();
  // Every second one: all slabs are half full, none is empty, and what comes next finds room.
  for (size_t i = 0; i < blocks.size(); i += 2) heap.Free(blocks[i], 64);
  EXPECT_EQ(heap.SlabBytes(), full);
  for (size_t i = 0; i < blocks.size(); i += 2) blocks[i] = heap.Allocate(64);
  EXPECT_EQ(heap.SlabBytes(), full);
  for (void* block : blocks) heap.Free(block, 64);
  EXPECT_EQ(heap.SlabBytes(), kSlab) << "one stays: the next key need not make it anew";
}

// In any order, and so that chunks are made, emptied and made again.
TEST(RecordHeap, ALargeHeapTakesItsSlabsFromChunks) {
  constexpr size_t kBytes = 512;
  constexpr size_t kLarge = RecordHeap::kChunksFromBytes + 24 * kSlab;
  Rng rng(1);
  RecordHeap heap;
  std::vector<void*> blocks;
  for (int wave = 0; wave < 2; ++wave) {
    if (wave == 1) heap.WantHugePages();  // some chunks are there, others are made
    while (heap.SlabBytes() < kLarge) {
      blocks.push_back(heap.Allocate(kBytes));
      std::memset(blocks.back(), 'x', kBytes);
    }
    for (size_t i = blocks.size() - 1; i > 0; --i) std::swap(blocks[i], blocks[rng.Below(i + 1)]);
    const size_t kept = wave == 0 ? blocks.size() / 8 : 0;
    while (blocks.size() > kept) {
      heap.Free(blocks.back(), kBytes);
      blocks.pop_back();
    }
  }
  EXPECT_EQ(heap.SlabBytes(), kSlab);
  // The first slabs of each size go last: those that are left stand in chunks.
  while (heap.SlabBytes() < kLarge) blocks.push_back(heap.Allocate(kBytes));
  while (heap.SlabBytes() > 2 * kSlab) {
    heap.Free(blocks.front(), kBytes);
    std::swap(blocks.front(), blocks.back());
    blocks.pop_back();
  }
  for (void* block : blocks) heap.Free(block, kBytes);
}

TEST(RecordHeapDeathTest, LeakedBlock) {
  EXPECT_DEATH(
      {
        RecordHeap heap;
        (void)heap.Allocate(10);
      },
      "blocks_");
}

}  // namespace
}  // namespace kvorum::store
