// SPDX-License-Identifier: Apache-2.0
#include "tests/e2e/test_cluster.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <set>
#include <thread>

extern char** environ;

namespace kvorum::e2e {
namespace {

using Clock = std::chrono::steady_clock;

// Ports nobody listens on, below the range that outgoing connections are taken from: a client that
// asks again and again for a dead node must not be given that very port. None is given twice in one
// process, because who was given one may not listen on it yet, or may be dead for a while.
class FreePorts {
 public:
  int Next() {
    for (;;) {
      const int port = std::uniform_int_distribution<int>(10'000, 30'000)(random_);
      if (!given_.insert(port).second) continue;
      const int fd = socket(AF_INET, SOCK_STREAM, 0);
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      address.sin_port = htons(static_cast<uint16_t>(port));
      const bool bound = bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
      close(fd);
      if (bound) return port;
    }
  }

 private:
  static inline std::set<int> given_;
  std::random_device random_;
};

int WaitForExit(pid_t pid, std::chrono::milliseconds patience) {
  int status = 0;
  const bool ended = WaitFor([&] { return waitpid(pid, &status, WNOHANG) == pid; }, patience);
  if (!ended) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

std::vector<int> FindFreePorts(int count) {
  FreePorts free;
  std::vector<int> ports;
  while (static_cast<int>(ports.size()) < count) ports.push_back(free.Next());
  return ports;
}

ContextPtr Connect(int port, int timeout_ms) {
  const timeval timeout{timeout_ms / 1000, (timeout_ms % 1000) * 1000};
  ContextPtr context(redisConnectWithTimeout("127.0.0.1", port, timeout));
  if (context == nullptr || context->err != 0) return nullptr;
  redisSetTimeout(context.get(), timeout);
  return context;
}

ReplyPtr Command(redisContext* context, const std::vector<std::string>& argv) {
  std::vector<const char*> pointers;
  std::vector<size_t> sizes;
  for (const std::string& arg : argv) {
    pointers.push_back(arg.data());
    sizes.push_back(arg.size());
  }
  return ReplyPtr(static_cast<redisReply*>(
      redisCommandArgv(context, static_cast<int>(argv.size()), pointers.data(), sizes.data())));
}

std::string Text(const ReplyPtr& reply) {
  if (reply == nullptr) return "(lost)";
  switch (reply->type) {
    case REDIS_REPLY_INTEGER:
      return std::to_string(reply->integer);
    case REDIS_REPLY_NIL:
      return "(nil)";
    case REDIS_REPLY_ERROR:
      return "-" + std::string(reply->str, static_cast<size_t>(reply->len));
    default:
      return reply->str == nullptr ? "(other)"
                                   : std::string(reply->str, static_cast<size_t>(reply->len));
  }
}

bool WaitFor(const std::function<bool()>& condition, std::chrono::milliseconds patience) {
  const Clock::time_point deadline = Clock::now() + patience;
  while (!condition()) {
    if (Clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

TestCluster::TestCluster(int nodes, std::vector<std::string> extra_arguments)
    : nodes_(nodes), extra_(std::move(extra_arguments)), server_(KVORUM_SERVER) {
  std::string pattern = (std::filesystem::temp_directory_path() / "kvorum-e2e-XXXXXX").string();
  folder_ = mkdtemp(pattern.data());
  FreePorts free;
  for (int node = 1; node <= nodes; ++node) {
    ports_[node] = {free.Next(), free.Next(), free.Next()};
  }
}

TestCluster::~TestCluster() {
  for (const auto& [node, pid] : pids_) {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
  if (keep_) return;
  if (!testing::Test::HasFailure()) {
    std::filesystem::remove_all(folder_);
    return;
  }
  for (int node = 1; node <= nodes_; ++node) {
    std::cout << "---- log of node " << node << " (data kept in " << folder_ << ")\n"
              << std::ifstream(LogOf(node)).rdbuf();
  }
}

std::string TestCluster::DataOf(int node) const {
  return folder_ + "/node-" + std::to_string(node);
}

void TestCluster::SetEnvironment(int node, std::vector<std::string> variables) {
  environment_[node] = std::move(variables);
}

void TestCluster::AddArguments(int node, const std::vector<std::string>& arguments) {
  arguments_[node].insert(arguments_[node].end(), arguments.begin(), arguments.end());
}

std::string TestCluster::ClusterNodes(int node) const {
  std::string text;
  for (const auto& [peer, ports] : ports_) {
    const auto route = routes_.find({node, peer});
    text += (text.empty() ? "" : " ") + std::to_string(peer) +
            "=127.0.0.1:" + std::to_string(ports.client) + "@" +
            std::to_string(route == routes_.end() ? ports.peer : route->second);
  }
  return text;
}

int TestCluster::IdOf(int node) const {
  const auto found = ids_.find(node);
  return found == ids_.end() ? node : found->second;
}

// Who joins names itself alone, and asks whoever runs.
std::vector<std::string> TestCluster::Membership(int node) const {
  if (!ids_.contains(node)) return {"--cluster-nodes", ClusterNodes(node)};
  std::vector<std::string> arguments = {
      "--cluster-nodes", std::to_string(IdOf(node)) + "=127.0.0.1:" + std::to_string(Port(node)) +
                             "@" + std::to_string(PeerPort(node))};
  int member = node == 1 ? 2 : 1;
  for (const auto& [other, pid] : pids_) {
    if (other != node) member = other;
  }
  arguments.insert(arguments.end(), {"--join", "127.0.0.1:" + std::to_string(Port(member))});
  return arguments;
}

pid_t TestCluster::Spawn(int node, const std::string& log) const {
  std::vector<std::string> arguments = {server_,
                                        "--node-id",
                                        std::to_string(IdOf(node)),
                                        "--port",
                                        std::to_string(Port(node)),
                                        "--proxy-port",
                                        std::to_string(ProxyPort(node)),
                                        "--dir",
                                        DataOf(node)};
  const std::vector<std::string> membership = Membership(node);
  arguments.insert(arguments.end(), membership.begin(), membership.end());
  arguments.insert(arguments.end(), extra_.begin(), extra_.end());
  if (const auto own = arguments_.find(node); own != arguments_.end()) {
    arguments.insert(arguments.end(), own->second.begin(), own->second.end());
  }
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  std::vector<std::string> variables;
  if (const auto own = environment_.find(node); own != environment_.end()) variables = own->second;
  std::vector<char*> environment;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    environment.push_back(*variable);
  }
  for (std::string& variable : variables) environment.push_back(variable.data());
  environment.push_back(nullptr);
  const pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // nothing outlives a test that was ended from outside
    const int fd = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(fd, 1);
    dup2(fd, 2);
    close_range(3, ~0U, 0);  // this process's sockets must end when it closes them
    execve(argv[0], argv.data(), environment.data());
    _exit(127);
  }
  return pid;
}

void TestCluster::Start(int node) {
  Launch(node);
  ASSERT_TRUE(WaitFor([&] { return Ask(Port(node), {"PING"}) == "PONG"; }))
      << "node " << node << " does not answer";
}

void TestCluster::Launch(int node) { pids_[node] = Spawn(node, LogOf(node)); }

std::optional<int> TestCluster::Ended(int node) {
  const auto found = pids_.find(node);
  int status = 0;
  if (found == pids_.end() || waitpid(found->second, &status, WNOHANG) != found->second) {
    return std::nullopt;
  }
  pids_.erase(found);
  return status;
}

void TestCluster::StartAll() {
  for (int node = 1; node <= nodes_; ++node) {
    if (!Running(node)) Start(node);
  }
}

void TestCluster::Signal(int node, int signal) { kill(pids_.at(node), signal); }

void TestCluster::Kill(int node) {
  Signal(node, SIGKILL);
  waitpid(pids_.at(node), nullptr, 0);
  pids_.erase(node);
}

int TestCluster::Terminate(int node) {
  Signal(node, SIGTERM);
  const int code = WaitForExit(pids_.at(node), std::chrono::seconds(15));
  if (code != -1) pids_.erase(node);
  return code;
}

int TestCluster::ExitCodeOfSecondStart(int node) {
  return WaitForExit(Spawn(node, folder_ + "/second-start.log"), std::chrono::seconds(15));
}

std::string TestCluster::Ask(int port, const std::vector<std::string>& argv) const {
  const ContextPtr context = Connect(port);
  if (context == nullptr) return "(refused)";
  return Text(Command(context.get(), argv));
}

int TestCluster::Leader() const {
  for (const auto& [node, pid] : pids_) {
    const ContextPtr context = Connect(Port(node), 300);
    if (context == nullptr) continue;
    const ReplyPtr reply = Command(context.get(), {"ROLE"});
    if (reply != nullptr && reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 &&
        std::string(reply->element[0]->str) == "master") {
      return node;
    }
  }
  return 0;
}

int TestCluster::WaitForLeader() {
  int leader = 0;
  EXPECT_TRUE(WaitFor([&] { return (leader = Leader()) != 0; })) << "no leader";
  return leader;
}

int TestCluster::WaitForFollower() {
  const int leader = WaitForLeader();
  for (const auto& [node, pid] : pids_) {
    if (node != leader) return node;
  }
  return 0;
}

}  // namespace kvorum::e2e
