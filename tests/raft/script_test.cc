// SPDX-License-Identifier: Apache-2.0
//
// Runs tests/scripts/raft/*.txt. A script is a list of blocks: commands, a line "----", and the
// whole trace they produce, up to an empty line. Lines that begin with '#' are comments. With
// KVORUM_REWRITE=1 the traces are rewritten, to be read as a diff.
//
//   cluster N | timeout ID | advance MS | deliver [A->B [COUNT]] | drop A->B | cut A B | cut A->B |
//   heal | hold ID | release ID | propose ID TEXT | read ID | lease ID | unreachable ID PEER |
//   transfer ID TARGET | restart ID | snapshot ID KEEP | install FROM->TO | busy FROM->TO | status
//   | quiet COMMAND | join ID | add ID NEW | remove ID MEMBER [force] | promote ID MEMBER [force] |
//   demote ID MEMBER [force] | members
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "tests/raft/trace_cluster.h"

namespace kvorum::raft {
namespace {

struct Block {
  std::string comment;
  std::string commands;
  std::string expected;
};

class Script {
 public:
  std::string Run(const std::string& commands) {
    std::istringstream lines(commands);
    std::string output;
    for (std::string line; std::getline(lines, line);) output += RunLine(line);
    return output;
  }

 private:
  std::string RunLine(std::string line) {
    const bool quiet = line.starts_with("quiet ");
    if (quiet) line.erase(0, 6);
    std::istringstream words(line);
    std::string verb;
    words >> verb;
    std::string status;
    if (verb == "cluster") {
      int nodes = 0;
      words >> nodes;
      cluster_ = std::make_unique<TraceCluster>(nodes);
    } else if (verb == "status") {
      status = cluster_->Status();
    } else if (verb == "members") {
      status = cluster_->Members();
    } else if (!Time(verb, words) && !Links(verb, words) && !Changes(verb, words) &&
               !Inputs(verb, words)) {
      return "unknown command: " + line + "\n";
    }
    const std::string trace = cluster_->TakeTrace() + status;
    return quiet ? "" : trace;
  }

  static NodeId Id(std::istringstream& words) {
    uint64_t id = 0;
    words >> id;
    return NodeId(id);
  }
  // "1->2"
  static std::pair<NodeId, NodeId> Link(const std::string& text) {
    const size_t arrow = text.find("->");
    return {NodeId(std::stoull(text.substr(0, arrow))),
            NodeId(std::stoull(text.substr(arrow + 2)))};
  }

  bool Time(const std::string& verb, std::istringstream& words) {
    if (verb == "timeout") {
      cluster_->Timeout(Id(words));
    } else if (verb == "advance") {
      int64_t ms = 0;
      words >> ms;
      cluster_->Advance(ms * 1000);
    } else {
      return false;
    }
    return true;
  }

  bool Links(const std::string& verb, std::istringstream& words) {
    std::string link;
    if (verb == "deliver") {
      if (!(words >> link)) {
        cluster_->DeliverAll();
        return true;
      }
      const auto [from, to] = Link(link);
      int count = 1000;
      words >> count;
      for (int i = 0; i < count && cluster_->DeliverOne(from, to); ++i) {
      }
    } else if (verb == "drop") {
      words >> link;
      cluster_->Drop(Link(link).first, Link(link).second);
    } else if (verb == "cut") {
      words >> link;
      if (link.find("->") != std::string::npos) {
        cluster_->CutOneWay(Link(link).first, Link(link).second);
      } else {
        cluster_->Cut(NodeId(std::stoull(link)), Id(words));
      }
    } else if (verb == "heal") {
      cluster_->Heal();
    } else {
      return false;
    }
    return true;
  }

  bool Changes(const std::string& verb, std::istringstream& words) {
    if (verb == "join") {
      cluster_->Join(Id(words));
      return true;
    }
    const std::map<std::string, Change::Kind> kinds = {{"add", Change::Kind::kAdd},
                                                       {"remove", Change::Kind::kRemove},
                                                       {"promote", Change::Kind::kPromote},
                                                       {"demote", Change::Kind::kDemote}};
    const auto kind = kinds.find(verb);
    if (kind == kinds.end()) return false;
    const NodeId at = Id(words);
    Change change{.kind = kind->second, .id = Id(words)};
    change.address = "node" + std::to_string(change.id.value()) + ":1@2";
    std::string force;
    change.force = static_cast<bool>(words >> force);
    cluster_->Alter(at, change);
    return true;
  }

  bool Inputs(const std::string& verb, std::istringstream& words) {
    if (verb == "install" || verb == "busy") {
      std::string link;
      words >> link;
      const auto [from, to] = Link(link);
      verb == "busy" ? cluster_->Busy(from, to) : cluster_->InstallSnapshot(from, to);
      return true;
    }
    const NodeId id = Id(words);
    if (verb == "hold") {
      cluster_->HoldDisk(id);
    } else if (verb == "release") {
      cluster_->ReleaseDisk(id);
    } else if (verb == "propose") {
      std::string text;
      words >> text;
      cluster_->Propose(id, text);
    } else if (verb == "read") {
      cluster_->Read(id);
    } else if (verb == "lease") {
      cluster_->Lease(id);
    } else if (verb == "unreachable") {
      cluster_->Unreachable(id, Id(words));
    } else if (verb == "transfer") {
      cluster_->Transfer(id, Id(words));
    } else if (verb == "restart") {
      cluster_->Restart(id);
    } else if (verb == "snapshot") {
      uint64_t keep = 0;
      words >> keep;
      cluster_->Snapshot(id, keep);
    } else {
      return false;
    }
    return true;
  }

  std::unique_ptr<TraceCluster> cluster_;
};

std::vector<Block> Parse(const std::filesystem::path& path) {
  std::vector<Block> blocks(1);
  std::ifstream file(path);
  bool expected = false;
  for (std::string line; std::getline(file, line);) {
    if (line.empty()) {
      if (expected) blocks.emplace_back();
      expected = false;
    } else if (expected) {
      blocks.back().expected += line + "\n";
    } else if (line == "----") {
      expected = true;
    } else if (line.starts_with('#')) {
      blocks.back().comment += line + "\n";
    } else {
      blocks.back().commands += line + "\n";
    }
  }
  std::erase_if(blocks, [](const Block& b) { return b.commands.empty() && b.comment.empty(); });
  return blocks;
}

std::filesystem::path Folder() {
  return std::filesystem::path(KVORUM_SOURCE_DIR) / "tests/scripts/raft";
}

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(Folder())) {
    names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class RaftScript : public testing::TestWithParam<std::string> {};

TEST_P(RaftScript, ProducesItsTrace) {
  const std::filesystem::path path = Folder() / (GetParam() + ".txt");
  const bool rewrite = std::getenv("KVORUM_REWRITE") != nullptr;
  Script script;
  std::string rewritten;
  for (const Block& block : Parse(path)) {
    const std::string output = block.commands.empty() ? "" : script.Run(block.commands);
    if (!rewrite) {
      EXPECT_EQ(output, block.expected) << "after:\n" << block.commands;
    }
    if (!rewritten.empty()) rewritten += "\n";
    rewritten += block.comment + block.commands;
    if (!block.commands.empty()) rewritten += "----\n" + output;
  }
  if (rewrite) std::ofstream(path) << rewritten;
}

INSTANTIATE_TEST_SUITE_P(All, RaftScript, testing::ValuesIn(Names()),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace kvorum::raft
