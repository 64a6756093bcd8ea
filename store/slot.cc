// SPDX-License-Identifier: Apache-2.0
#include "store/slot.h"

#include <array>

#include "store/limits.h"

namespace kvorum::store {

namespace {

constexpr size_t kSlice = 8;
using Tables = std::array<std::array<uint16_t, 256>, kSlice>;

// [k][byte]: what the byte has become when k more bytes have gone by. Eight bytes are then eight
// independent look-ups (Kounavis and Berry, "A systematic approach to building high performance
// software-based CRC generators", 2005).
constexpr Tables MakeTables() {
  Tables tables{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    unsigned crc = byte << 8;
    for (size_t k = 0; k < kSlice; ++k) {
      for (int bit = 0; bit < 8; ++bit) {
        crc = ((crc & 0x8000U) != 0 ? (crc << 1) ^ 0x1021U : crc << 1) & 0xFFFFU;
      }
      tables[k][byte] = static_cast<uint16_t>(crc);
    }
  }
  return tables;
}

constexpr Tables kTables = MakeTables();

}  // namespace

uint16_t Crc16(std::string_view bytes) {
  unsigned crc = 0;
  const auto* at = reinterpret_cast<const uint8_t*>(bytes.data());
  size_t left = bytes.size();
  for (; left >= kSlice; left -= kSlice, at += kSlice) {
    crc = kTables[7][at[0] ^ (crc >> 8)] ^ kTables[6][at[1] ^ (crc & 0xFFU)] ^ kTables[5][at[2]] ^
          kTables[4][at[3]] ^ kTables[3][at[4]] ^ kTables[2][at[5]] ^ kTables[1][at[6]] ^
          kTables[0][at[7]];
  }
  for (; left > 0; --left, ++at) {
    crc = ((crc << 8) & 0xFFFFU) ^ kTables[0][(crc >> 8) ^ *at];
  }
  return static_cast<uint16_t>(crc);
}

std::string_view HashTag(std::string_view key) {
  const size_t open = key.find('{');
  if (open == std::string_view::npos) return key;
  const size_t close = key.find('}', open + 1);
  if (close == std::string_view::npos || close == open + 1) return key;
  return key.substr(open + 1, close - open - 1);
}

uint16_t SlotOf(std::string_view key) {
  return static_cast<uint16_t>(Crc16(HashTag(key)) & (kSlots - 1));
}

}  // namespace kvorum::store
