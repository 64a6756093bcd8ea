// SPDX-License-Identifier: Apache-2.0
//
// Commands that meet each other: few keys, many of them spelled by chance, every option, and
// arguments that are wrong every now and then.
#pragma once

#include <string>
#include <vector>

#include "tests/model/choices.h"

namespace kvorum::model {

// A command that Model::Knows.
std::vector<std::string> DrawCommand(Choices& choices);

}  // namespace kvorum::model
