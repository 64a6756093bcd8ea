// SPDX-License-Identifier: Apache-2.0
//
// CRC-32C (Castagnoli), the checksum of every record and frame. Computed by Intel's ISA-L, which
// picks the widest instructions that the processor has.
#pragma once

#include <cstdint>
#include <string_view>

namespace kvorum {

// Continues `crc` over `bytes`: Crc32c(Crc32c(0, a), b) == Crc32c(0, a + b). Any thread.
uint32_t Crc32c(uint32_t crc, std::string_view bytes);

}  // namespace kvorum
