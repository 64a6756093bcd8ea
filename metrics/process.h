// SPDX-License-Identifier: Apache-2.0
//
// What the kernel says of this process (proc(5)). Any thread.
#pragma once

namespace kvorum::metrics {

struct Process {
  double cpu_seconds = 0;
  double resident_bytes = 0;
  double virtual_bytes = 0;
  double open_fds = 0;
  double max_fds = 0;
  double start_time_seconds = 0;  // since 1970
};

Process ReadProcess();

}  // namespace kvorum::metrics
