// SPDX-License-Identifier: Apache-2.0
#include "tests/e2e/load.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace kvorum::e2e {
namespace {

using Clock = std::chrono::steady_clock;

std::string KeyOf(int number) { return "client:" + std::to_string(number); }

bool HadNoEffect(const std::string& text) {
  return text.starts_with("-CLUSTERDOWN") || text.starts_with("-TRYAGAIN");
}

}  // namespace

Load::Load(TestCluster& cluster, int clients, Through through)
    : cluster_(cluster), through_(through), clients_(static_cast<size_t>(clients)) {
  for (int i = 0; i < clients; ++i) {
    Client& client = clients_[static_cast<size_t>(i)];
    client.thread = std::thread([this, i, &client] { Run(i, client); });
  }
}

Load::~Load() { Stop(); }

void Load::Stop() {
  stop_ = true;
  for (Client& client : clients_) {
    if (client.thread.joinable()) client.thread.join();
  }
}

int Load::NextPort(int number, int attempt) const {
  const int node = 1 + (number + attempt) % cluster_.size();
  return through_ == Through::kProxyPorts ? cluster_.ProxyPort(node) : cluster_.Port(node);
}

std::string Load::Do(Client& client, ContextPtr& context, int& port,
                     const std::vector<std::string>& argv, int number) {
  for (int attempt = 0;; ++attempt) {
    if (context == nullptr) {
      if (stop_ && attempt > 0) return {};
      context = Connect(port, 8000);
      if (context == nullptr) {
        port = NextPort(number, attempt);
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
        continue;
      }
    }
    const std::string text = Text(Command(context.get(), argv));
    if (text == "(lost)") {
      context.reset();
      port = NextPort(number, attempt);
      return {};
    }
    if (text.starts_with("-MOVED ")) {
      if (through_ == Through::kProxyPorts) client.wrong.push_back(text);
      port = std::stoi(text.substr(text.rfind(':') + 1));
      context.reset();
      continue;
    }
    if (HadNoEffect(text)) continue;
    if (text.starts_with("-INDOUBT")) return {};
    return text;
  }
}

void Load::Run(int number, Client& client) {
  ContextPtr context;
  int port = NextPort(number, 0);
  Clock::time_point last = Clock::now();
  while (!stop_) {
    client.tried = std::max(client.tried, client.confirmed + 1);
    const std::string set =
        Do(client, context, port, {"SET", KeyOf(number), std::to_string(client.tried)}, number);
    if (set == "OK") {
      client.confirmed = client.tried;
      ++acknowledged_;
    } else if (set.empty()) {
      ++client.tried;  // the next value is a new one: what was in doubt may have happened
    } else {
      client.wrong.push_back(set);
    }
    const std::string get = Do(client, context, port, {"GET", KeyOf(number)}, number);
    if (!get.empty() && get != "(nil)" && std::stoull(get) < client.confirmed) {
      client.wrong.push_back("read " + get + " after " + std::to_string(client.confirmed));
    }
    if (get == "(nil)" && client.confirmed > 0) client.wrong.push_back("the key is gone");
    const std::string increment = Do(client, context, port, {"INCR", "counter"}, number);
    if (increment.empty()) {
      ++client.unknown;
    } else if (increment.starts_with('-')) {
      client.wrong.push_back(increment);
    } else {
      ++client.increments;
      ++acknowledged_;
    }
    const Clock::time_point now = Clock::now();
    client.gap =
        std::max(client.gap, std::chrono::duration_cast<std::chrono::milliseconds>(now - last));
    last = now;
  }
}

void Load::Verify() {
  const ContextPtr context = Connect(cluster_.Port(cluster_.WaitForLeader()));
  ASSERT_NE(context, nullptr);
  uint64_t acknowledged = 0;
  uint64_t unknown = 0;
  for (size_t i = 0; i < clients_.size(); ++i) {
    const Client& client = clients_[i];
    for (const std::string& wrong : client.wrong) ADD_FAILURE() << "client " << i << ": " << wrong;
    const std::string value = Text(Command(context.get(), {"GET", KeyOf(static_cast<int>(i))}));
    if (client.confirmed > 0) {
      ASSERT_NE(value, "(nil)") << "client " << i << " lost its key";
      EXPECT_GE(std::stoull(value), client.confirmed) << "client " << i << " lost a write";
      EXPECT_LE(std::stoull(value), client.tried);
    }
    acknowledged += client.increments;
    unknown += client.unknown;
  }
  const std::string counter = Text(Command(context.get(), {"GET", "counter"}));
  ASSERT_NE(counter, "(nil)");
  EXPECT_GE(std::stoull(counter), acknowledged) << "an acknowledged increment was lost";
  EXPECT_LE(std::stoull(counter), acknowledged + unknown) << "an increment was executed twice";
}

std::chrono::milliseconds Load::longest_gap() const {
  std::chrono::milliseconds gap{0};
  for (const Client& client : clients_) gap = std::max(gap, client.gap);
  return gap;
}

}  // namespace kvorum::e2e
