// SPDX-License-Identifier: Apache-2.0
//
// Random write commands over few keys, so that they meet each other often.
#pragma once

#include <string>

#include "base/rng.h"
#include "tests/store/fixture.h"

namespace kvorum::store {

inline std::string RandomKey(Rng& rng, uint64_t keys) {
  const uint64_t i = rng.Below(keys);
  return (i % 2 == 0 ? "{t}" : "key") + std::to_string(i);
}

inline std::string RandomValue(Rng& rng) {
  if (rng.OneIn(1, 2)) return std::to_string(rng.Between(-100, 1000));
  return std::string(rng.Below(80), static_cast<char>('a' + rng.Below(3)));
}

inline Words RandomWrite(Rng& rng, uint64_t keys) {
  const std::string key = RandomKey(rng, keys);
  const std::string other = RandomKey(rng, keys);
  switch (rng.Below(24)) {
    case 0:
      return {"DEL", key, other};
    case 1:
      return {"APPEND", key, RandomValue(rng)};
    case 2:
      return {"INCR", key};
    case 3:
      return {"INCRBYFLOAT", key, "0.25"};
    case 4:
      return {"PEXPIRE", key, std::to_string(rng.Between(-5, 300))};
    case 5:
      return {"PERSIST", key};
    case 6:
      return {"RENAME", key, other};
    case 7:
      return {"RENAMENX", key, other};
    case 8:
      return {"COPY", key, other, "REPLACE"};
    case 9:
      return {"MOVE", key, std::to_string(rng.Below(3))};
    case 10:
      return {"SETRANGE", key, std::to_string(rng.Below(50)), "xyz"};
    case 11:
      return {"GETDEL", key};
    case 12:
      return {"GETEX", key, "PX", "100"};
    case 13:
      return {"MSETNX", key, "1", other, "2"};
    case 14:
      return {"SET", key, RandomValue(rng), "KEEPTTL"};
    case 15:
      return {"SET", key, RandomValue(rng), "PX", std::to_string(rng.Below(300) + 1)};
    case 16:
      if (rng.OneIn(1, 20)) return {"SWAPDB", "0", std::to_string(rng.Below(3))};
      [[fallthrough]];
    case 17:
      if (rng.OneIn(1, 60)) return {rng.OneIn(1, 2) ? "FLUSHDB" : "FLUSHALL"};
      [[fallthrough]];
    default:
      return {"SET", key, RandomValue(rng)};
  }
}

}  // namespace kvorum::store
