// SPDX-License-Identifier: Apache-2.0
//
// A client of the simulated cluster: one operation at a time, unique values, follows MOVED, tries
// again on replies that promise "no effect", and writes down what it saw.
#pragma once

#include <memory>
#include <string>

#include "base/rng.h"
#include "server/session.h"
#include "tests/sim/world.h"

namespace kvorum::sim {

class SimClient {
 public:
  SimClient(World& world, int number, uint64_t seed);
  void Start();
  void Stop() { stopped_ = true; }
  [[nodiscard]] bool idle() const { return !busy_; }

 private:
  void Next();
  void Choose();
  void Send();
  void Reconnect(NodeId to, server::PortKind kind);
  void OnReply(const std::string& bytes);
  void OnClosed();
  void OnTimeout(uint64_t attempt);
  void Finish(bool known);
  void Again(Micros delay);
  [[nodiscard]] std::string Encode() const;

  World& world_;
  int number_;
  Rng rng_;
  NodeId node_;
  uint64_t generation_ = 0;  // of the connection
  server::PortKind kind_ = server::PortKind::kCluster;
  uint64_t connection_ = 0;
  std::string replies_;
  bool busy_ = false;
  bool stopped_ = false;
  bool sent_ = false;     // this operation has reached a node at least once
  uint64_t attempt_ = 0;  // ignores what belongs to an earlier one
  uint64_t values_ = 0;
  std::string key_;
  Op op_;
};

}  // namespace kvorum::sim
