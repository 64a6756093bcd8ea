// SPDX-License-Identifier: Apache-2.0
#include "tests/chaos/arena.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/check.h"

namespace kvorum::chaos {
namespace {

std::string HowItEnded(int status) {
  if (WIFSIGNALED(status)) return "signal " + std::to_string(WTERMSIG(status));
  return "exit code " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

Arena::Arena(int nodes, const std::string& server, uint64_t seed,
             const std::vector<std::string>& arguments)
    : cluster_(nodes, arguments), random_(seed), proxy_(seed ^ 0x70726F7879), last_id_(nodes) {
  if (!server.empty()) cluster_.SetServer(server);
  const std::vector<int> ports = e2e::FindFreePorts(nodes * (nodes - 1));
  size_t next = 0;
  for (int from = 1; from <= nodes; ++from) {
    MakeDisk(from);
    for (int to = 1; to <= nodes; ++to) {
      if (from == to) continue;
      proxy_.AddLink(from, to, ports[next], cluster_.PeerPort(to));
      cluster_.RoutePeer(from, to, ports[next++]);
    }
  }
}

Arena::~Arena() {
  for (const int node : Nodes()) {
    if (Stopped(node)) Continue(node);
  }
  Kill(Running());
  for (const auto& [node, control] : disks_) munmap(control, sizeof(DiskControl));
}

std::string Arena::JournalOf(int node) const {
  return cluster_.Folder() + "/journal-" + std::to_string(node);
}

void Arena::MakeDisk(int node) {
  const std::string path = cluster_.Folder() + "/disk-" + std::to_string(node);
  std::filesystem::create_directory(JournalOf(node));
  std::filesystem::create_directory(cluster_.DataOf(node));
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  KV_CHECK(fd >= 0 && ftruncate(fd, sizeof(DiskControl)) == 0);
  void* page = mmap(nullptr, sizeof(DiskControl), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  KV_CHECK(page != MAP_FAILED);
  disks_[node] = static_cast<DiskControl*>(page);
  cluster_.SetEnvironment(node, {std::string("LD_PRELOAD=") + KVORUM_CHAOS_DISK,
                                 std::string(kControlVariable) + "=" + path,
                                 std::string(kRootVariable) + "=" + cluster_.DataOf(node),
                                 std::string(kJournalVariable) + "=" + JournalOf(node)});
}

std::vector<int> Arena::Nodes() const {
  std::vector<int> nodes;
  for (int node = 1; node <= cluster_.size(); ++node) nodes.push_back(node);
  return nodes;
}

std::vector<int> Arena::Running() const {
  std::vector<int> nodes = Nodes();
  std::erase_if(nodes, [&](int node) { return !cluster_.Running(node); });
  return nodes;
}

void Arena::Launch(int node) {
  if (!cluster_.Running(node)) cluster_.Launch(node);
}

void Arena::LaunchAll() {
  for (const int node : Nodes()) Launch(node);
}

void Arena::Kill(const std::vector<int>& nodes) {
  for (const int node : nodes) {
    if (cluster_.Running(node)) cluster_.Signal(node, SIGKILL);
  }
  for (const int node : nodes) {
    if (cluster_.Running(node)) cluster_.Kill(node);
    stopped_.erase(node);
  }
}

Undone Arena::LosePower(const std::vector<int>& nodes, const PowerLoss& how) {
  Kill(nodes);
  Undone all;
  for (const int node : nodes) {
    const Undone undone = chaos::LosePower(cluster_.DataOf(node), JournalOf(node), how, random_);
    all.names += undone.names;
    all.sectors += undone.sectors;
  }
  return all;
}

void Arena::Stop(int node) {
  if (!cluster_.Running(node)) return;
  cluster_.Signal(node, SIGSTOP);
  stopped_.insert(node);
}

void Arena::Continue(int node) {
  if (cluster_.Running(node)) cluster_.Signal(node, SIGCONT);
  stopped_.erase(node);
}

std::string Arena::Terminate(int node) {
  if (!cluster_.Running(node)) return {};
  cluster_.Signal(node, SIGTERM);
  std::optional<int> status;
  const bool ended = e2e::WaitFor([&] { return (status = cluster_.Ended(node)).has_value(); });
  if (!ended) {
    Kill({node});
    return "node " + std::to_string(node) + " does not end when it is told to";
  }
  // SIGTERM itself ends a process that has not come to handling it.
  const bool clean = WIFEXITED(*status) ? WEXITSTATUS(*status) == 0 : WTERMSIG(*status) == SIGTERM;
  if (clean || Excused(node, *status)) return {};
  return "node " + std::to_string(node) + " was told to end: " + HowItEnded(*status);
}

std::string Arena::TellLeader(const std::vector<std::string>& argv) const {
  const int leader = Leader();
  return leader == 0 ? "(lost)" : cluster_.Ask(cluster_.Port(leader), argv);
}

void Arena::Reseat(int node) {
  Kill({node});
  for (const std::string& folder : {cluster_.DataOf(node), JournalOf(node)}) {
    std::filesystem::remove_all(folder);
    std::filesystem::create_directory(folder);
  }
  cluster_.Reseat(node, ++last_id_);
}

void Arena::Cut(const std::vector<int>& a, const std::vector<int>& b) {
  for (const int x : a) {
    for (const int y : b) {
      if (x == y) continue;
      CutOneWay(x, y);
      CutOneWay(y, x);
    }
  }
}

void Arena::CutOneWay(int from, int to) {
  LinkRule rule;
  rule.cut = true;
  proxy_.Set(from, to, rule);
}

void Arena::ExpectDiskFailure(int node, bool expected) {
  if (expected) {
    may_fail_.insert(node);
  } else {
    may_fail_.erase(node);
  }
}

// A disk that fails while a node starts refuses the start: exit code 1, not 3.
bool Arena::Excused(int node, int status) const {
  const bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  const bool failed = WIFEXITED(status) && WEXITSTATUS(status) != 0;
  return may_fail_.contains(node) && (killed || failed);
}

std::vector<std::string> Arena::Supervise() {
  std::vector<std::string> findings;
  for (const int node : Running()) {
    const std::optional<int> status = cluster_.Ended(node);
    if (!status.has_value()) continue;
    stopped_.erase(node);
    if (Excused(node, *status)) continue;
    findings.push_back("node " + std::to_string(node) + " has ended: " + HowItEnded(*status));
  }
  return findings;
}

void Arena::ClearDisk(int node) {
  DiskControl& control = disk(node);
  control.wall_offset_ms = 0;
  control.sync_delay_us = sync_us_;
  control.write_delay_us = 0;
  control.fail_syncs = 0;
  control.lying_syncs = 0;
  control.fail_writes = 0;
  control.fail_reads = 0;
  control.full = 0;
  control.nearly_full = 0;
  control.kill_at_call = 0;
}

void Arena::SetSyncTime(uint32_t us) {
  sync_us_ = us;
  for (const auto& [node, control] : disks_) control->sync_delay_us = us;
}

void Arena::HealAll() {
  HealLinks();
  for (const int node : Nodes()) {
    ClearDisk(node);
    if (Stopped(node)) Continue(node);
  }
  LaunchAll();
}

std::string Arena::Field(int node, const std::string& name) const {
  const e2e::ContextPtr context = e2e::Connect(cluster_.Port(node), 1000);
  if (context == nullptr) return {};
  const e2e::ReplyPtr reply = e2e::Command(context.get(), {"RAFT", "INFO"});
  if (reply == nullptr || reply->type != REDIS_REPLY_ARRAY) return {};
  for (size_t i = 0; i + 1 < reply->elements; i += 2) {
    if (name != reply->element[i]->str) continue;
    const redisReply* value = reply->element[i + 1];
    return value->type == REDIS_REPLY_INTEGER ? std::to_string(value->integer)
                                              : std::string(value->str);
  }
  return {};
}

bool Arena::WaitUntilServing(std::chrono::milliseconds patience, std::string* slow) {
  constexpr auto kSlow = std::chrono::seconds(1);
  std::vector<int> left = Nodes();
  return e2e::WaitFor(
      [&] {
        std::erase_if(left, [&](int node) {
          const auto began = std::chrono::steady_clock::now();
          const std::string answer = cluster_.Ask(cluster_.ProxyPort(node), {"SET", "probe", "1"});
          if (slow != nullptr && std::chrono::steady_clock::now() - began > kSlow) {
            *slow += " node " + std::to_string(node) + ": " + answer;
          }
          return answer == "OK";
        });
        return left.empty();
      },
      patience);
}

bool Arena::WaitUntilLevel(std::chrono::milliseconds patience) {
  return e2e::WaitFor(
      [&] {
        std::set<std::string> places;
        for (const int node : Nodes()) {
          places.insert(Field(node, "applied_index"));
          places.insert(Field(node, "commit_index"));
          places.insert(Field(node, "last_index"));
        }
        return places.size() == 1 && !places.begin()->empty();
      },
      patience);
}

bool Arena::Dump(int node, std::map<std::string, std::string>* out) const {
  const e2e::ContextPtr context = e2e::Connect(cluster_.Port(node), 5000);
  if (context == nullptr) return false;
  if (e2e::Text(e2e::Command(context.get(), {"READONLY"})) != "OK") return false;
  const e2e::ReplyPtr keys = e2e::Command(context.get(), {"KEYS", "*"});
  if (keys == nullptr || keys->type != REDIS_REPLY_ARRAY) return false;
  for (size_t i = 0; i < keys->elements; ++i) {
    const std::string key(keys->element[i]->str, keys->element[i]->len);
    const e2e::ReplyPtr value = e2e::Command(context.get(), {"GET", key});
    if (value == nullptr) return false;
    (*out)[key] = e2e::Text(value);
  }
  return true;
}

uint64_t Arena::OpenFiles(int node) const {
  uint64_t count = 0;
  const std::string path = "/proc/" + std::to_string(cluster_.Pid(node)) + "/fd";
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(path, ignored)) {
    count += entry.path().empty() ? 0 : 1;
  }
  return count;
}

uint64_t Arena::ResidentKb(int node) const {
  std::ifstream status("/proc/" + std::to_string(cluster_.Pid(node)) + "/status");
  std::string word;
  while (status >> word) {
    if (word != "VmRSS:") continue;
    uint64_t kb = 0;
    status >> kb;
    return kb;
  }
  return 0;
}

}  // namespace kvorum::chaos
