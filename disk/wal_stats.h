// SPDX-License-Identifier: Apache-2.0
//
// What the log counts about itself; metrics/ reads it.
#pragma once

#include "base/stats.h"

namespace kvorum::disk {

// Written by the WAL's thread, readable by any.
struct WalStats {
  Counter appended_bytes;  // with record headers and padding
  Counter appended_batches;
  Counter appended_entries;
  Counter syncs;  // of segments
  Counter vote_saves;
  Counter segments_created;    // written with zeroes
  Counter segments_allocated;  // not written first, because no spare one was there
  Counter segments_recycled;   // taken from spare ones
  Counter segments_dropped;
  Gauge segments;
  Gauge disk_bytes;  // segments and spares
};

}  // namespace kvorum::disk
