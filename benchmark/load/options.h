// SPDX-License-Identifier: Apache-2.0
//
// The command line of kvorum-bench.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace kvorum::load {

struct Address {
  std::string host;
  uint16_t port = 0;
  bool operator==(const Address&) const = default;
};

struct Options {
  std::vector<Address> nodes;  // at least one
  bool cluster = false;
  uint64_t clients = 50;
  uint64_t threads = 1;
  uint64_t pipeline = 1;
  double rate_per_s = 0;  // 0: closed loop
  double duration_s = 10;
  uint64_t requests = 0;  // 0: by duration
  double warmup_s = 0;
  bool fill = false;  // each key written once, in order; requests is the number of keys
  uint64_t keys = 100000;
  double theta = 0;  // 0: uniform
  double reads = 0;  // share, 0..1
  uint64_t value_bytes = 64;
  std::vector<std::string> after;  // the words of a command behind each write; may be empty
  uint64_t seed = 1;
  bool json = false;
  bool help = false;
};

// argv without the program's name. Values follow their option or an '='.
Result<Options> ParseOptions(std::span<const std::string_view> argv);
std::string_view Help();

// "host:port"; false when it is not.
bool ParseAddress(std::string_view text, Address& address);

}  // namespace kvorum::load
