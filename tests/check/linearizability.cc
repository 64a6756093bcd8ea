// SPDX-License-Identifier: Apache-2.0
#include "tests/check/linearizability.h"

#include <algorithm>
#include <compare>
#include <map>
#include <numeric>
#include <string>
#include <tuple>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/check.h"
#include "tests/model/model.h"

namespace kvorum::check {
namespace {

using model::Model;

// What is tried first: an order that is likely, from the places in the log where they are known.
// Only a hint: what counts is that real time and every reply agree with the order that is found.
struct Hint {
  Micros about = 0;  // when it may have taken effect
  Index position;
  uint32_t rank = 0;
  bool read = false;
  auto operator<=>(const Hint&) const = default;
};

std::vector<Hint> HintsFor(const std::vector<const Op*>& ops) {
  std::vector<size_t> placed;
  std::vector<Hint> hints(ops.size());
  for (size_t i = 0; i < ops.size(); ++i) {
    const Op& op = *ops[i];
    hints[i] = {op.Known() ? op.invoked : Op::kNever, op.position, op.rank, IsRead(op)};
    if (op.position == Index()) {
      hints[i].position = Index::Max();
    } else {
      placed.push_back(i);
    }
  }
  std::sort(placed.begin(), placed.end(), [&](size_t a, size_t b) {
    return std::tuple(hints[a].position, hints[a].rank, hints[a].read, ops[a]->invoked) <
           std::tuple(hints[b].position, hints[b].rank, hints[b].read, ops[b]->invoked);
  });
  Micros newest = 0;  // along the log, time only grows
  for (const size_t i : placed) hints[i].about = newest = std::max(newest, ops[i]->invoked);
  return hints;
}

class Search {
 public:
  Search(std::vector<const Op*> ops, uint64_t budget) : ops_(std::move(ops)), budget_(budget) {
    // They are elements of one history: of what was invoked at once, its order is kept.
    std::sort(ops_.begin(), ops_.end(), [](const Op* a, const Op* b) {
      return a->invoked != b->invoked ? a->invoked < b->invoked : a < b;
    });
    hints_ = HintsFor(ops_);
    FindPredecessors();
    done_.assign((ops_.size() + 63) / 64, 0);
    for (const Op* op : ops_) open_ += op->Known() ? 1 : 0;
  }

  Verdict Run() {
    std::vector<Frame> stack;
    stack.push_back(Begin(Model()));
    while (open_ > 0) {
      Frame& frame = stack.back();
      if (++visited_ > budget_) return Verdict::kTooHard;
      if (Advance(stack, frame)) continue;
      stack.pop_back();
      if (stack.empty()) return Verdict::kNot;
      Flip(stack.back().candidates[stack.back().next++]);
    }
    return Verdict::kLinearizable;
  }

  // How far it got: what could not be explained begins about here.
  [[nodiscard]] std::string Stuck() const {
    return "explained " + std::to_string(deepest_) + " of " + std::to_string(ops_.size()) +
           " operations, then none of these:\n" + open_at_deepest_ + "all of them:\n";
  }

 private:
  struct Frame {
    Model state;
    std::vector<size_t> candidates;  // what may come next
    size_t next = 0;                 // the first that has not been tried
  };

  // Nothing that was invoked after the first open return can come before it.
  Frame Begin(Model state) const {
    Frame frame{std::move(state), {}, 0};
    Micros horizon = Op::kNever;
    for (size_t i = first_; i < ops_.size() && ops_[i]->invoked <= horizon; ++i) {
      if (Done(i) || (before_[i] != kNone && !Done(before_[i]))) continue;
      horizon = std::min(horizon, ops_[i]->returned);
      frame.candidates.push_back(i);
    }
    std::erase_if(frame.candidates, [&](size_t i) { return ops_[i]->invoked > horizon; });
    // A read that fits may as well come now: it changes nothing, so whatever order has it later is
    // as good with it here.
    for (const size_t i : frame.candidates) {
      if (!hints_[i].read || !ops_[i]->Known() || !Fits(*ops_[i], frame.state)) continue;
      frame.candidates = {i};
      return frame;
    }
    std::sort(frame.candidates.begin(), frame.candidates.end(),
              [this](size_t a, size_t b) { return hints_[a] < hints_[b]; });
    return frame;
  }

  static bool Fits(const Op& op, const Model& state) {
    Model copy = state;
    return copy.Step(op.argv, op.database, 0, &op.reply);
  }

