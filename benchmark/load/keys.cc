// SPDX-License-Identifier: Apache-2.0
#include "benchmark/load/keys.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace kvorum::load {
namespace {

double Zeta(uint64_t n, double theta) {
  double sum = 0;
  for (uint64_t i = 1; i <= n; ++i) sum += 1 / std::pow(static_cast<double>(i), theta);
  return sum;
}

constexpr std::array<uint16_t, 256> MakeCrc16Table() {
  std::array<uint16_t, 256> table{};
  for (unsigned i = 0; i < 256; ++i) {
    unsigned crc = i << 8;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1;
    table[i] = static_cast<uint16_t>(crc);
  }
  return table;
}
constexpr auto kCrc16 = MakeCrc16Table();

// `value` in exactly 12 decimal digits, as redis-benchmark writes it.
void AppendDigits(std::string& out, uint64_t value) {
  char digits[12];
  for (size_t i = sizeof(digits); i-- > 0; value /= 10) {
    digits[i] = static_cast<char>('0' + value % 10);
  }
  out.append(digits, sizeof(digits));
}

}  // namespace

Zipfian::Zipfian(uint64_t n, double theta)
    : n_(static_cast<double>(n)),
      theta_(theta),
      zeta_n_(Zeta(n, theta)),
      alpha_(1 / (1 - theta)),
      eta_((1 - std::pow(2 / n_, 1 - theta)) / (1 - Zeta(2, theta) / zeta_n_)) {}

uint64_t Zipfian::Next(Rng& rng) const {
  const double u = static_cast<double>(rng.Next() >> 11) * 0x1p-53;
  const double uz = u * zeta_n_;
  if (uz < 1) return 0;
  if (uz < 1 + std::pow(0.5, theta_)) return std::min<uint64_t>(1, static_cast<uint64_t>(n_) - 1);
  const auto rank = static_cast<uint64_t>(n_ * std::pow(eta_ * u - eta_ + 1, alpha_));
  return std::min(rank, static_cast<uint64_t>(n_) - 1);
}

KeyChooser::KeyChooser(uint64_t n, double theta)
    : n_(n), uniform_(theta == 0), zipfian_(uniform_ ? 3 : n, uniform_ ? 0.5 : theta) {
  // Multiplying by a number that has no divisor in common with n is a permutation of 0..n-1.
  factor_ = 2654435761;
  while (std::gcd(factor_, n_) != 1) ++factor_;
}

uint64_t KeyChooser::Next(Rng& rng) const {
  return uniform_ ? rng.Below(n_) : Spread(zipfian_.Next(rng));
}

uint64_t KeyChooser::Spread(uint64_t rank) const {
  return static_cast<uint64_t>(static_cast<unsigned __int128>(rank) * factor_ % n_);
}

void AppendKey(std::string& out, uint64_t key) {
  out += "key:";
  AppendDigits(out, key);
}

void AppendValue(std::string& out, uint64_t key, size_t bytes) {
  const size_t begin = out.size();
  AppendDigits(out, key);
  out.resize(begin + bytes, 'v');
}

uint16_t SlotOf(std::string_view key) {
  unsigned crc = 0;
  for (const char c : key) {
    crc = ((crc << 8) & 0xFFFF) ^ kCrc16[((crc >> 8) ^ static_cast<unsigned char>(c)) & 0xFF];
  }
  return static_cast<uint16_t>(crc % kSlots);
}

}  // namespace kvorum::load
