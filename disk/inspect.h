// SPDX-License-Identifier: Apache-2.0
//
// What kvorum-tool prints. Read-only: nothing is created, cut or locked, so it may run beside a
// server (and may then see a batch that is being written).
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "base/status.h"
#include "disk/files.h"

namespace kvorum::disk {

struct DumpOptions {
  uint64_t from_index = 0;      // records of entries below it are left out
  uint64_t limit = UINT64_MAX;  // lines
};

// One line a record. kCorrupt (file and offset) after what was readable.
Status DumpWal(Files& files, const std::string& dir, const DumpOptions& options, std::ostream& out);

// Everything recovery checks, and a summary.
Status VerifyWal(Files& files, const std::string& dir, std::ostream& out);

// A snapshot file, or each one in a directory: meta data, sizes, and whether all checksums hold.
Status SnapshotInfo(Files& files, const std::string& path, std::ostream& out);

// The whole program: arguments without its own name. Returns the exit code: 0, 1 (what was looked
// at is damaged or unreadable; the reason is on `err`), 2 (usage).
int RunTool(Files& files, const std::vector<std::string>& arguments, std::ostream& out,
            std::ostream& err);

}  // namespace kvorum::disk
