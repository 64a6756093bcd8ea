// SPDX-License-Identifier: Apache-2.0
//
// A history as text, to be looked at and checked again (`kvorum-chaos --check FILE`):
//
//   kvorum-history 1
//   <client> <invoked us> <returned us, or -> <reply> <argument> <argument> ...
//
// One line an operation. In replies and arguments every byte that is not a printable ASCII
// character, and '%', is written %XX; an empty one is %-.
#pragma once

#include <string>

#include "tests/check/history.h"

namespace kvorum::chaos {

bool WriteHistory(const std::string& path, const check::History& history);
// False: there is no such file, or it is none.
bool ReadHistory(const std::string& path, check::History* history);

}  // namespace kvorum::chaos
