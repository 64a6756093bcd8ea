// SPDX-License-Identifier: Apache-2.0
#include "server/clocks.h"

#include <ctime>

namespace kvorum::server {

Micros BootMicros() {
  timespec t{};
  clock_gettime(CLOCK_BOOTTIME, &t);
  return Micros{t.tv_sec} * 1'000'000 + t.tv_nsec / 1000;
}

Now ReadClocks() {
  timespec wall{};
  clock_gettime(CLOCK_REALTIME, &wall);
  return {BootMicros(), UnixMs{wall.tv_sec} * 1000 + wall.tv_nsec / 1'000'000};
}

}  // namespace kvorum::server
