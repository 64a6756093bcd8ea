// SPDX-License-Identifier: Apache-2.0
#include "tests/chaos/scenario.h"

#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "tests/chaos/aftermath.h"
#include "tests/chaos/history_file.h"

namespace kvorum::chaos {
namespace {

constexpr uint64_t kSeed = 20'240'607;

std::string Whole(const std::string& path) {
  std::ostringstream out;
  out << std::ifstream(path, std::ios::binary).rdbuf();
  return std::move(out).str();
}

}  // namespace

void Scenario::Start(int nodes, const std::vector<std::string>& arguments,
                     const std::function<void()>& arrange) {
  arena_ = std::make_unique<Arena>(nodes, "", kSeed, arguments);
  arrange();
  arena_->LaunchAll();
  ASSERT_TRUE(arena_->WaitUntilServing()) << "the nodes do not start";
}

void Scenario::TearDown() {
  load_.reset();
  arena_.reset();
}

void Scenario::Wait(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

void Scenario::BeginLoad(int clients, int pause_ms) {
  LoadShape shape;
  shape.clients = clients;
  shape.pause_ms = pause_ms;
  shape.prefix = "s";
  load_ = std::make_unique<Load>(arena_->cluster(), recorder_, shape, kSeed);
}

void Scenario::StopLoad() { load_->Stop(); }

void Scenario::Progress(uint64_t writes) {
  const uint64_t target = recorder_.acknowledged() + writes;
  ASSERT_TRUE(e2e::WaitFor([&] { return recorder_.acknowledged() >= target; }))
      << "writes have stopped";
}

void Scenario::Finish() {
  for (const std::string& finding : arena_->Supervise()) ADD_FAILURE() << finding;
  for (const int node : arena_->Nodes()) arena_->ExpectDiskFailure(node, false);
  arena_->HealAll();
  ASSERT_TRUE(arena_->WaitUntilServing()) << "healed, and writes do not work";
  if (load_ != nullptr) {
    load_->Stop();
    const Findings unread = ReadFinally(*arena_, recorder_, load_->Keys(), kSeed);
    EXPECT_TRUE(unread.empty()) << unread.front();
  }
  for (const std::string& wrong : recorder_.wrong()) ADD_FAILURE() << wrong;
  const check::History history = recorder_.Take();
  const std::string why = CheckHistory(history);
  EXPECT_EQ(why, "") << WriteHistory(arena_->cluster().Folder() + "/history.txt", history);
  std::map<std::string, std::string> state;
  for (const std::string& finding : CompareStates(*arena_, &state)) ADD_FAILURE() << finding;
  for (const std::string& finding : arena_->Supervise()) ADD_FAILURE() << finding;
}

void Scenario::ExpectRefusedStart(int node, const std::string& words) {
  arena_->Launch(node);
  std::optional<int> status;
  ASSERT_TRUE(e2e::WaitFor([&] { return (status = arena_->cluster().Ended(node)).has_value(); }))
      << "node " << node << " was to refuse its start";
  EXPECT_TRUE(WIFEXITED(*status) && WEXITSTATUS(*status) == 1) << "wait status " << *status;
  EXPECT_NE(LogOf(node).find(words), std::string::npos) << LogOf(node);
}

std::vector<int> Scenario::Others(int node) const {
  std::vector<int> nodes = arena_->Nodes();
  std::erase(nodes, node);
  return nodes;
}

void Scenario::KillLeader() {
  const int leader = Leader();
  arena_->Kill({leader});
  LeaderBesides(leader);
  arena_->Launch(leader);
}

int Scenario::LeaderBesides(int node) {
  int leader = 0;
  EXPECT_TRUE(e2e::WaitFor([&] {
    for (const int other : Others(node)) {
      if (!arena_->cluster().Running(other) || arena_->Stopped(other)) continue;
      if (arena_->Field(other, "role") == "leader" && arena_->Field(other, "serves") == "1") {
        leader = other;
        return true;
      }
    }
    return false;
  })) << "no other leader";
  return leader;
}

uint64_t Scenario::Number(int node, const std::string& field) const {
  const std::string text = arena_->Field(node, field);
  return text.empty() ? 0 : std::stoull(text);
}

std::string Scenario::Ask(int node, const Argv& argv) const {
  return arena_->cluster().Ask(arena_->cluster().Port(node), argv);
}

std::string Scenario::AskProxy(int node, const Argv& argv) const {
  return arena_->cluster().Ask(arena_->cluster().ProxyPort(node), argv);
}

std::string Scenario::LogOf(int node) const { return Whole(arena_->cluster().LogOf(node)); }

void FlipBit(const std::string& path, uint64_t offset) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(static_cast<std::streamoff>(offset));
  const auto byte = static_cast<char>(file.get() ^ 0x10);
  file.seekp(static_cast<std::streamoff>(offset));
  file.put(byte);
}

void Shorten(const std::string& path, uint64_t bytes) {
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - bytes);
}

std::vector<std::string> FilesOf(const std::string& folder, const std::string& prefix) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().filename().string().starts_with(prefix)) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

uint64_t LastByte(const std::string& path) {
  const std::string bytes = Whole(path);
  const size_t last = bytes.find_last_not_of('\0');
  return last == std::string::npos ? 0 : last;
}

}  // namespace kvorum::chaos
