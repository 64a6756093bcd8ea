// SPDX-License-Identifier: Apache-2.0
//
// Runs tests/scripts/store/*.txt. A script is blocks of
//
//   > SET k v          a command, split as an inline request
//   advance 100        milliseconds of the log's clock
//   display 100        milliseconds of the wall clock alone
//   feature-level 2    raises it
//   pulse              an entry without commands
//   db 1               the database of what follows
//   resp 3             the protocol of what follows
//   reload             snapshot, and load it into a new machine
//   ----
//   the replies, one after another, up to an empty line
//
// With KVORUM_REWRITE=1 the replies are replaced by what was seen: read the difference.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/store/fixture.h"

namespace kvorum::store {
namespace {

std::string Execute(Store& store, const std::string& line) {
  if (line.starts_with("> ")) return store.RunLine(line.substr(2)) + "\n";
  std::istringstream words(line);
  std::string verb;
  int64_t number = 0;
  words >> verb >> number;
  if (verb == "advance") {
    store.Advance(number);
  } else if (verb == "display") {
    store.AdvanceDisplay(number);
  } else if (verb == "feature-level") {
    store.RaiseFeatureLevel(static_cast<FeatureLevel>(number));
  } else if (verb == "pulse") {
    store.Pulse();
  } else if (verb == "db") {
    store.SetDatabase(static_cast<uint8_t>(number));
  } else if (verb == "resp") {
    store.SetProtocol(static_cast<resp::Protocol>(number));
  } else if (verb == "reload") {
    store.Reload();
  } else {
    ADD_FAILURE() << "unknown line: " << line;
  }
  return "";
}

// Reads a script and writes what it should have been.
std::string Rewrite(std::istream& in) {
  Store store;
  std::string out;
  std::string replies;
  std::string line;
  bool expecting = false;
  while (std::getline(in, line)) {
    if (expecting) {
      if (!line.empty()) continue;
      out += replies + "\n";
      replies.clear();
      expecting = false;
      continue;
    }
    out += line + "\n";
    if (line == "----") {
      expecting = true;
    } else if (!line.empty() && line[0] != '#') {
      replies += Execute(store, line);
    }
  }
  if (expecting) out += replies;
  return out;
}

std::vector<std::filesystem::path> Scripts() {
  std::vector<std::filesystem::path> paths;
  const std::filesystem::path folder = std::string(KVORUM_SOURCE_DIR) + "/tests/scripts/store";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".txt") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

TEST(Scripts, RepliesAreAsWritten) {
  const bool rewrite = std::getenv("KVORUM_REWRITE") != nullptr;
  const auto scripts = Scripts();
  ASSERT_FALSE(scripts.empty());
  for (const auto& path : scripts) {
    SCOPED_TRACE(path.filename().string());
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    const std::string expected = text.str();
    const std::string seen = Rewrite(text);
    if (rewrite) {
      std::ofstream(path) << seen;
    } else {
      EXPECT_EQ(seen, expected);
    }
  }
}

}  // namespace
}  // namespace kvorum::store
