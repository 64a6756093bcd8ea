// SPDX-License-Identifier: Apache-2.0
//
// What is read from sockets passes through one buffer of the thread that reads: a string that is
// grown to be read into is cleared first, and for small requests that costs more than to copy them.
#pragma once

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace kvorum::server {

// One thread at a time.
class ReadBuffer {
 public:
  static constexpr size_t kBytes = size_t{256} << 10;

  // Reads once, at most `most` bytes, without waiting. Returns how many, 0 at the end of the
  // stream, or -errno. `bytes` holds until the next read of anybody.
  ssize_t Read(int socket, size_t most, std::string_view& bytes) {
    const ssize_t got = ::recv(socket, bytes_.get(), std::min(most, kBytes), MSG_DONTWAIT);
    bytes = {bytes_.get(), static_cast<size_t>(std::max<ssize_t>(got, 0))};
    return got < 0 ? -errno : got;
  }
  // The same, and appends them to `to`.
  ssize_t Append(int socket, size_t most, std::string& to) {
    std::string_view bytes;
    const ssize_t got = Read(socket, most, bytes);
    to.append(bytes);
    return got;
  }

  // Whether that is an error, and not one that says "later".
  static bool Failed(ssize_t result) {
    return result < 0 && result != -EAGAIN && result != -EWOULDBLOCK && result != -EINTR;
  }

 private:
  std::unique_ptr<char[]> bytes_ = std::make_unique_for_overwrite<char[]>(kBytes);
};

}  // namespace kvorum::server
