// SPDX-License-Identifier: Apache-2.0
//
// The store against the model: commands drawn from the input, time that goes on between them,
// snapshots that are taken in steps, and machines that are loaded from one.
#include <cstdio>

#include "base/check.h"
#include "tests/fuzz/fuzz.h"
#include "tests/model/choices.h"
#include "tests/model/draw_command.h"
#include "tests/model/side_by_side.h"

namespace kvorum::fuzz {
namespace {

void Must(const std::string& complaint) {
  if (complaint.empty()) return;
  std::fprintf(stderr, "%s\n", complaint.c_str());
  KV_CHECK_MSG(false, "the store and the model disagree");
}

void Step(model::ByteChoices& in, model::SideBySide& both) {
  switch (in.Below(64)) {
    case 0:
      return both.Advance(static_cast<int64_t>(in.Below(2000)));
    case 1:
      return both.Advance(static_cast<int64_t>(in.Below(100)));
    case 2:
      return both.Pulse();
    case 3:
    case 4:
      return both.SnapshotStep(in.Below(200));
    case 5:
      return Must(both.Restart(in.Below(200), in.Below(60)));
    default: {
      // Each database in use makes a run slower: mostly one.
      const uint64_t number = in.Below(16);
      const int database = number < 14 ? 0 : static_cast<int>(number) - 13;
      return Must(both.Run(model::DrawCommand(in), database));
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  model::ByteChoices in(View(data, size));
  model::SideBySide both(in.Below(256));
  while (!in.empty()) Step(in, both);
  Must(both.CompareAll());
  return 0;
}

}  // namespace kvorum::fuzz
