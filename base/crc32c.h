// SPDX-License-Identifier: Apache-2.0
//
// CRC-32C (Castagnoli), the checksum of every record and frame. Uses the SSE4.2 instruction where
// the processor has it, a table otherwise; both are checked against Boost.CRC in the tests.
#pragma once

#include <cstdint>
#include <string_view>

namespace kvorum {

// Continues `crc` over `bytes`: Crc32c(Crc32c(0, a), b) == Crc32c(0, a + b). Any thread.
uint32_t Crc32c(uint32_t crc, std::string_view bytes);

// The table version, exposed so that tests can compare the two.
uint32_t Crc32cPortable(uint32_t crc, std::string_view bytes);

}  // namespace kvorum
