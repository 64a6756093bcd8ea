// SPDX-License-Identifier: Apache-2.0
#include "tests/chaos/aftermath.h"

#include "base/rng.h"
#include "tests/chaos/client.h"
#include "tests/check/linearizability.h"

namespace kvorum::chaos {

Findings ReadFinally(Arena& arena, Recorder& recorder, const std::vector<std::string>& keys,
                     uint64_t seed) {
  constexpr int kDeadlineMs = 10'000;
  Rng random(seed);
  Client proxied(arena.cluster(), recorder, 90, Door::kProxy, random.Next());
  Client direct(arena.cluster(), recorder, 91, Door::kCluster, random.Next());
  Findings findings;
  for (const std::string& key : keys) {
    for (Client* client : {&proxied, &direct}) {
      if (client->Insist({"GET", key}, kDeadlineMs)) continue;
      findings.push_back("healed, and " + key + " cannot be read");
      return findings;
    }
  }
  return findings;
}

Findings CompareStates(Arena& arena, std::map<std::string, std::string>* state) {
  if (!arena.WaitUntilLevel()) return {"the nodes do not reach one place in the log"};
  Findings findings;
  state->clear();
  for (const int node : arena.Nodes()) {
    std::map<std::string, std::string> other;
    if (!arena.Dump(node, &other)) return {"node " + std::to_string(node) + " cannot be read"};
    if (node == 1) *state = other;
    if (other == *state) continue;
    findings.push_back("the states of nodes 1 and " + std::to_string(node) + " differ");
    for (const auto& [key, value] : other) {
      const auto found = state->find(key);
      if (found == state->end() || found->second != value) {
        findings.push_back("they disagree about " + key);
      }
    }
  }
  return findings;
}

std::string CheckHistory(const check::History& history) {
  const check::Finding finding = check::CheckLinearizable(history);
  if (finding.verdict == check::Verdict::kLinearizable) return {};
  return finding.why.empty() ? "the search for an order took too long" : finding.why;
}

}  // namespace kvorum::chaos
