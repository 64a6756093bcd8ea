// SPDX-License-Identifier: Apache-2.0
//
// The one table of directives: names, meanings, bounds, and how each is read from text and written
// back. Configuration files, the environment, the command line, CONFIG GET, CONFIG SET and the
// usage text all work from these rows; nothing else knows a directive's name.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "server/config.h"

namespace kvorum::server {

using Words = std::span<const std::string_view>;

struct Directive {
  std::string_view name;
  std::string_view doc;  // one line
  // Puts the words into `config`. Empty: done; else what is wrong with them, for a person.
  std::string (*set)(Config& config, Words words);
  // As a line of a configuration file would have it, but for quotes.
  std::string (*get)(const Config& config);
  bool runtime = false;  // CONFIG SET may change it: it takes effect at once or for new connections
  bool list = false;     // several words
  bool secret = false;   // its value is never repeated in an error
};

std::span<const Directive> Directives();
// Any case. nullptr: there is none of that name.
const Directive* FindDirective(std::string_view name);

// What `config` as a whole gets wrong; empty when it makes sense.
std::string FaultOf(const Config& config);

}  // namespace kvorum::server
