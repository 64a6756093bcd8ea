// SPDX-License-Identifier: Apache-2.0
//
// The stage of a named scenario: nodes, clients that are recorded, and an end at which everything
// is healed and must be right.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/chaos/arena.h"
#include "tests/chaos/client.h"
#include "tests/chaos/load.h"
#include "tests/chaos/recorder.h"

namespace kvorum::chaos {

class Scenario : public testing::Test {
 protected:
  // `arrange`: called before the nodes are launched.
  void Start(
      int nodes, const std::vector<std::string>& arguments = {},
      const std::function<void()>& arrange = [] {});
  void TearDown() override;

  // Clients that go on until Finish or StopLoad.
  void BeginLoad(int clients = 8, int pause_ms = 10);
  void StopLoad();
  // Lets the load go on until so many further writes were acknowledged.
  void Progress(uint64_t writes);
  // Heals everything, and then: writes work, the history is linearizable, all nodes have one state,
  // and no process has ended that was not ended.
  void Finish();
  static void Wait(int ms);
  // Starts a node of which the start must be refused: exit code 1, with these words in its log.
  void ExpectRefusedStart(int node, const std::string& words);

  [[nodiscard]] int Leader() { return arena_->cluster().WaitForLeader(); }
  [[nodiscard]] int Follower() { return arena_->cluster().WaitForFollower(); }
  [[nodiscard]] std::vector<int> Others(int node) const;
  // kill -9 of whoever leads; it is started again when another node leads.
  void KillLeader();
  // The nodes but `node` have a leader among them.
  int LeaderBesides(int node);
  [[nodiscard]] uint64_t Number(int node, const std::string& field) const;
  [[nodiscard]] uint64_t Term(int node) const { return Number(node, "term"); }
  // One command at a node's `port` or `proxy-port`.
  std::string Ask(int node, const Argv& argv) const;
  std::string AskProxy(int node, const Argv& argv) const;
  [[nodiscard]] std::string LogOf(int node) const;

  std::unique_ptr<Arena> arena_;
  Recorder recorder_;
  std::unique_ptr<Load> load_;
};

// Flips one bit, or cuts the end off.
void FlipBit(const std::string& path, uint64_t offset);
void Shorten(const std::string& path, uint64_t bytes);
// The files of a folder whose names start so, in order.
std::vector<std::string> FilesOf(const std::string& folder, const std::string& prefix);
// The last byte of a file that is not zero.
uint64_t LastByte(const std::string& path);

}  // namespace kvorum::chaos
