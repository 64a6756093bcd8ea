// SPDX-License-Identifier: Apache-2.0
#include "store/slot.h"

#include <array>

#include "store/limits.h"

namespace kvorum::store {

namespace {

constexpr std::array<uint16_t, 256> MakeTable() {
  std::array<uint16_t, 256> table{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    unsigned crc = byte << 8;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc & 0x8000U) != 0 ? (crc << 1) ^ 0x1021U : crc << 1;
    }
    table[byte] = static_cast<uint16_t>(crc);
  }
  return table;
}

constexpr std::array<uint16_t, 256> kTable = MakeTable();

}  // namespace

uint16_t Crc16(std::string_view bytes) {
  unsigned crc = 0;
  for (const char c : bytes) {
    crc = ((crc << 8) & 0xFFFFU) ^ kTable[((crc >> 8) ^ static_cast<uint8_t>(c)) & 0xFFU];
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
