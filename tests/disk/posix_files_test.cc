// SPDX-License-Identifier: Apache-2.0
//
// The real file system, in a temporary directory: the same behaviour as the one in memory.
#include "disk/posix_files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "disk/acquaintances.h"
#include "disk/identity.h"
#include "tests/disk/log_model.h"

namespace kvorum::disk {
namespace {

// Both implementations pass the same tests.
struct FilesTest : testing::TestWithParam<bool> {
  FilesTest() {
    if (!GetParam()) {
      files = std::make_unique<MemoryFiles>();
      return;
    }
    root = testing::TempDir() + "kvorum-disk-XXXXXX";
    EXPECT_NE(::mkdtemp(root.data()), nullptr);
    files = std::make_unique<PosixFiles>(root);
  }
  ~FilesTest() override {
    if (!root.empty()) std::filesystem::remove_all(root);
  }
  std::string root;
  std::unique_ptr<Files> files;
};

TEST_P(FilesTest, WritesReadsAndNames) {
  ASSERT_TRUE(files->MakeDir("a/b").ok());
  ASSERT_TRUE(files->MakeDir("a/b").ok());
  EXPECT_EQ(files->Open("a/b/x", OpenMode::kReadWrite).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(files->List("a/c").status().code(), StatusCode::kNotFound);
  {
    auto file = files->Open("a/b/x", OpenMode::kCreate).value();
    std::vector<std::string> texts;
    for (int i = 0; i < 3000; ++i) texts.push_back(std::to_string(i) + (i % 7 == 0 ? "" : ","));
    std::vector<std::string_view> pieces(1500);  // empty ones, more than one system call takes
    for (const std::string& text : texts) pieces.push_back(text);
    ASSERT_TRUE(file->WriteAt(5, pieces).ok());
    ASSERT_TRUE(file->SyncData().ok());
    std::string expected(5, '\0');
    for (const std::string& text : texts) expected += text;
    EXPECT_EQ(file->Size().value(), expected.size());
    EXPECT_EQ(ReadWhole(*files, "a/b/x").value(), expected);
    std::string tail;
    EXPECT_EQ(file->ReadAt(expected.size() - 3, 10, tail).value(), 3u);
    EXPECT_EQ(file->ReadAt(expected.size(), 10, tail).value(), 0u);
    EXPECT_EQ(ReadExactly(*file, expected.size() - 3, 4, tail).code(), StatusCode::kCorrupt);
    ASSERT_TRUE(file->Truncate(3).ok());
    EXPECT_EQ(file->Size().value(), 3u);
  }
  ASSERT_TRUE(ReplaceFile(*files, "a/b", "z", "new").ok());
  ASSERT_TRUE(files->Rename("a/b/x", "a/b/y").ok());
  EXPECT_EQ(files->Rename("a/b/x", "a/b/y").code(), StatusCode::kNotFound);
  EXPECT_EQ(files->List("a/b").value(), (std::vector<std::string>{"y", "z"}));
  EXPECT_TRUE(files->Exists("a/b/y").value());
  ASSERT_TRUE(files->Remove("a/b/y").ok());
  EXPECT_EQ(files->Remove("a/b/y").code(), StatusCode::kNotFound);
  EXPECT_FALSE(files->Exists("a/b/y").value());
  EXPECT_TRUE(files->SyncDir("a/b").ok());
  EXPECT_GT(files->FreeBytes("a").value(), 0u);
}

TEST_P(FilesTest, LocksExclude) {
  {
    const auto first = LockDirectory(*files, "data");
    ASSERT_TRUE(first.ok()) << first.status().message();
    EXPECT_EQ(LockDirectory(*files, "data").status().code(), StatusCode::kBusy);
  }
  EXPECT_TRUE(LockDirectory(*files, "data").ok());
}

TEST_P(FilesTest, IdentityIsWrittenOnceAndThenCompared) {
  EXPECT_FALSE(ReadIdentity(*files, "data").value().has_value());
  const Identity us{0xABCDEF, NodeId(2), 77};
  ASSERT_TRUE(EnsureIdentity(*files, "data", us).ok());
  EXPECT_TRUE(EnsureIdentity(*files, "data", us).ok());
  EXPECT_EQ(ReadIdentity(*files, "data").value(), us);
  // What was drawn at the first start stays.
  EXPECT_EQ(EnsureIdentity(*files, "data", {0xABCDEF, NodeId(2), 78}).value(), us);
  const Status other = EnsureIdentity(*files, "data", {0xABCDEF, NodeId(3)}).status();
  EXPECT_EQ(other.code(), StatusCode::kInvalid);
  EXPECT_NE(other.message().find("belongs to node 2"), std::string::npos) << other.message();
  EXPECT_EQ(EnsureIdentity(*files, "data", {1, NodeId(2)}).status().code(), StatusCode::kInvalid);
  auto file = files->Open("data/identity", OpenMode::kReadWrite).value();
  ASSERT_TRUE(file->Write(13, "X").ok());
  EXPECT_EQ(EnsureIdentity(*files, "data", us).status().code(), StatusCode::kCorrupt);
}

TEST_P(FilesTest, AnIdWithAnotherDiskIsAnotherNode) {
  using Meeting = Acquaintances::Meeting;
  ASSERT_TRUE(files->MakeDir("data").ok());
  {
    Acquaintances met = Acquaintances::Open(*files, "data", 10).value();
    EXPECT_EQ(met.KnownAs(NodeId(2)), 0U);
    EXPECT_EQ(met.Meet(NodeId(2), 20, 0).value(), Meeting::kWelcome);
    EXPECT_EQ(met.Meet(NodeId(3), 30, 10).value(), Meeting::kWelcome);
  }
  Acquaintances met = Acquaintances::Open(*files, "data", 10).value();
  EXPECT_EQ(met.KnownAs(NodeId(2)), 20U);
  EXPECT_EQ(met.Meet(NodeId(2), 20, 10).value(), Meeting::kWelcome);
  EXPECT_EQ(met.Meet(NodeId(2), 21, 0).value(), Meeting::kAnotherDisk);
  EXPECT_EQ(met.KnownAs(NodeId(2)), 20U);
  EXPECT_EQ(met.Meet(NodeId(3), 30, 11).value(), Meeting::kForgotten);
  EXPECT_EQ(met.Meet(NodeId(4), 40, 11).value(), Meeting::kForgotten);
  EXPECT_EQ(met.KnownAs(NodeId(4)), 0U);
  auto file = files->Open("data/peers", OpenMode::kReadWrite).value();
  ASSERT_TRUE(file->Write(14, "X").ok());
  EXPECT_EQ(Acquaintances::Open(*files, "data", 10).status().code(), StatusCode::kCorrupt);
}

TEST_P(FilesTest, ALogLivesOnIt) {
  const WalOptions options = TestOptions();
  LogModel model;
  for (int start = 0; start < 4; ++start) {
    Recovered found;
    Result<std::unique_ptr<Wal>> wal = Wal::Open(*files, "data/log", options, &found);
    ASSERT_TRUE(wal.ok()) << wal.status().message();
    EXPECT_EQ(ModelOf(found), model);
    EXPECT_FALSE(found.shorter_than_witness);
    ASSERT_TRUE(wal.value()->TendSpares().ok());
    for (int i = 0; i < 20; ++i) {
      std::vector<raft::Save> saves{SaveOf(
          {MakeEntry(model.last_index() + 1, 1, std::string(static_cast<size_t>(i) * 130, 'p'))})};
      model.Apply(saves[0]);
      ASSERT_TRUE(wal.value()->Append(saves).ok());
      ASSERT_TRUE(wal.value()->Sync().ok());
    }
    model.Compact(MetaAt(model.last_index() - 5, 1));
    ASSERT_TRUE(wal.value()->Compact(model.base).ok());
  }
  if (root.empty()) return;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    struct stat info = {};
    ASSERT_EQ(::stat(entry.path().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777u, entry.is_directory() ? 0700u : 0600u) << entry.path();
  }
}

INSTANTIATE_TEST_SUITE_P(MemoryAndPosix, FilesTest, testing::Bool(), [](const auto& which) {
  return std::string(which.param ? "Posix" : "Memory");
});

}  // namespace
}  // namespace kvorum::disk
