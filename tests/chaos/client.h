// SPDX-License-Identifier: Apache-2.0
//
// One connection of one client that remembers every command and every reply. It never sends a
// command twice: what was redirected or refused had no effect by Kvorum's word and is left out of
// the history (its effect would be seen, and not be explained), and what was not answered stays
// unknown.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/rng.h"
#include "tests/chaos/recorder.h"
#include "tests/e2e/test_cluster.h"

namespace kvorum::chaos {

using Argv = std::vector<std::string>;

// A reply as RESP2 bytes.
std::string Resp2(const redisReply& reply);

enum class Door : uint8_t { kCluster, kProxy };

class Client {
 public:
  Client(const e2e::TestCluster& cluster, Recorder& recorder, int number, Door door, uint64_t seed);

  // Sends all at once and waits for the replies, each up to `patience`. Returns the replies as far
  // as they came; an empty one had no effect.
  std::vector<std::string> Do(const std::vector<Argv>& pipeline, int patience_ms);
  // Until it is executed, trying other nodes; false when there was no outcome in time. Only for
  // commands that may be executed more than once.
  bool Insist(const Argv& argv, int deadline_ms, std::string* reply = nullptr);
  // The next command goes to this node.
  void Choose(int node);
  [[nodiscard]] int node() const { return node_; }

 private:
  bool Connected();
  void Disconnect();
  void TakeReply(check::Op op, const redisReply& reply, std::vector<std::string>* replies);
  void Redirected(const std::string& error);

  const e2e::TestCluster& cluster_;
  Recorder& recorder_;
  int number_;
  Door door_;
  Rng random_;
  int node_ = 0;
  int next_ = 0;  // where a redirect points; 0: nowhere
  e2e::ContextPtr context_;
};

// Does this command change anything?
bool IsWrite(const Argv& argv);

}  // namespace kvorum::chaos
