// SPDX-License-Identifier: Apache-2.0
//
// The state machine and the model, command by command: the same commands at the same times, through
// the same gates as on a server (lookup, arity, check before proposing), and equal replies.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/time.h"
#include "store/envelope.h"
#include "store/machine.h"
#include "tests/model/model.h"

namespace kvorum::model {

class SideBySide {
 public:
  // Small, so that the limit on strings is met and no input takes much memory; not smaller than the
  // longest number that INCRBYFLOAT makes, for a snapshot refuses what is longer.
  static constexpr size_t kMaxStringBytes = 8192;

  explicit SideBySide(uint64_t hash_seed = 1);

  // What is wrong, or nothing. A complaint says the command, both answers and the model's state.
  std::string Run(const std::vector<std::string>& argv, int database);
  // Time goes on; the log hears of it with the next write.
  void Advance(int64_t ms) { wall_ += ms; }
  // An entry without commands.
  void Pulse();
  // Looks at every key of every database.
  std::string CompareAll();
  // Takes a snapshot, loads it into a new machine and goes on with that one.
  std::string Restart(size_t step_bytes, size_t piece_bytes);
  // Takes a part of a snapshot; the next call takes the next part.
  void SnapshotStep(size_t step_bytes);

  store::Machine& machine() { return *machine_; }
  [[nodiscard]] UnixMs wall() const { return wall_; }

 private:
  std::string Execute(const std::vector<std::string>& argv, int database);

  store::MachineOptions options_;
  std::unique_ptr<store::Machine> machine_;
  Model model_{kMaxStringBytes};
  store::EnvelopeWriter writer_;
  UnixMs wall_ = 1'700'000'000'000;
  std::string stream_;
};

}  // namespace kvorum::model
