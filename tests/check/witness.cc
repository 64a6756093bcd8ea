// SPDX-License-Identifier: Apache-2.0
#include "tests/check/witness.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "tests/model/model.h"

namespace kvorum::check {
namespace {

using model::Model;

// By place in the log; where several reads saw the same state, by invocation.
std::vector<const Op*> InLogOrder(const History& history) {
  std::vector<const Op*> ops;
  for (const Op& op : history) {
    if (op.Known() && op.position != Index()) ops.push_back(&op);
  }
  std::sort(ops.begin(), ops.end(), [](const Op* a, const Op* b) {
    return std::tuple(a->position, a->rank, IsRead(*a), a->invoked) <
           std::tuple(b->position, b->rank, IsRead(*b), b->invoked);
  });
  return ops;
}

// What comes later in the order must not have returned before something earlier was invoked.
std::string CheckRealTime(const std::vector<const Op*>& ops) {
  const Op* newest = nullptr;
  for (const Op* op : ops) {
    if (newest != nullptr && op->returned < newest->invoked) {
      return "the log has them the other way round than they happened:\n" + Describe(*newest) +
             "\n" + Describe(*op) + "\n";
    }
    if (newest == nullptr || op->invoked > newest->invoked) newest = op;
  }
  return {};
}

// TTL counts down by the reading node's clock: only what it says about there being a key or a
// deadline is determined by the log.
bool SameReply(const Op& op, Model& model, UnixMs time) {
  const std::string& name = op.argv.front();
  if (name == "TTL" || name == "PTTL") {
    Model copy = model;
    for (const char* special : {":-1\r\n", ":-2\r\n"}) {
      const std::string reply = special;
      if (copy.Step(op.argv, op.database, time, &reply)) return op.reply == reply;
    }
    return op.reply.starts_with(":") && !op.reply.starts_with(":-");
  }
  return model.Step(op.argv, op.database, time, &op.reply);
}

class Replay {
 public:
  explicit Replay(std::vector<const Op*> ops) : ops_(std::move(ops)) {}

  std::string Run(const CommittedLog& log) {
    model_.SetFeatureLevel(1);
    for (const auto& [index, entry] : log) {
      if (std::string fault = ReadsBefore(index); !fault.empty()) return fault;
      time_ = std::max(time_, entry.wall_ms);
      for (uint32_t rank = 1; rank <= entry.commands.size(); ++rank) {
        std::string fault = Command(index, rank, entry.commands[rank - 1]);
        if (!fault.empty()) return fault;
      }
    }
    return ReadsBefore(Index(UINT64_MAX));
  }

 private:
  [[nodiscard]] const Op* Head() const { return next_ < ops_.size() ? ops_[next_] : nullptr; }

  // Reads of the state behind everything below `index`.
  std::string ReadsBefore(Index index) {
    while (Head() != nullptr && Head()->position < index) {
      const Op& op = *ops_[next_++];
      if (!IsRead(op)) return "acknowledged, but not in the log: " + Describe(op) + "\n";
      if (!SameReply(op, model_, time_)) return Wrong(op);
    }
    return {};
  }

  std::string Command(Index index, uint32_t rank, const LogCommand& command) {
    const Op* op = Head();
    const bool claimed = op != nullptr && op->position == index && op->rank == rank && !IsRead(*op);
    if (claimed) {
      ++next_;
      if (op->argv != command.argv || op->database != command.database) {
        return "another command stands in its place in the log: " + Describe(*op) + "\n";
      }
      if (!model_.Step(command.argv, command.database, time_, &op->reply)) return Wrong(*op);
    } else {
      model_.Step(command.argv, command.database, time_, nullptr);
    }
    while (Head() != nullptr && Head()->position == index && Head()->rank == rank &&
           IsRead(*Head())) {
      const Op& read = *ops_[next_++];
      if (!SameReply(read, model_, time_)) return Wrong(read);
    }
    return {};
  }

  std::string Wrong(const Op& op) const {
    return "not what the log makes of it: " + Describe(op) + "\nstate: " + model_.Canonical() +
           "\n";
  }

