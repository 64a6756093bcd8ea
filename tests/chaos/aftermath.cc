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

namespace {

// A write without an outcome may never have happened. Those whose own value was never seen are left
// out at first: an order of the others is an order of all, and far easier to find.
check::History WithoutUnseen(const check::History& history) {
  std::string replies;
  for (const check::Op& op : history) replies += op.reply;
  check::History seen;
  for (const check::Op& op : history) {
    bool own = false;
    bool found = op.Known();
    for (const std::string& argument : op.argv) {
      const size_t end = argument.find(';');
      if (end == std::string::npos) continue;
      own = true;
      found = found || replies.find(argument.substr(0, end + 1)) != std::string::npos;
    }
    if (found || !own) seen.push_back(op);
  }
  return seen;
}

}  // namespace

std::string CheckHistory(const check::History& history) {
  constexpr uint64_t kEasyBudget = 2'000'000;
  check::Finding finding = check::CheckLinearizable(WithoutUnseen(history), kEasyBudget);
  if (finding.verdict != check::Verdict::kLinearizable) finding = check::CheckLinearizable(history);
  switch (finding.verdict) {
    case check::Verdict::kLinearizable:
      return {};
    case check::Verdict::kNot:
      return "not linearizable: " + finding.why;
    case check::Verdict::kTooHard:
      return "the search for an order took too long: " + finding.why;
  }
  return "unknown verdict";
}

}  // namespace kvorum::chaos