  // Places one more operation, if one fits that leads to something new.
  bool Advance(std::vector<Frame>& stack, Frame& frame) {
    for (; frame.next < frame.candidates.size(); ++frame.next) {
      const size_t candidate = frame.candidates[frame.next];
      const Op& op = *ops_[candidate];
      Model next = frame.state;
      if (!next.Step(op.argv, op.database, 0, op.Known() ? &op.reply : nullptr)) continue;
      Flip(candidate);
      if (seen_.insert(Key(next)).second) {
        if (stack.size() > deepest_) {
          deepest_ = stack.size();
          deepest_state_ = next;
          NoteOpen();
        }
        stack.push_back(Begin(std::move(next)));
        return true;
      }
      Flip(candidate);
    }
    return false;
  }

  // Of what was sent at once, each has to wait for the one before it.
  void FindPredecessors() {
    before_.assign(ops_.size(), kNone);
    std::map<std::pair<int, uint64_t>, size_t> newest;
    for (size_t i = 0; i < ops_.size(); ++i) {
      if (ops_[i]->chain == 0 || !ops_[i]->Known()) continue;
      const auto [it, first] = newest.try_emplace({ops_[i]->client, ops_[i]->chain}, i);
      if (!first) before_[i] = std::exchange(it->second, i);
    }
  }
  [[nodiscard]] bool Done(size_t i) const { return ((done_[i / 64] >> (i % 64)) & 1) != 0; }
  void Flip(size_t i) {
    done_[i / 64] ^= uint64_t{1} << (i % 64);
    if (ops_[i]->Known()) open_ += Done(i) ? -1 : 1;
    // Everything before first_ is done; kept so that long histories cost what is open, not all.
    first_ = std::min(first_, i);
    while (first_ < ops_.size() && Done(first_)) ++first_;
  }
  void NoteOpen() {
    open_at_deepest_.clear();
    for (const size_t i : Begin(deepest_state_).candidates) {
      if (ops_[i]->Known()) open_at_deepest_ += Describe(*ops_[i]) + "\n";
    }
    open_at_deepest_ += "state: " + deepest_state_.Canonical() + "\n";
  }
  [[nodiscard]] std::string Key(const Model& state) const {
    std::string key(reinterpret_cast<const char*>(done_.data()), done_.size() * 8);
    return key + state.Canonical();
  }

  std::vector<const Op*> ops_;
  std::vector<Hint> hints_;
  static constexpr size_t kNone = SIZE_MAX;
  std::vector<size_t> before_;
  uint64_t budget_;
  uint64_t visited_ = 0;
  int64_t open_ = 0;  // operations with a known outcome that are not placed yet
  size_t first_ = 0;  // everything before it is done
  size_t deepest_ = 0;
  Model deepest_state_;
  std::string open_at_deepest_;
  std::vector<uint64_t> done_;
  std::unordered_set<std::string> seen_;
};

// Keys that some command touches together, found by joining (union-find).
class Groups {
 public:
  int Of(const std::string& key) {
    const auto [it, added] = numbers_.try_emplace(key, static_cast<int>(parents_.size()));
    if (added) parents_.push_back(it->second);
    return Root(it->second);
  }
  void Join(int a, int b) { parents_[static_cast<size_t>(Root(a))] = Root(b); }
  void JoinAll() {
    for (size_t i = 1; i < parents_.size(); ++i) Join(static_cast<int>(i), 0);
  }
  int Root(int i) {
    while (parents_[static_cast<size_t>(i)] != i) i = parents_[static_cast<size_t>(i)];
    return i;
  }

 private:
  std::map<std::string, int> numbers_;
  std::vector<int> parents_;
};

}  // namespace

Finding CheckLinearizable(const History& history, uint64_t budget) {
  Groups groups;
  std::vector<std::pair<const Op*, int>> placed;
  bool everything = false;
  for (const Op& op : history) {
    KV_CHECK(!Model::DependsOnTime(op.argv));
    // A read without a reply says nothing.
    if (!op.Known() && IsRead(op)) continue;
    const Model::Touched touched = Model::KeysOf(op.argv);
    everything |= touched.everything;
    int group = groups.Of(touched.keys.empty() ? std::string() : touched.keys.front());
    for (const std::string& key : touched.keys) groups.Join(groups.Of(key), group);
    placed.emplace_back(&op, groups.Root(group));
  }
  if (everything) groups.JoinAll();
  std::map<int, std::vector<const Op*>> parts;
  for (const auto& [op, group] : placed) parts[groups.Root(group)].push_back(op);
  for (auto& [group, ops] : parts) {
    Search search(ops, budget);
    const Verdict verdict = search.Run();
    if (verdict == Verdict::kLinearizable) continue;
    Finding finding{verdict, search.Stuck()};
    if (verdict == Verdict::kTooHard) return finding;
    for (const Op* op : ops) finding.why += Describe(*op) + "\n";
    return finding;
  }
  return {};
}

}  // namespace kvorum::check
