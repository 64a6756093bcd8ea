// SPDX-License-Identifier: Apache-2.0
#include "base/crc32c.h"

#include <gtest/gtest.h>

#include <boost/crc.hpp>
#include <cstdint>
#include <string>

#include "base/rng.h"

namespace kvorum {
namespace {

// Somebody else's CRC-32C.
uint32_t Reference(std::string_view bytes) {
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
  crc.process_bytes(bytes.data(), bytes.size());
  return crc.checksum();
}

std::string Bytes(Rng& rng, size_t length) {
  std::string bytes(length, '\0');
  for (char& c : bytes) c = static_cast<char>(rng.Below(256));
  return bytes;
}

// RFC 3720, appendix B.4, and the customary check value.
TEST(Crc32c, KnownVectors) {
  std::string up(32, '\0');
  std::string down(32, '\0');
  for (size_t i = 0; i < 32; ++i) {
    up[i] = static_cast<char>(i);
    down[i] = static_cast<char>(31 - i);
  }
  const std::pair<std::string, uint32_t> vectors[] = {
      {"", 0},
      {"123456789", 0xE3069283},
      {std::string(32, '\0'), 0x8A9136AA},
      {std::string(32, '\xFF'), 0x62A8AB43},
      {up, 0x46DD794E},
      {down, 0x113FDB5C},
  };
  for (const auto& [bytes, crc] : vectors) {
    EXPECT_EQ(Crc32c(0, bytes), crc);
    EXPECT_EQ(Reference(bytes), crc);
  }
}

TEST(Crc32c, AgreesWithBoostAtAllLengthsAndAlignments) {
  Rng rng(7);
  for (size_t length = 0; length < 1100; ++length) {
    const std::string bytes = Bytes(rng, length + 8);
    for (size_t shift = 0; shift < 8; ++shift) {
      const std::string_view piece = std::string_view(bytes).substr(shift, length);
      ASSERT_EQ(Crc32c(0, piece), Reference(piece)) << length << " " << shift;
    }
  }
  const std::string large = Bytes(rng, 1 << 20);
  EXPECT_EQ(Crc32c(0, large), Reference(large));
}

TEST(Crc32c, PiecesGiveTheCrcOfTheWhole) {
  Rng rng(8);
  const std::string bytes = Bytes(rng, 100);
  const std::string_view all = bytes;
  for (size_t cut = 0; cut <= all.size(); ++cut) {
    ASSERT_EQ(Crc32c(Crc32c(0, all.substr(0, cut)), all.substr(cut)), Crc32c(0, all));
  }
}

TEST(Crc32c, EveryFlippedBitIsNoticed) {
  std::string bytes = "a record of the log";
  const uint32_t crc = Crc32c(0, bytes);
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    const char kept = bytes[bit / 8];
    bytes[bit / 8] = static_cast<char>(kept ^ (1 << (bit % 8)));
    EXPECT_NE(Crc32c(0, bytes), crc) << bit;
    bytes[bit / 8] = kept;
  }
}

}  // namespace
}  // namespace kvorum
