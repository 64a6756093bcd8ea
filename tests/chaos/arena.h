// SPDX-License-Identifier: Apache-2.0
//
// Real nodes in a world that obeys: their peers are reached through tests/chaos/proxy.h, their
// disks and wall clocks go through the shim of tests/chaos/disk_shim.cc. Knows which ends of
// processes were asked for, so that every other one is a finding.
//
// One thread, except where a client only asks for ports.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/rng.h"
#include "tests/chaos/disk_control.h"
#include "tests/chaos/power_loss.h"
#include "tests/chaos/proxy.h"
#include "tests/e2e/test_cluster.h"

namespace kvorum::chaos {

class Arena {
 public:
  // `server` empty: the one that was built with this program.
  Arena(int nodes, const std::string& server, uint64_t seed,
        const std::vector<std::string>& arguments = {});
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  [[nodiscard]] int size() const { return cluster_.size(); }
  e2e::TestCluster& cluster() { return cluster_; }
  Proxy& proxy() { return proxy_; }
  DiskControl& disk(int node) { return *disks_.at(node); }
  [[nodiscard]] std::vector<int> Nodes() const;
  [[nodiscard]] std::vector<int> Running() const;
  [[nodiscard]] bool Stopped(int node) const { return stopped_.contains(node); }

  // ---- processes
  void Launch(int node);
  void LaunchAll();
  // SIGKILL to all of them before any is waited for. Those that do not run are left out.
  void Kill(const std::vector<int>& nodes);
  Undone LosePower(const std::vector<int>& nodes, const PowerLoss& how);
  void Stop(int node);
  void Continue(int node);
  // SIGTERM, and until it has ended. What was wrong with its end; empty: nothing.
  std::string Terminate(int node);

  // ---- members: a node is a seat (ports, disk, links to it); who sits there may change
  // A command about members to whoever leads; "(lost)" when nobody does, or nobody answers.
  [[nodiscard]] std::string TellLeader(const std::vector<std::string>& argv) const;
  // What runs there is killed, its disk replaced by an empty one; from its next start on it is a
  // new member, under an id that was never used.
  void Reseat(int node);
  // It may refuse to start: whoever dies before it has written down that it was taken in is a
  // member without a disk.
  void ExpectRefusal(int node, bool expected) { ExpectDiskFailure(node, expected); }

  // ---- links
  // Nothing passes between a node of `a` and one of `b`, either way.
  void Cut(const std::vector<int>& a, const std::vector<int>& b);
  void CutOneWay(int from, int to);
  void HealLinks() { proxy_.SetAll({}); }

  // A node may end with a disk error from now on, until it is told that it may not.
  void ExpectDiskFailure(int node, bool expected);
  // Looks after processes that have ended. What no fault explains is returned, for people.
  std::vector<std::string> Supervise();
  // No fault is left, every node runs.
  void HealAll();
  void ClearDisk(int node);
  // What each sync takes when nothing is wrong; for all nodes, from now on.
  void SetSyncTime(uint32_t us);

  // ---- what nodes say
  // A field of RAFT INFO as text; empty when the node does not answer.
  [[nodiscard]] std::string Field(int node, const std::string& name) const;
  [[nodiscard]] int Leader() const { return cluster_.Leader(); }
  // A write through each node's proxy port succeeds. `slow`: the nodes whose first answer took
  // longer than a second, and what it was, for people.
  bool WaitUntilServing(std::chrono::milliseconds patience = std::chrono::seconds(30),
                        std::string* slow = nullptr);
  // All have applied the same index, and nothing more is to come.
  bool WaitUntilLevel(std::chrono::milliseconds patience = std::chrono::seconds(30));
  // All keys and values of a node's own state.
  bool Dump(int node, std::map<std::string, std::string>* out) const;
  [[nodiscard]] uint64_t OpenFiles(int node) const;
  [[nodiscard]] uint64_t ResidentKb(int node) const;

 private:
  void MakeDisk(int node);
  [[nodiscard]] bool Excused(int node, int status) const;
  [[nodiscard]] std::string JournalOf(int node) const;

  e2e::TestCluster cluster_;
  Rng random_;
  Proxy proxy_;
  std::map<int, DiskControl*> disks_;
  std::set<int> stopped_;
  std::set<int> may_fail_;
  int last_id_;
  uint32_t sync_us_ = 300;
};

}  // namespace kvorum::chaos
