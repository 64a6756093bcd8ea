// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/operator.h"

#include <sstream>

#include "store/feature.h"

namespace kvorum::sim {

std::string AddressOf(NodeId id) {
  const std::string number = std::to_string(id.value());
  return "node" + number + ":" + std::to_string(7000 + id.value()) + "@" +
         std::to_string(17000 + id.value());
}

std::string AddLine(NodeId id) {
  return "RAFT ADD " + std::to_string(id.value()) + " " + AddressOf(id) + " LEVEL " +
         std::to_string(store::kFeatureLevel);
}

std::string Tell(Lab& lab, NodeId at, const std::string& line, Micros patience) {
  std::istringstream words(line);
  std::string bytes;
  int count = 0;
  for (std::string word; words >> word; ++count) {
    bytes += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  }
  return lab.Raw(at, server::PortKind::kCluster, "*" + std::to_string(count) + "\r\n" + bytes,
                 patience);
}

std::string TellLeader(Lab& lab, const std::string& line) {
  std::string reply;
  for (int i = 0; i < 60 && !lab.failed(); ++i) {
    const NodeId leader = lab.WaitForLeader(kAnswerUs);
    reply = Tell(lab, leader, line);
    if (!reply.empty() && !reply.starts_with("-TRYAGAIN") && !reply.starts_with("-MOVED") &&
        !reply.starts_with("-CLUSTERDOWN")) {
      return reply;
    }
    lab.Run(50'000);
  }
  return reply;
}

void MustTell(Lab& lab, const std::string& line) {
  const std::string reply = TellLeader(lab, line);
  lab.Expect(reply == "+OK\r\n", line + " is done, not: " + reply);
}

}  // namespace kvorum::sim
