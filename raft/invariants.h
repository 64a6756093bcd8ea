// SPDX-License-Identifier: Apache-2.0
//
// Everything that must always be true of one Core, checked after every input in tests and in the
// simulator. What must be true *between* members (one leader in a term, log matching, leader
// completeness) is the simulator's to check.
#pragma once

#include "base/ids.h"
#include "raft/core.h"

namespace kvorum::raft {

// Remembers what must not go back. One per Core.
class InvariantChecker {
 public:
  // KV_CHECKs; ends the process when something does not hold.
  void Check(const Core& core);

 private:
  void CheckLog(const Core& core);
  static void CheckConfiguration(const Core& core);
  static void CheckLeader(const Core& core);

  HardState hard_state_;
  Index commit_;
  Index applied_;
  bool was_leader_ = false;
  Term leader_term_;
  Index leader_last_;
  Index seen_last_;
  Term seen_term_;
};

}  // namespace kvorum::raft
