// SPDX-License-Identifier: Apache-2.0
//
// A target is one function that takes any bytes and comes back: libFuzzer drives it (scripts/fuzz),
// and so does corpus_main.cc, over the committed corpus, in every build. What must hold is asked
// with KV_CHECK, so a wrong answer is a crash like any other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace kvorum::fuzz {

inline std::string_view View(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace kvorum::fuzz