  std::vector<const Op*> ops_;
  size_t next_ = 0;
  Model model_;
  UnixMs time_ = 0;
};

}  // namespace

bool IsUnique(const std::string& argument) { return argument.ends_with(';'); }

std::string CheckWitness(const CommittedLog& log, const History& history) {
  const std::vector<const Op*> ops = InLogOrder(history);
  if (std::string fault = CheckRealTime(ops); !fault.empty()) return fault;
  return Replay(ops).Run(log);
}

std::string CheckOnce(const CommittedLog& log, const History& history) {
  std::set<std::string> sent;
  for (const Op& op : history) {
    for (const std::string& argument : op.argv) {
      if (IsUnique(argument)) sent.insert(argument);
    }
  }
  std::map<std::string, Index> seen;
  for (const auto& [index, entry] : log) {
    for (const LogCommand& command : entry.commands) {
      for (const std::string& argument : command.argv) {
        if (!IsUnique(argument)) continue;
        if (!sent.contains(argument))
          return argument + " is in the log, and nobody may have sent it";
        const auto [it, added] = seen.try_emplace(argument, index);
        if (!added) {
          return argument + " is in the log twice, at " + std::to_string(it->second.value()) +
                 " and " + std::to_string(index.value());
        }
      }
    }
  }
  return {};
}

namespace {

// Every command of the log with its place, in order.
class Places {
 public:
  explicit Places(const CommittedLog& log) {
    for (const auto& [index, entry] : log) {
      uint32_t rank = 0;
      for (const LogCommand& command : entry.commands) {
        const size_t at = all_.size();
        all_.push_back({index, ++rank, &command.argv});
        if (std::any_of(command.argv.begin(), command.argv.end(), IsUnique)) {
          unique_[command.argv] = at;
        }
      }
    }
  }

  void Find(Op& op) const {
    const auto it = unique_.find(op.argv);
    if (it != unique_.end()) Set(op, it->second);
  }
  // The next equal command after the one that `before` is, or the last one before `after`.
  void FindBehind(Op& op, const Op& before) const {
    if (IsRead(op)) return Copy(op, before);
    for (size_t i = At(before) + 1; i < all_.size(); ++i) {
      if (*all_[i].argv == op.argv) return Set(op, i);
    }
  }
  void FindAhead(Op& op, const Op& after) const {
    if (IsRead(op)) return Copy(op, after);
    for (size_t i = At(after); i-- > 0;) {
      if (*all_[i].argv == op.argv) return Set(op, i);
    }
  }

 private:
  struct Place {
    Index index;
    uint32_t rank;
    const std::vector<std::string>* argv;
  };

  static void Copy(Op& op, const Op& from) {
    std::tie(op.position, op.rank) = std::tie(from.position, from.rank);
  }
  void Set(Op& op, size_t at) const {
    std::tie(op.position, op.rank) = std::tie(all_[at].index, all_[at].rank);
  }
  [[nodiscard]] size_t At(const Op& op) const {
    const auto it = std::lower_bound(all_.begin(), all_.end(), op, [](const Place& a, const Op& b) {
      return std::tie(a.index, a.rank) < std::tie(b.position, b.rank);
    });
    return static_cast<size_t>(it - all_.begin());
  }

  std::vector<Place> all_;
  std::map<std::vector<std::string>, size_t> unique_;
};

}  // namespace

void FindPositions(const CommittedLog& log, History& history) {
  const Places places(log);
  std::map<std::pair<int, uint64_t>, std::vector<Op*>> chains;
  for (Op& op : history) {
    if (op.position == Index()) places.Find(op);
    if (op.chain != 0 && op.Known()) chains[{op.client, op.chain}].push_back(&op);
  }
  for (auto& [key, chain] : chains) {
    for (size_t i = 1; i < chain.size(); ++i) {
      if (chain[i]->position == Index() && chain[i - 1]->position != Index()) {
        places.FindBehind(*chain[i], *chain[i - 1]);
      }
    }
    for (size_t i = chain.size() - 1; i-- > 0;) {
      if (chain[i]->position == Index() && chain[i + 1]->position != Index()) {
        places.FindAhead(*chain[i], *chain[i + 1]);
      }
    }
  }
}

}  // namespace kvorum::check
