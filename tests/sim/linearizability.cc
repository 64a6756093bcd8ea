// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/linearizability.h"

#include <algorithm>
#include <charconv>
#include <unordered_set>

namespace kvorum::sim {
namespace {

using State = std::optional<std::string>;

int64_t NumberIn(const State& state) {
  int64_t value = 0;
  if (state) std::from_chars(state->data(), state->data() + state->size(), value);
  return value;
}

// Executes `op` on `state`; false when its known result is not what comes out.
bool Apply(const Op& op, State& state) {
  const bool known = op.returned != Op::kNever;
  switch (op.kind) {
    case OpKind::kGet:
      return op.missing ? !state.has_value() : state.has_value() && *state == op.result;
    case OpKind::kSet:
      state = op.argument;
      return true;
    case OpKind::kIncr:
      state = std::to_string(NumberIn(state) + 1);
      return !known || *state == op.result;
    case OpKind::kAppend:
      state = state.value_or("") + op.argument;
      return !known || std::to_string(state->size()) == op.result;
    case OpKind::kDel: {
      const bool there = state.has_value();
      state.reset();
      return !known || op.result == (there ? "1" : "0");
    }
  }
  return false;
}

class Search {
 public:
  Search(std::vector<Op> ops, uint64_t budget) : ops_(std::move(ops)), budget_(budget) {
    std::sort(ops_.begin(), ops_.end(),
              [](const Op& a, const Op& b) { return a.invoked < b.invoked; });
    done_.assign((ops_.size() + 63) / 64, 0);
    for (const Op& op : ops_) {
      if (op.returned != Op::kNever) ++open_;
    }
  }

  Verdict Run() {
    struct Frame {
      size_t op;
      State before;
    };
    std::vector<Frame> stack;
    State state;
    size_t candidate = 0;
    for (;;) {
      if (open_ == 0) return Verdict::kLinearizable;
      if (++visited_ > budget_) return Verdict::kTooHard;
      const Micros horizon = Horizon();
      bool advanced = false;
      for (; candidate < ops_.size() && ops_[candidate].invoked <= horizon; ++candidate) {
        if (Done(candidate)) continue;
        State next = state;
        if (!Apply(ops_[candidate], next)) continue;
        Flip(candidate);
        if (seen_.insert(Key(next)).second) {
          stack.push_back({candidate, std::move(state)});
          state = std::move(next);
          candidate = 0;
          advanced = true;
          break;
        }
        Flip(candidate);
      }
      if (advanced) continue;
      if (stack.empty()) return Verdict::kNot;
      Frame frame = std::move(stack.back());
      stack.pop_back();
      Flip(frame.op);
      state = std::move(frame.before);
      candidate = frame.op + 1;
    }
  }

 private:
  [[nodiscard]] bool Done(size_t i) const { return ((done_[i / 64] >> (i % 64)) & 1) != 0; }
  void Flip(size_t i) {
    done_[i / 64] ^= uint64_t{1} << (i % 64);
    if (ops_[i].returned != Op::kNever) open_ += Done(i) ? -1 : 1;
  }
  // Nothing that was invoked after the first open return can come before it.
  [[nodiscard]] Micros Horizon() const {
    Micros horizon = Op::kNever;
    for (size_t i = 0; i < ops_.size() && ops_[i].invoked <= horizon; ++i) {
      if (!Done(i)) horizon = std::min(horizon, ops_[i].returned);
    }
    return horizon;
  }
  [[nodiscard]] std::string Key(const State& state) const {
    std::string key(reinterpret_cast<const char*>(done_.data()), done_.size() * 8);
    key += state ? "=" + *state : "-";
    return key;
  }

  std::vector<Op> ops_;
  uint64_t budget_;
  uint64_t visited_ = 0;
  int64_t open_ = 0;  // operations with a known outcome that are not placed yet
  std::vector<uint64_t> done_;
  std::unordered_set<std::string> seen_;
};

}  // namespace

Verdict CheckLinearizable(std::vector<Op> history, uint64_t budget) {
  // A read without a result says nothing.
  std::erase_if(history,
                [](const Op& op) { return op.kind == OpKind::kGet && op.returned == Op::kNever; });
  return Search(std::move(history), budget).Run();
}

std::string Describe(const std::vector<Op>& history) {
  static constexpr const char* kNames[] = {"GET", "SET", "INCR", "APPEND", "DEL"};
  std::string text;
  for (const Op& op : history) {
    text += "client " + std::to_string(op.client) + " [" + std::to_string(op.invoked) + ", " +
            (op.returned == Op::kNever ? "?" : std::to_string(op.returned)) + "] " +
            kNames[static_cast<int>(op.kind)] + " " + op.argument + " -> " +
            (op.returned == Op::kNever ? "?"
             : op.missing              ? "(nil)"
                                       : op.result) +
            "\n";
  }
  return text;
}

}  // namespace kvorum::sim
