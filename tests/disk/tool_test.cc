// SPDX-License-Identifier: Apache-2.0
//
// Scripts of kvorum-tool: tests/scripts/disk/*.txt. Commands build a log on a disk in memory,
// damage it, and look at it; the whole output stands behind `----`. KVORUM_REWRITE=1 rewrites it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "disk/inspect.h"
#include "disk/snapshot_store.h"
#include "tests/disk/log_model.h"

namespace kvorum::disk {
namespace {

class Script {
 public:
  std::string Run(const std::string& line) {
    std::istringstream in(line);
    std::string command;
    in >> command;
    if (command == "open") return Say(log_.Open());
    if (command == "vote") {
      const uint64_t term = Number(in);
      return Say(log_.Write({VoteFor(term, Number(in))}));
    }
    if (command == "append") return Append(in);
    if (command == "reset") return Reset(in);
    if (command == "compact") {
      const uint64_t index = Number(in);
      return Say(log_.wal->Compact(MetaAt(index, Number(in))));
    }
    if (command == "snapshot") return Snapshot(in);
    if (command == "flip") {
      std::string path;
      in >> path;
      log_.files.Corrupt(path, Number(in));
      return "";
    }
    if (command == "tool") return Tool(in);
    return "unknown command: " + line + "\n";
  }

 private:
  static uint64_t Number(std::istream& in) {
    uint64_t value = 0;
    in >> value;
    return value;
  }
  static std::string Say(const Status& s) { return s.ok() ? "" : s.message() + "\n"; }

  std::string Append(std::istream& in) {
    const uint64_t index = Number(in);
    const uint64_t term = Number(in);
    raft::Save save;
    uint64_t bytes = 0;
    for (uint64_t i = index; in >> bytes; ++i) {
      save.entries.push_back(MakeEntry(i, term, std::string(bytes, 'v')));
    }
    return Say(log_.Write({save}));
  }
  std::string Reset(std::istream& in) {
    const uint64_t index = Number(in);
    raft::Save save;
    save.reset_to = MetaAt(index, Number(in));
    return Say(log_.Write({save}));
  }
  std::string Snapshot(std::istream& in) {
    const uint64_t index = Number(in);
    const uint64_t term = Number(in);
    auto store = SnapshotStore::Open(log_.files, "node", kTestCluster).value();
    auto writer = store->Create(MetaAt(index, term)).value();
    // Nothing in it repeats: how much a library packs is not of interest here.
    std::string content(Number(in), '\0');
    Rng rng(index);
    for (char& c : content) c = static_cast<char>(rng.Next());
    (void)writer->Add(content);
    return Say(writer->Finish());
  }
  std::string Tool(std::istream& in) {
    std::vector<std::string> arguments;
    for (std::string word; in >> word;) arguments.push_back(word);
    std::ostringstream out;
    std::ostringstream err;
    const uint64_t before = log_.files.changes();
    const int code = RunTool(log_.files, arguments, out, err);
    EXPECT_EQ(log_.files.changes(), before) << "the tool only reads";
    return out.str() + err.str() + "exit " + std::to_string(code) + "\n";
  }

  TestLog log_;
};

TEST(Tool, Scripts) {
  const std::filesystem::path dir = std::string(KVORUM_SOURCE_DIR) + "/tests/scripts/disk";
  int scripts = 0;
  for (const auto& file : std::filesystem::directory_iterator(dir)) {
    std::ifstream in(file.path());
    std::string input;
    std::string line;
    while (std::getline(in, line) && line != "----") input += line + "\n";
    const std::string expected((std::istreambuf_iterator<char>(in)),
                               std::istreambuf_iterator<char>());
    Script script;
    std::string output;
    std::istringstream lines(input);
    while (std::getline(lines, line)) {
      if (line.empty() || line.front() == '#') continue;
      output += "> " + line + "\n" + script.Run(line);
    }
    if (std::getenv("KVORUM_REWRITE") != nullptr) {
      std::ofstream(file.path()) << input << "----\n" << output;
    } else {
      EXPECT_EQ(output, expected) << file.path();
    }
    ++scripts;
  }
  EXPECT_GE(scripts, 3);
}

}  // namespace
}  // namespace kvorum::disk
