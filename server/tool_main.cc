// SPDX-License-Identifier: Apache-2.0
//
// kvorum-tool: looks at the files of a node that is not running. See disk/inspect.h.
#include <iostream>
#include <string>
#include <vector>

#include "disk/inspect.h"
#include "disk/posix_files.h"

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  kvorum::disk::PosixFiles files("");
  return kvorum::disk::RunTool(files, arguments, std::cout, std::cerr);
}
