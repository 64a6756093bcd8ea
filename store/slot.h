// SPDX-License-Identifier: Apache-2.0
//
// The slot of a key, as every Redis Cluster client computes it: CRC16 (XMODEM: polynomial 0x1021,
// initial value 0) of the key, or of what stands between its first '{' and the next '}' when that
// is not empty, modulo 16384. Redis Cluster specification, "Hash tags".
#pragma once

#include <cstdint>
#include <string_view>

namespace kvorum::store {

uint16_t Crc16(std::string_view bytes);

// The part of the key that is hashed.
std::string_view HashTag(std::string_view key);

uint16_t SlotOf(std::string_view key);

}  // namespace kvorum::store
