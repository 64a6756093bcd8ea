// SPDX-License-Identifier: Apache-2.0
//
// Clients that write while nodes die, and remember what they were told. Each has a key of its own
// whose value only grows, and all increment one counter.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/test_cluster.h"

namespace kvorum::e2e {

enum class Through : uint8_t {
  kClusterPorts,  // any node's port, following MOVED
  kProxyPorts,    // one node's proxy port, another one's when it dies
};

class Load {
 public:
  Load(TestCluster& cluster, int clients, Through through);
  ~Load();

  // Acknowledged writes so far, of all clients.
  [[nodiscard]] uint64_t acknowledged() const { return acknowledged_; }
  void Stop();

  // After Stop. Every acknowledged write is there, no value has gone backwards, and the counter is
  // between what was acknowledged and what was tried. Uses gtest expectations.
  void Verify();
  // The longest time any client went without an acknowledgement, for people to read.
  [[nodiscard]] std::chrono::milliseconds longest_gap() const;

 private:
  struct Client {
    uint64_t confirmed = 0;          // highest value acknowledged
    uint64_t tried = 0;              // highest value sent
    uint64_t increments = 0;         // acknowledged
    uint64_t unknown = 0;            // increments without an answer
    std::vector<std::string> wrong;  // replies that must not be
    std::chrono::milliseconds gap{0};
    std::thread thread;
  };

  void Run(int number, Client& client);
  // One command until it has an outcome. Empty: it may or may not have taken effect.
  std::string Do(Client& client, ContextPtr& context, int& port,
                 const std::vector<std::string>& argv, int number);
  int NextPort(int number, int attempt) const;

  TestCluster& cluster_;
  Through through_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> acknowledged_{0};
  std::vector<Client> clients_;
};

}  // namespace kvorum::e2e
