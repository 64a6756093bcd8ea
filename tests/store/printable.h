// SPDX-License-Identifier: Apache-2.0
//
// RESP as text for expectations, much as redis-cli shows it, with the RESP3 kinds told apart.
#pragma once

#include <string>
#include <string_view>

namespace kvorum::store {

// All replies in `bytes`, a line (or more) each, without a final newline. Malformed bytes fail the
// running test.
std::string Printable(std::string_view bytes);

// "a\r\n" with quotes and escapes.
std::string Quoted(std::string_view bytes);

}  // namespace kvorum::store
