// SPDX-License-Identifier: Apache-2.0
//
// Time as values. Only server/ and the simulator read a clock; everything below is handed the time
// of its turn. Boot time counts while the machine is suspended (CLOCK_BOOTTIME) and orders timers
// and leases; wall time is what people and TTLs mean.
#pragma once

#include <cstdint>

namespace kvorum {

using Micros = int64_t;  // boot clock, microseconds
using UnixMs = int64_t;  // wall clock, milliseconds since 1970

struct Now {
  Micros boot_us = 0;
  UnixMs wall_ms = 0;
};

}  // namespace kvorum
