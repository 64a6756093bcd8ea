// SPDX-License-Identifier: Apache-2.0
//
// Real kvorum-server processes on free loopback ports, with data in a temporary folder that goes
// when the test passes. Whatever was started is ended by the destructor. Real time: tests here wait
// for conditions with a deadline, they never assert how long something took.
#pragma once

#include <hiredis/hiredis.h>
#include <sys/types.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace kvorum::e2e {

struct ReplyDeleter {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
struct ContextDeleter {
  void operator()(redisContext* context) const { redisFree(context); }
};
using ReplyPtr = std::unique_ptr<redisReply, ReplyDeleter>;
using ContextPtr = std::unique_ptr<redisContext, ContextDeleter>;

// nullptr when there is no connection or no reply within two seconds.
ContextPtr Connect(int port, int timeout_ms = 2000);
ReplyPtr Command(redisContext* context, const std::vector<std::string>& argv);
// The reply as text: a string, a number in digits, "(nil)", "-ERR ...", or "(lost)" without one.
std::string Text(const ReplyPtr& reply);

// Polls until the condition holds. False when it did not in time.
bool WaitFor(const std::function<bool()>& condition,
             std::chrono::milliseconds patience = std::chrono::seconds(20));

// Ports nobody listens on, all different, below the range that outgoing connections are taken from.
std::vector<int> FindFreePorts(int count);

class TestCluster {
 public:
  explicit TestCluster(int nodes, std::vector<std::string> extra_arguments = {});
  ~TestCluster();
  TestCluster(const TestCluster&) = delete;
  TestCluster& operator=(const TestCluster&) = delete;

  void Start(int node);
  void StartAll();
  void Signal(int node, int signal);
  void Kill(int node);  // SIGKILL, and waits for the end
  // SIGTERM; the exit code, or -1 when it did not end in time.
  int Terminate(int node);
  // Starts one more process with this node's arguments and returns its exit code.
  int ExitCodeOfSecondStart(int node);
  // Starts a process and does not wait for it to answer.
  void Launch(int node);
  // The wait status of a node that is no longer there, told once.
  std::optional<int> Ended(int node);
  [[nodiscard]] pid_t Pid(int node) const { return pids_.at(node); }

  // What the next starts are made with: another way to a peer than its own port, variables
  // ("NAME=value") beside those of this process, another server, further arguments.
  void RoutePeer(int from, int to, int port) { routes_[{from, to}] = port; }
  void SetEnvironment(int node, std::vector<std::string> variables);
  void SetServer(std::string path) { server_ = std::move(path); }
  void AddArguments(int node, const std::vector<std::string>& arguments);
  // From its next start on, the process behind these ports is another member: it asks to be taken
  // in under that id. Its data is the caller's.
  void Reseat(int node, int id) { ids_[node] = id; }
  // Its own number, until it was reseated.
  [[nodiscard]] int IdOf(int node) const;
  void KeepFolder() { keep_ = true; }
  [[nodiscard]] bool Running(int node) const { return pids_.contains(node); }

  [[nodiscard]] int size() const { return nodes_; }
  [[nodiscard]] int Port(int node) const { return ports_.at(node).client; }
  [[nodiscard]] int ProxyPort(int node) const { return ports_.at(node).proxy; }
  [[nodiscard]] int PeerPort(int node) const { return ports_.at(node).peer; }
  [[nodiscard]] std::string Folder() const { return folder_; }
  [[nodiscard]] std::string DataOf(int node) const;
  [[nodiscard]] std::string LogOf(int node) const { return DataOf(node) + ".log"; }

  // One command on a fresh connection.
  [[nodiscard]] std::string Ask(int port, const std::vector<std::string>& argv) const;
  // The node that serves as leader, 0 if none does.
  [[nodiscard]] int Leader() const;
  int WaitForLeader();
  // A running node that does not lead.
  int WaitForFollower();

 private:
  struct Ports {
    int client = 0;
    int proxy = 0;
    int peer = 0;
  };
  [[nodiscard]] std::string ClusterNodes(int node) const;
  [[nodiscard]] std::vector<std::string> Membership(int node) const;
  [[nodiscard]] pid_t Spawn(int node, const std::string& log) const;

  int nodes_;
  std::vector<std::string> extra_;
  std::string folder_;
  std::string server_;
  bool keep_ = false;
  std::map<int, Ports> ports_;
  std::map<std::pair<int, int>, int> routes_;
  std::map<int, std::vector<std::string>> environment_;
  std::map<int, std::vector<std::string>> arguments_;
  std::map<int, int> ids_;  // of those that were reseated
  std::map<int, pid_t> pids_;
};

}  // namespace kvorum::e2e
