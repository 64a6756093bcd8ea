// SPDX-License-Identifier: Apache-2.0
//
// The only place that reads clocks.
#pragma once

#include "base/time.h"

namespace kvorum::server {

// CLOCK_BOOTTIME: counts while the machine is suspended. Any thread.
Micros BootMicros();
Now ReadClocks();

}  // namespace kvorum::server
