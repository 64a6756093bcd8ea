// SPDX-License-Identifier: Apache-2.0
//
// A follower: bytes from the leader to its file, the number of durable ones back. One thread is
// enough, because the socket's buffer is where the next batch grows while this one is synced.
#pragma once

#include "benchmark/roofline/log_file.h"
#include "benchmark/roofline/sockets.h"

namespace kvorum::roofline {

// Serves the one leader that connects to `listening`; returns when it is gone.
inline void RunFollower(int listening, LogFile& file) {
  const int leader = accept(listening, nullptr, nullptr);
  KV_CHECK(leader >= 0);
  NoDelay(leader);
  uint64_t durable = 0;
  std::string buffer(1 << 20, '\0');
  while (true) {
    const ssize_t n = recv(leader, buffer.data(), buffer.size(), 0);
    if (n <= 0) return;
    file.WriteAndSync({buffer.data(), static_cast<size_t>(n)});
    durable += static_cast<uint64_t>(n);
    if (send(leader, &durable, sizeof(durable), MSG_NOSIGNAL) != sizeof(durable)) return;
  }
}

}  // namespace kvorum::roofline
