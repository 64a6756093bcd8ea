// SPDX-License-Identifier: Apache-2.0
//
// Runs tests/scripts/server/*.txt against one node. A script is blocks of
//
//   > SET k "a b"      a command, split as an inline request, sent as a multibulk
//   raw "*1\r\n..."    these bytes as they are; several strings are sent one after another
//   client 2           what follows is sent by connection 2, opened at the cluster port
//   proxy 3            ... at the proxy port
//   advance 100        milliseconds pass
//   ----
//   what came back, up to an empty line
//
// What came back is shown as it was sent, a line of RESP a line, with escapes; an empty line as
// "(empty)", nothing at all as "(nothing)", a closed connection as "(closed)". With
// KVORUM_REWRITE=1 the expectations are replaced by what was seen: read the difference.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "resp/parser.h"
#include "tests/server/node_fixture.h"

namespace kvorum::server {
namespace {

std::string Escaped(std::string_view line) {
  constexpr std::string_view kHex = "0123456789abcdef";
  if (line.empty()) return "(empty)";
  std::string out;
  for (const char c : line) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (byte < 0x20 || byte >= 0x7F) {
      out.append({'\\', 'x', kHex[byte >> 4], kHex[byte & 15]});
    } else {
      out += c;
    }
  }
  return out;
}

std::string Shown(std::string_view bytes) {
  if (bytes.empty()) return "(nothing)\n";
  std::string out;
  while (!bytes.empty()) {
    const size_t end = std::min(bytes.find("\r\n"), bytes.size());
    out += Escaped(bytes.substr(0, end)) + "\n";
    bytes.remove_prefix(std::min(end + 2, bytes.size()));
  }
  return out;
}

std::vector<std::string> Split(std::string_view line) {
  std::string text;
  std::vector<size_t> ends;
  EXPECT_TRUE(resp::SplitQuoted(line, text, ends)) << line;
  std::vector<std::string> words;
  size_t begin = 0;
  for (const size_t end : ends) {
    words.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return words;
}

class Script {
 public:
  // Reads a script and writes what it should have been.
  std::string Rewrite(std::istream& in) {
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
        replies += Execute(line);
      }
    }
    if (expecting) out += replies;
    return out;
  }

 private:
  std::string Execute(const std::string& line) {
    const size_t blank = std::min(line.find(' '), line.size());
    const std::string verb = line.substr(0, blank);
    const std::vector<std::string> words = Split(line.substr(blank));
    if (verb == ">") return Send(Multibulk(words));
    if (verb == "raw") {
      std::string bytes;
      for (const std::string& word : words) bytes += word;
      return Send(bytes);
    }
    const int number = words.size() == 1 ? std::atoi(words[0].c_str()) : 0;
    if (verb == "client" || verb == "proxy") {
      client_ = number;
      if (!clients_.contains(number)) {
        clients_[number] = &node_.Connect(verb == "proxy" ? PortKind::kProxy : PortKind::kCluster);
      }
    } else if (verb == "advance") {
      node_.group().Advance(Micros{number} * 1000);
      return Shown(std::exchange(clients_.at(client_)->received, {}));
    } else {
      ADD_FAILURE() << "unknown line: " << line;
    }
    return "";
  }
  std::string Send(std::string_view bytes) {
    if (!clients_.contains(client_)) clients_[client_] = &node_.Connect();
    return Shown(node_.Send(*clients_.at(client_), bytes));
  }

  OneNode node_;
  std::map<int, TestClient*> clients_;
  int client_ = 1;
};

TEST(ServerScripts, RepliesAreAsWritten) {
  const bool rewrite = std::getenv("KVORUM_REWRITE") != nullptr;
  const std::filesystem::path folder = std::string(KVORUM_SOURCE_DIR) + "/tests/scripts/server";
  std::vector<std::filesystem::path> scripts;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".txt") scripts.push_back(entry.path());
  }
  std::sort(scripts.begin(), scripts.end());
  ASSERT_FALSE(scripts.empty());
  for (const auto& path : scripts) {
    SCOPED_TRACE(path.filename().string());
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    const std::string expected = text.str();
    const std::string seen = Script().Rewrite(text);
    if (rewrite) {
      std::ofstream(path) << seen;
    } else {
      EXPECT_EQ(seen, expected);
    }
  }
}

}  // namespace
}  // namespace kvorum::server
