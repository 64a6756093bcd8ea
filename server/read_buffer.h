// SPDX-License-Identifier: Apache-2.0
//
// What is read from sockets passes through one buffer of the reactor: a string that is grown to be
// read into is cleared first, and for small requests that costs more than to copy them.
#pragma once

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <memory>
#include <string>

namespace kvorum::server {

// The reactor's thread only.
class ReadBuffer {
 public:
  static constexpr size_t kBytes = size_t{256} << 10;

  // Reads once, at most `most` bytes, and appends them to `to`. Returns how many.
  size_t Append(boost::asio::ip::tcp::socket& socket, size_t most, std::string& to,
                boost::system::error_code& error) {
    const size_t got =
        socket.read_some(boost::asio::buffer(bytes_.get(), std::min(most, kBytes)), error);
    to.append(bytes_.get(), got);
    return got;
  }

 private:
  std::unique_ptr<char[]> bytes_ = std::make_unique_for_overwrite<char[]>(kBytes);
};

}  // namespace kvorum::server
