// SPDX-License-Identifier: Apache-2.0
//
// Little-endian byte coding for everything Kvorum writes to disk or to a peer. The writer appends
// to a caller-owned string. The reader latches its first error: a decoder reads all its fields and
// asks ok() once; after an error every read returns zero or empty, so nothing is over-read.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace kvorum {

static_assert(std::endian::native == std::endian::little, "formats are little-endian");

template <class Int>
void PutFixed(std::string& out, Int value) {
  char raw[sizeof(Int)];
  std::memcpy(raw, &value, sizeof(Int));
  out.append(raw, sizeof(Int));
}
inline void PutU8(std::string& out, uint8_t v) { out.push_back(static_cast<char>(v)); }
inline void PutU16(std::string& out, uint16_t v) { PutFixed(out, v); }
inline void PutU32(std::string& out, uint32_t v) { PutFixed(out, v); }
inline void PutU64(std::string& out, uint64_t v) { PutFixed(out, v); }

// LEB128: seven bits a byte, low bits first.
inline void PutVarint(std::string& out, uint64_t v) {
  while (v >= 0x80) {
    out.push_back(static_cast<char>(v | 0x80));
    v >>= 7;
  }
  out.push_back(static_cast<char>(v));
}
inline void PutString(std::string& out, std::string_view s) {
  PutVarint(out, s.size());
  out.append(s);
}
// Overwrites four bytes written earlier (length prefixes, checksums).
inline void PatchU32(std::string& out, size_t at, uint32_t v) { std::memcpy(&out[at], &v, 4); }

class Reader {
 public:
  explicit Reader(std::string_view in) : in_(in) {}

  template <class Int>
  Int Fixed() {
    Int v = 0;
    if (in_.size() < sizeof(Int)) {
      Fail();
      return 0;
    }
    std::memcpy(&v, in_.data(), sizeof(Int));
    in_.remove_prefix(sizeof(Int));
    return v;
  }
  uint8_t U8() { return Fixed<uint8_t>(); }
  uint16_t U16() { return Fixed<uint16_t>(); }
  uint32_t U32() { return Fixed<uint32_t>(); }
  uint64_t U64() { return Fixed<uint64_t>(); }

  uint64_t Varint() {
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (in_.empty()) break;
      const auto byte = static_cast<uint8_t>(in_.front());
      in_.remove_prefix(1);
      if (shift == 63 && byte > 1) break;
      v |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return v;
    }
    Fail();
    return 0;
  }
  // A view into the input: valid as long as the input is.
  std::string_view Take(uint64_t n) {
    if (n > in_.size()) {
      Fail();
      return {};
    }
    const std::string_view taken = in_.substr(0, n);
    in_.remove_prefix(n);
    return taken;
  }
  std::string_view String() { return Take(Varint()); }

  void Fail() {
    ok_ = false;
    in_ = {};
  }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] size_t remaining() const { return in_.size(); }
  // True when everything was read and nothing is left over.
  [[nodiscard]] bool Done() const { return ok_ && in_.empty(); }

 private:
  std::string_view in_;
  bool ok_ = true;
};

}  // namespace kvorum
