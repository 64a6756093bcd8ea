// SPDX-License-Identifier: Apache-2.0
//
// Scenarios 53, 54, 56, 59, 61, 71: snapshot files.
#include "disk/snapshot_store.h"

#include <gtest/gtest.h>

#include "base/coding.h"
#include "base/crc32c.h"
#include "disk/limits.h"
#include "disk/snapshot_format.h"
#include "tests/disk/log_model.h"

namespace kvorum::disk {
namespace {

constexpr const char* kDir = "snapshots";

std::string ContentOf(uint64_t seed, size_t size) {
  Rng rng(seed);
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(rng.Next());
  return bytes;
}

std::unique_ptr<SnapshotStore> MustOpen(MemoryFiles& files) {
  Result<std::unique_ptr<SnapshotStore>> store = SnapshotStore::Open(files, kDir, kTestCluster);
  EXPECT_TRUE(store.ok()) << store.status().message();
  return store.ok() ? std::move(store).value() : nullptr;
}

Status WriteSnapshot(SnapshotStore& store, const raft::SnapshotMeta& meta, std::string_view bytes) {
  Result<std::unique_ptr<SnapshotWriter>> writer = store.Create(meta);
  if (!writer.ok()) return writer.status();
  while (!bytes.empty()) {
    const size_t n = std::min<size_t>(bytes.size(), 100000);
    if (Status s = writer.value()->Add(bytes.substr(0, n)); !s.ok()) return s;
    bytes.remove_prefix(n);
  }
  return writer.value()->Finish();
}

Result<std::string> ReadSnapshot(SnapshotStore& store, const raft::SnapshotMeta& meta) {
  Result<std::unique_ptr<SnapshotReader>> reader = store.Read(meta);
  if (!reader.ok()) return reader.status();
  std::string all;
  std::string chunk;
  while (true) {
    Result<bool> more = reader.value()->Next(chunk);
    if (!more.ok()) return more.status();
    if (!more.value()) return all;
    all += chunk;
  }
}

std::string PathOf(const raft::SnapshotMeta& meta) { return JoinPath(kDir, SnapshotName(meta)); }

TEST(SnapshotStore, RoundTripOfEveryShape) {
  MemoryFiles files;
  auto store = MustOpen(files);
  EXPECT_FALSE(store->Latest().has_value());
  uint64_t index = 1;
  for (const size_t size : {size_t{0}, size_t{1}, size_t{kSnapshotChunkBytes},
                            size_t{kSnapshotChunkBytes} + 1, size_t{3} * kSnapshotChunkBytes - 1}) {
    const std::string content = ContentOf(size, size);
    const raft::SnapshotMeta meta = MetaAt(index++, 2);
    ASSERT_TRUE(WriteSnapshot(*store, meta, content).ok());
    EXPECT_EQ(store->Latest(), meta);
    Result<std::string> read = ReadSnapshot(*store, meta);
    ASSERT_TRUE(read.ok()) << read.status().message();
    EXPECT_EQ(read.value(), content);
  }
  ASSERT_TRUE(store->Prune().ok());
  EXPECT_EQ(store->List(), (std::vector{MetaAt(5, 2), MetaAt(4, 2)}));
  EXPECT_EQ(files.List(kDir).value().size(), 2u);
  EXPECT_EQ(MustOpen(files)->List(), store->List());
  EXPECT_EQ(store->bytes(), files.UsedBytes());
}

TEST(SnapshotStore, WhatRepeatsIsPacked) {
  MemoryFiles files;
  auto store = MustOpen(files);
  std::string content;
  while (content.size() < 3 * kSnapshotChunkBytes)
    content += "session:" + ContentOf(content.size(), 1);
  ASSERT_TRUE(WriteSnapshot(*store, MetaAt(1, 1), content).ok());
  EXPECT_LT(store->bytes(), content.size() / 2);
  EXPECT_EQ(ReadSnapshot(*store, MetaAt(1, 1)).value(), content);
  const std::string noise = ContentOf(7, 2 * kSnapshotChunkBytes);
  ASSERT_TRUE(WriteSnapshot(*store, MetaAt(2, 1), noise).ok());
  EXPECT_GT(files.Contents(PathOf(MetaAt(2, 1))).size(), noise.size());
  EXPECT_LT(files.Contents(PathOf(MetaAt(2, 1))).size(), noise.size() + 200);
}

TEST(SnapshotStore, FilesOfVersion2AreRead) {
  MemoryFiles files;
  auto store = MustOpen(files);
  const std::string noise = ContentOf(3, 300000);  // nothing to pack: as version 2 wrote it
  ASSERT_TRUE(WriteSnapshot(*store, MetaAt(2, 1), noise).ok());
  const std::string path = PathOf(MetaAt(2, 1));
  std::string header =
      files.Contents(path).substr(0, EncodeSnapshotHeader({kTestCluster, MetaAt(2, 1)}).size() - 4);
  header[8] = 2;
  PutU32(header, Crc32c(0, header));
  files.PutAt(path, 0, header);
  EXPECT_EQ(ReadSnapshot(*MustOpen(files), MetaAt(2, 1)).value(), noise);
}

TEST(SnapshotStore, APackedChunkThatIsNoneIsRefused) {
  std::string room;
  std::string content;
  const std::string text(1000, 'x');
  const WrittenChunk chunk = EncodeChunk(0, text, room);
  ASSERT_EQ(chunk.bytes.data(), room.data()) << "it is packed";
  const std::string packed(chunk.bytes);
  ASSERT_TRUE(UnpackChunk(packed, content));
  EXPECT_EQ(content, text);
  const std::string block = packed.substr(4);
  const auto with_length = [&](uint32_t length) {
    std::string bytes;
    PutU32(bytes, length);
    return bytes + block;
  };
  EXPECT_FALSE(UnpackChunk("", content));
  EXPECT_FALSE(UnpackChunk("abc", content));
  EXPECT_FALSE(UnpackChunk(with_length(0), content));
  EXPECT_FALSE(UnpackChunk(with_length(999), content));
  EXPECT_FALSE(UnpackChunk(with_length(1001), content));
  EXPECT_FALSE(UnpackChunk(with_length(kMaxSnapshotChunkBytes + 1), content));
  EXPECT_FALSE(UnpackChunk(with_length(UINT32_MAX), content));
  for (size_t cut = 0; cut < packed.size(); ++cut) {
    EXPECT_FALSE(UnpackChunk(std::string_view(packed).substr(0, cut), content)) << cut;
  }
}

// A large file is given back piece by piece; a crash in between leaves nothing that counts.
TEST(SnapshotStore, AnOldOneIsRemovedInShortSteps) {
  MemoryFiles files;
  auto store = MustOpen(files);
  const std::string noise = ContentOf(1, kSnapshotChunkBytes);
  Result<std::unique_ptr<SnapshotWriter>> writer = store->Create(MetaAt(1, 1));
  ASSERT_TRUE(writer.ok());
  for (uint64_t bytes = 0; bytes < 2 * kSnapshotRemoveBytes; bytes += noise.size()) {
    ASSERT_TRUE(writer.value()->Add(noise).ok());
  }
  ASSERT_TRUE(writer.value()->Finish().ok());
  ASSERT_TRUE(WriteSnapshot(*store, MetaAt(2, 1), "second").ok());
  EXPECT_FALSE(store->PruneSome().value()) << "two are kept";
  ASSERT_TRUE(WriteSnapshot(*store, MetaAt(3, 1), "third").ok());
  int steps = 0;
  for (bool more = true; more; ++steps) {
    const uint64_t before = files.UsedBytes();
    const Result<bool> pruned = store->PruneSome();
    ASSERT_TRUE(pruned.ok()) << pruned.status().message();
    more = pruned.value();
    EXPECT_LE(before - files.UsedBytes(), kSnapshotRemoveBytes);
    EXPECT_EQ(store->List(), (std::vector{MetaAt(3, 1), MetaAt(2, 1)}));
    MemoryFiles restarted;
    restarted.Restore(*files.Save());
    EXPECT_EQ(MustOpen(restarted)->List(), store->List());
    EXPECT_EQ(restarted.List(kDir).value().size(), 2U);
  }
  EXPECT_EQ(steps, 5) << "renamed, cut twice, removed, nothing left";
  EXPECT_EQ(files.List(kDir).value().size(), 2U);
}

TEST(SnapshotStore, Scenario53CrashAtEveryStepLeavesTheOldOrTheNewOne) {
  const std::string content = ContentOf(1, 300000);
  for (const CrashMode mode : {CrashMode::kDropUnsynced, CrashMode::kKeepUnsynced,
                               CrashMode::kRandomSectors, CrashMode::kProcess}) {
    for (uint64_t stop = 1; stop < 20; ++stop) {
      for (uint64_t seed = 1; seed <= 5; ++seed) {
        MemoryFiles files;
        ASSERT_TRUE(WriteSnapshot(*MustOpen(files), MetaAt(5, 1), "old").ok());
        files.StopAtChange(stop);
        bool finished = false;
        {
          Result<std::unique_ptr<SnapshotStore>> store =
              SnapshotStore::Open(files, kDir, kTestCluster);
          finished = store.ok() && WriteSnapshot(*store.value(), MetaAt(9, 1), content).ok();
        }
        Rng rng(seed);
        files.Crash(rng, mode);
        auto store = MustOpen(files);
        ASSERT_NE(store, nullptr);
        const raft::SnapshotMeta latest = store->Latest().value();
        ASSERT_TRUE(!finished || latest == MetaAt(9, 1));
        const Result<std::string> read = ReadSnapshot(*store, latest);
        ASSERT_TRUE(read.ok()) << read.status().message();
        EXPECT_EQ(read.value(), latest == MetaAt(9, 1) ? content : "old");
        EXPECT_EQ(store->note(), "");
        const std::vector<std::string> names = files.List(kDir).value();
        for (const std::string& name : names) {
          EXPECT_FALSE(name.ends_with(".tmp"));
        }
      }
    }
  }
}

TEST(SnapshotStore, Scenario59And71EveryFlippedByteIsFound) {
  MemoryFiles files;
  const raft::SnapshotMeta meta = MetaAt(9, 3);
  ASSERT_TRUE(WriteSnapshot(*MustOpen(files), meta, ContentOf(2, 700)).ok());
  const auto image = files.Save();
  const uint64_t size = files.UsedBytes();
  for (uint64_t offset = 0; offset < size; ++offset) {
    files.Restore(*image);
    files.Corrupt(PathOf(meta), offset, static_cast<uint8_t>(1u << (offset % 8)));
    auto store = MustOpen(files);
    const Status s = store->Verify(meta);
    ASSERT_EQ(s.code(), StatusCode::kCorrupt) << offset;
    EXPECT_NE(s.message().find("offset"), std::string::npos);
  }
  for (uint64_t cut = 0; cut < size; cut += 13) {
    files.Restore(*image);
    files.Resize(PathOf(meta), cut);
    EXPECT_EQ(MustOpen(files)->Verify(meta).code(), StatusCode::kCorrupt);
  }
}

TEST(SnapshotStore, Scenario71AnOlderOneServesOnlyWhileTheLogReachesBackToIt) {
  MemoryFiles files;
  auto store = MustOpen(files);
  ASSERT_TRUE(WriteSnapshot(*store, MetaAt(10, 1), ContentOf(1, 1000)).ok());
  ASSERT_TRUE(WriteSnapshot(*store, MetaAt(20, 1), ContentOf(2, 1000)).ok());
  std::string note;
  EXPECT_EQ(store->ChooseForRecovery(MetaAt(20, 1), &note).value(), MetaAt(20, 1));
  files.Corrupt(PathOf(MetaAt(20, 1)), 500);
  EXPECT_EQ(store->ChooseForRecovery(MetaAt(10, 1), &note).value(), MetaAt(10, 1));
  EXPECT_NE(note.find("offset"), std::string::npos);
  const auto halted = store->ChooseForRecovery(MetaAt(20, 1), &note);
  EXPECT_EQ(halted.status().code(), StatusCode::kCorrupt);
  files.Corrupt(PathOf(MetaAt(10, 1)), 500);
  EXPECT_EQ(store->ChooseForRecovery(MetaAt(10, 1), &note).status().code(), StatusCode::kCorrupt);
  EXPECT_EQ(store->ChooseForRecovery({}, &note).value(), std::nullopt) << "the log has everything";
}

// It is loaded while it is verified: what a damaged one gave is begun anew with the next.
TEST(SnapshotStore, Scenario71WhatIsChosenWasGivenToTheSink) {
  MemoryFiles files;
  auto store = MustOpen(files);
  const std::string older = ContentOf(1, 2 * kSnapshotChunkBytes + 7);
  ASSERT_TRUE(WriteSnapshot(*store, MetaAt(10, 1), older).ok());
  ASSERT_TRUE(WriteSnapshot(*store, MetaAt(20, 1), ContentOf(2, 3 * kSnapshotChunkBytes)).ok());
  std::string loaded;
  int begun = 0;
  SnapshotSink sink;
  sink.begin = [&] {
    loaded.clear();
    ++begun;
  };
  sink.chunk = [&](std::string_view chunk) {
    loaded += chunk;
    return Status::Ok();
  };
  files.Corrupt(PathOf(MetaAt(20, 1)), 2 * kSnapshotChunkBytes + 500);
  std::string note;
  EXPECT_EQ(store->ChooseForRecovery(MetaAt(10, 1), &note, sink).value(), MetaAt(10, 1));
  EXPECT_EQ(begun, 2);
  EXPECT_EQ(loaded, older);
  // What the sink itself cannot take is no damage of the file: an older one would not help.
  sink.chunk = [](std::string_view) { return Status(StatusCode::kCorrupt, "not for me"); };
  const auto refused = store->ChooseForRecovery({}, &note, sink);
  EXPECT_EQ(refused.status().message(), "not for me");
}

TEST(SnapshotStore, Scenario61FailedWritesLeaveNothingVisible) {
  for (const Operation operation :
       {Operation::kWrite, Operation::kSync, Operation::kRename, Operation::kOpen}) {
    MemoryFiles files;
    auto store = MustOpen(files);
    files.FailNth(operation, 1, FaultKind::kNoSpace);
    EXPECT_EQ(WriteSnapshot(*store, MetaAt(5, 1), "x").code(), StatusCode::kNoSpace);
    EXPECT_FALSE(store->Latest().has_value());
    EXPECT_TRUE(files.List(kDir).value().empty());
    EXPECT_TRUE(WriteSnapshot(*store, MetaAt(5, 1), "x").ok()) << "retried with space";
  }
}

TEST(SnapshotStore, Scenario56And59TransferInPieces) {
  MemoryFiles sender_files;
  auto sender = MustOpen(sender_files);
  const raft::SnapshotMeta meta = MetaAt(9, 3);
  const std::string content = ContentOf(7, 600000);
  ASSERT_TRUE(WriteSnapshot(*sender, meta, content).ok());
  const uint64_t size = sender->FileBytes(meta).value();
  const auto piece = [&](uint64_t offset) {
    std::string bytes;
    EXPECT_TRUE(sender->ReadRaw(meta, offset, 100000, bytes).ok());
    return bytes;
  };
  MemoryFiles files;
  auto store = MustOpen(files);
  auto receiver = store->Receive(meta).value();
  EXPECT_EQ(receiver->WriteRaw(100000, piece(100000)).code(), StatusCode::kInvalid) << "a gap";
  while (receiver->received() < size) {
    const uint64_t at = receiver->received();
    ASSERT_TRUE(receiver->WriteRaw(at, piece(at)).ok());
    ASSERT_TRUE(receiver->WriteRaw(at, piece(at)).ok()) << "repeated";
    ASSERT_TRUE(receiver->WriteRaw(at / 2, piece(at / 2)).ok()) << "overlapping";
  }
  ASSERT_TRUE(receiver->Finish().ok());
  EXPECT_EQ(files.Contents(PathOf(meta)), sender_files.Contents(PathOf(meta)));
  EXPECT_EQ(store->Latest(), meta);
  EXPECT_EQ(ReadSnapshot(*store, meta).value(), content);

  // Damaged, cut off, or another one than announced: refused, and nothing remains.
  for (int kind = 0; kind < 3; ++kind) {
    MemoryFiles other;
    auto target = MustOpen(other);
    auto bad = target->Receive(kind == 2 ? MetaAt(9, 4) : meta).value();
    std::string bytes = sender_files.Contents(PathOf(meta));
    if (kind == 0) bytes[300000] = static_cast<char>(bytes[300000] ^ 1);
    if (kind == 1) bytes.resize(bytes.size() - 1);
    ASSERT_TRUE(bad->WriteRaw(0, bytes).ok());
    EXPECT_EQ(bad->Finish().code(), StatusCode::kCorrupt);
    bad.reset();
    EXPECT_TRUE(other.List(kDir).value().empty());
    EXPECT_FALSE(target->Latest().has_value());
  }
}

TEST(SnapshotStore, AnotherClustersFileIsRefused) {
  MemoryFiles files;
  ASSERT_TRUE(WriteSnapshot(*MustOpen(files), MetaAt(1, 1), "x").ok());
  EXPECT_EQ(SnapshotStore::Open(files, kDir, 1).status().code(), StatusCode::kInvalid);
}

TEST(SnapshotStore, FuzzedFilesAreReadWithoutHarm) {
  MemoryFiles files;
  const raft::SnapshotMeta meta = MetaAt(9, 3);
  ASSERT_TRUE(WriteSnapshot(*MustOpen(files), meta, ContentOf(2, 2000)).ok());
  const std::string good = files.Contents(PathOf(meta));
  for (uint64_t seed = 1; seed <= 2000; ++seed) {
    Rng rng(seed);
    std::string bytes = good;
    for (uint64_t n = rng.Below(6); n > 0; --n) {
      bytes[rng.Below(bytes.size())] = static_cast<char>(rng.Next());
    }
    if (rng.OneIn(1, 3)) bytes.resize(rng.Below(bytes.size() + 1));
    files.Put(PathOf(meta), bytes);
    auto store = MustOpen(files);
    ASSERT_NE(store, nullptr);
    EXPECT_EQ(store->Verify(meta).ok(), bytes == good);
  }
}

}  // namespace
}  // namespace kvorum::disk
