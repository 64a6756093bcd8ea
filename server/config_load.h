// SPDX-License-Identifier: Apache-2.0
//
// Directives: where they come from, what they mean, and which CONFIG SET may change. One table
// (config_load.cc, kDirectives) has everything that is known of a directive.
//
// Precedence: command line, environment (KVORUM_<DIRECTIVE>, '-' becomes '_'), file, default. The
// file has redis.conf's grammar: one directive a line, '#' comments, quotes and escapes, include,
// and units (1k = 1000, 1kb = 1024, ...).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "server/config.h"

namespace kvorum::server {

struct CommandLine {
  bool help = false;
  bool version = false;
};

// Parses everything and checks the whole. An error names file and line, variable or option.
// `environment`: "NAME=value" strings.
Status LoadConfig(std::span<const std::string> arguments, std::span<const std::string> environment,
                  Config* config, CommandLine* line);

// Usage, with every directive, its default and one line of what it does.
std::string Usage();

// CONFIG GET: name and value of every directive that matches the glob, in table order.
std::vector<std::pair<std::string, std::string>> ConfigGet(const Config& config,
                                                           std::string_view pattern);
// CONFIG SET: all or nothing. On an error `why` is Redis's text without "ERR ".
bool ConfigSet(Config& config, std::span<const std::pair<std::string_view, std::string_view>> pairs,
               std::string* why);

}  // namespace kvorum::server
