// SPDX-License-Identifier: Apache-2.0
//
// A client of the simulated cluster: sends one operation, or several at once, follows MOVED, asks
// again on replies that promise "no effect", and writes down what it saw.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"
#include "server/session.h"
#include "tests/check/history.h"
#include "tests/sim/workload.h"

namespace kvorum::sim {

class World;

class SimClient {
 public:
  SimClient(World& world, int number, uint64_t seed, Mix mix);

  // Draws operations from the workload until Stop.
  void Start();
  void Stop() { stopped_ = true; }
  // Asks for one command now; `done` (may be empty) hears how it ended.
  void Ask(std::vector<std::string> argv, std::function<void(const check::Op&)> done = {});
  // Asks for all of them at once.
  void AskAll(const std::vector<std::vector<std::string>>& commands);
  // Stays with this node and port, as long as it is not redirected. Drops its connection.
  void Use(NodeId node, server::PortKind kind);
  // Gives up waiting for what is owed, as a client does that dies.
  void Drop();

  [[nodiscard]] bool idle() const { return sent_.empty() && again_.empty(); }
  [[nodiscard]] int number() const { return number_; }

 private:
  struct Pending {
    check::Op op;
    int attempts = 0;
    Index committed;  // somewhere, when it was asked
    std::function<void(const check::Op&)> done;
  };

  [[nodiscard]] Pending Begin(std::vector<std::string> argv) const;
  void Next();
  void Send(std::deque<Pending> batch);
  void SendAgain(Micros delay);
  bool Connect();
  void Disconnect();
  void OnReply(const std::string& bytes, server::Position position);
  void OnClosed();
  void OnTimeout(uint64_t attempt);
  void OneReply(const std::string& reply, server::Position position);
  bool Refused(const std::string& reply);
  void Finish(Pending pending, bool known);
  void Proceed();

  World& world_;
  int number_;
  Rng rng_;
  Mix mix_;
  NodeId node_;
  server::PortKind kind_ = server::PortKind::kCluster;
  bool chosen_ = false;      // node_ and kind_ are to be used
  uint64_t generation_ = 0;  // of the connection
  uint64_t connection_ = 0;
  std::string replies_;
  bool running_ = false;
  bool stopped_ = false;
  bool thinking_ = false;  // the next operation has its time
  uint64_t attempt_ = 0;   // ignores timers of earlier ones
  uint64_t values_ = 0;
  uint64_t chains_ = 0;
  uint64_t downs_ = 0;         // CLUSTERDOWN replies
  std::deque<Pending> sent_;   // replies owed, in this order
  std::deque<Pending> again_;  // certainly without effect; asked anew, one at a time
  Micros again_delay_ = 0;
};

}  // namespace kvorum::sim
