// SPDX-License-Identifier: Apache-2.0
#include "server/config_load.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "server/directives.h"

namespace kvorum::server {
namespace {

using Arguments = std::vector<std::string>;

class ConfigLoad : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "kvorum-config-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& text) {
    const std::filesystem::path path = folder_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
    return path.string();
  }
  // The error, with the folder's name taken out; "ok" if there is none.
  std::string Load(const Arguments& arguments, const Arguments& environment = {}) {
    config_ = Config();
    line_ = CommandLine();
    const Status status = LoadConfig(arguments, environment, &config_, &line_);
    if (status.ok()) return "ok";
    std::string message = status.message();
    const std::string folder = folder_.string() + "/";
    for (size_t at = 0; (at = message.find(folder)) != std::string::npos;) {
      message.erase(at, folder.size());
    }
    return message;
  }
  std::string LoadFile(const std::string& text) { return Load({Write("a.conf", text)}); }

  std::filesystem::path folder_;
  Config config_;
  CommandLine line_;
};

TEST_F(ConfigLoad, DefaultsAreOneNode) {
  EXPECT_EQ(Load({}), "ok");
  ASSERT_EQ(config_.cluster_nodes.size(), 1U);
  EXPECT_EQ(config_.cluster_nodes[0], (NodeAddress{NodeId(1), "127.0.0.1", 6379, 0}));
  EXPECT_EQ(Load({"--port", "7000", "--node-id", "5"}), "ok");
  EXPECT_EQ(config_.cluster_nodes[0], (NodeAddress{NodeId(5), "127.0.0.1", 7000, 0}));
}

TEST_F(ConfigLoad, CommandLineWinsOverEnvironmentOverFile) {
  const std::string file = Write("a.conf", "maxclients 1\ntimeout 1\ndatabases 1\n");
  EXPECT_EQ(Load({file, "--maxclients", "3"}, {"KVORUM_MAXCLIENTS=2", "KVORUM_TIMEOUT=2"}), "ok");
  EXPECT_EQ(config_.maxclients, 3U);
  EXPECT_EQ(config_.timeout_s, 2U);
  EXPECT_EQ(config_.databases, 1U);
  EXPECT_EQ(config_.tcp_backlog, 511U);
  EXPECT_EQ(config_.config_file, file);
}

TEST_F(ConfigLoad, FileGrammar) {
  EXPECT_EQ(
      LoadFile("# comment\n\n  \t# another\r\nPORT 7001\r\n\trequirepass  \"a b\\x41\\\"\"  \n"
               "dir 'some where'\nbind 10.0.0.1 -::1\nport 7002\nsave \"\"\n"
               "protected-mode NO\nlogfile \"\""),
      "ok");
  EXPECT_EQ(config_.port, 7002);  // the last one wins
  EXPECT_EQ(config_.requirepass, "a bA\"");
  EXPECT_EQ(config_.dir, "some where");
  EXPECT_EQ(config_.bind, (std::vector<std::string>{"10.0.0.1", "-::1"}));
  EXPECT_FALSE(config_.protected_mode);
}

TEST_F(ConfigLoad, ErrorsNameFileAndLine) {
  EXPECT_EQ(LoadFile("port 1\n\nprot 2\n"), "a.conf:3: unknown directive 'prot'");
  EXPECT_EQ(LoadFile("port abc\n"),
            "a.conf:1: 'port abc': argument couldn't be parsed into an integer");
  EXPECT_EQ(LoadFile("port 0\n"),
            "a.conf:1: 'port 0': argument must be between 1 and 65535 inclusive");
  EXPECT_EQ(LoadFile("port 65536\n"),
            "a.conf:1: 'port 65536': argument must be between 1 and 65535 inclusive");
  EXPECT_EQ(LoadFile("port -1\n"),
            "a.conf:1: 'port -1': argument must be between 1 and 65535 inclusive");
  EXPECT_EQ(LoadFile("port\n"), "a.conf:1: 'port' needs a value");
  EXPECT_EQ(LoadFile("port 1 2\n"), "a.conf:1: 'port' takes one value");
  EXPECT_EQ(LoadFile("dir \"x\n"), "a.conf:1: unbalanced quotes");
  EXPECT_EQ(LoadFile("protected-mode maybe\n"),
            "a.conf:1: 'protected-mode maybe': argument must be 'yes' or 'no'");
  EXPECT_EQ(LoadFile("appendonly no\n"), "a.conf:1: 'appendonly no': it is always 'yes' here");
  EXPECT_EQ(LoadFile("maxmemory-policy allkeys-lru\n"),
            "a.conf:1: 'maxmemory-policy allkeys-lru': it is always 'noeviction' here");
  EXPECT_EQ(Load({(folder_ / "missing.conf").string()}), "missing.conf: cannot be read");
  EXPECT_EQ(Load({folder_.string() + "/."}), ".: is a directory");
}

TEST_F(ConfigLoad, PasswordsAreNotRepeated) {
  EXPECT_EQ(LoadFile("requirepass one two\n"), "a.conf:1: 'requirepass' takes one value");
  EXPECT_EQ(Load({"--requirepass", "one", "two"}), "--requirepass: 'requirepass' takes one value");
}

TEST_F(ConfigLoad, Units) {
  const std::pair<const char*, uint64_t> sizes[] = {
      {"0", 0},          {"100b", 100},    {"1k", 1'000},         {"1KB", 1'024},
      {"2m", 2'000'000}, {"2mb", 2 << 20}, {"3G", 3'000'000'000}, {"1gb", 1ULL << 30},
  };
  for (const auto& [text, bytes] : sizes) {
    EXPECT_EQ(Load({"--maxmemory", text}), "ok") << text;
    EXPECT_EQ(config_.maxmemory, bytes) << text;
  }
  for (const char* text : {"", "kb", "1 kb", "1kib", "-1", "1.5mb", "99999999999gb", "0x10"}) {
    EXPECT_EQ(Load({"--maxmemory=" + std::string(text)}),
              "--maxmemory: 'maxmemory " + std::string(text) + "': argument must be a memory value")
        << text;
  }
}

TEST_F(ConfigLoad, IncludeIsRelativeToTheIncludingFile) {
  Write("sub/b.conf", "timeout 5\ninclude c.conf\n");
  Write("sub/c.conf", "databases 3\n");
  EXPECT_EQ(LoadFile("timeout 1\ninclude sub/b.conf\nmaxclients 9\n"), "ok");
  EXPECT_EQ(config_.timeout_s, 5U);
  EXPECT_EQ(config_.databases, 3U);
  EXPECT_EQ(config_.maxclients, 9U);
  Write("sub/c.conf", "\nfoo 3\n");
  EXPECT_EQ(LoadFile("include sub/b.conf\n"),
            "sub/c.conf:2: unknown directive 'foo' (included from sub/b.conf:2) (included from "
            "a.conf:1)");
  EXPECT_NE(LoadFile("include a.conf\n").find("files include each other too deeply"),
            std::string::npos);
}

TEST_F(ConfigLoad, Options) {
  EXPECT_EQ(Load({"--port=7001", "--bind", "10.0.0.1", "10.0.0.2", "--requirepass", "-x",
                  "--PROTECTED-MODE", "no"}),
            "ok");
  EXPECT_EQ(config_.port, 7001);
  EXPECT_EQ(config_.bind.size(), 2U);
  EXPECT_EQ(config_.requirepass, "-x");
  EXPECT_EQ(Load({"--requirepass="}), "ok");
  EXPECT_EQ(config_.requirepass, "");
  EXPECT_EQ(Load({"--requirepass", "a=b \"c"}), "ok");  // one argument is one value as it stands
  EXPECT_EQ(config_.requirepass, "a=b \"c");
  EXPECT_EQ(Load({"--foo", "1"}), "--foo: unknown option; try --help");
  EXPECT_EQ(Load({"--port"}), "--port: 'port' needs a value");
  EXPECT_EQ(Load({"--port", "1", "2"}), "--port: 'port' takes one value");
  EXPECT_EQ(Load({"-x"}), "-x: an option begins with '--'; try --help");
  EXPECT_EQ(Load({"--"}), "--: an option begins with '--'; try --help");
}

TEST_F(ConfigLoad, HelpAndVersion) {
  EXPECT_EQ(Load({"--help"}), "ok");
  EXPECT_TRUE(line_.help);
  for (const char* option : {"--version", "-v"}) {
    EXPECT_EQ(Load({option}), "ok");
    EXPECT_TRUE(line_.version);
  }
}

TEST_F(ConfigLoad, Environment) {
  EXPECT_EQ(Load({}, {"HOME=/x", "KVORUM_ELECTION_TIMEOUT=500", "KVORUM_BIND=10.0.0.1 10.0.0.2",
                      "KVORUM_REQUIREPASS=a b\"", "KVORUM_COMPILER_LAUNCHER=ccache",
                      "KVORUM_REWRITE=1", "NOT_KVORUM_FOO=1"}),
            "ok");
  EXPECT_EQ(config_.election_timeout_ms, 500U);
  EXPECT_EQ(config_.bind.size(), 2U);
  EXPECT_EQ(config_.requirepass, "a b\"");
  EXPECT_EQ(Load({}, {"KVORUM_PROT=1"}),
            "KVORUM_PROT: there is no directive 'PROT' for this variable");
  EXPECT_EQ(Load({}, {"KVORUM_PORT=x"}),
            "KVORUM_PORT: 'port x': argument couldn't be parsed into an integer");
}

TEST_F(ConfigLoad, ClusterNodes) {
  const std::string three = "2=b:7002@17002,1=a:7001@17001 3=[::1]:7003@17003";
  EXPECT_EQ(Load({"--cluster-nodes", three, "--node-id", "2"}), "ok");
  ASSERT_EQ(config_.cluster_nodes.size(), 3U);
  EXPECT_EQ(config_.cluster_nodes[0], (NodeAddress{NodeId(1), "a", 7001, 17001}));
  EXPECT_EQ(config_.cluster_nodes[2], (NodeAddress{NodeId(3), "::1", 7003, 17003}));
  EXPECT_EQ(config_.port, 7002);  // from the entry
  EXPECT_EQ(ConfigGet(config_, "cluster-nodes")[0].second,
            "1=a:7001@17001 2=b:7002@17002 3=[::1]:7003@17003");
  EXPECT_EQ(Load({"--cluster-nodes", "1=a:1@2", "2=b:1@2", "--node-id", "1"}), "ok");
  EXPECT_EQ(Load({"--cluster-nodes", "4=a:1"}), "ok");
  EXPECT_EQ(config_.node_id, NodeId(4));
  EXPECT_EQ(LoadFile("cluster-nodes 1=a:1@2 \\\n"),
            "a.conf:1: 'cluster-nodes 1=a:1@2 \\': '\\' is not of the form "
            "id=host:port@peer-port");
}

TEST_F(ConfigLoad, ClusterNodesThatMakeNoSense) {
  for (const char* node : {"1", "1=", "1=a", "1=a:", "1=a:0", "0=a:1", "x=a:1", "1=:1", "1=a:1@",
                           "1=a:1@0", "1=a:65536", "1=::1:7", "1=a:1@2@3", "-1=a:1"}) {
    EXPECT_EQ(Load({"--cluster-nodes=" + std::string(node)}),
              "--cluster-nodes: 'cluster-nodes " + std::string(node) + "': '" + node +
                  "' is not of the form id=host:port@peer-port");
  }
  const auto with = [this](const std::string& nodes) {
    return Load({"--cluster-nodes", nodes, "--node-id", "1"});
  };
  EXPECT_EQ(Load({"--cluster-nodes", "1=a:1@2 2=b:1@2"}),
            "node-id must be given: cluster-nodes names several nodes");
  EXPECT_EQ(with("2=b:1@2 3=c:1@2"), "node-id 1 is not in cluster-nodes");
  EXPECT_EQ(with("1=a:1@2 1=b:1@2"), "node 1 in cluster-nodes is there twice");
  EXPECT_EQ(with("1=a:1@2 2=b:1"), "node 2 in cluster-nodes has no peer port");
  EXPECT_EQ(with("1=a:1@2 2=a:1@3"), "node 1 in cluster-nodes has a port of node 2");
  EXPECT_EQ(with("1=a:1@2 2=a:3@2"), "node 1 in cluster-nodes has a port of node 2");
  EXPECT_EQ(with("1=a:1@2 2=a:2@3"), "node 1 in cluster-nodes has a port of node 2");
  EXPECT_EQ(with("1=a:1@1 2=b:1@2"), "port and the peer port of cluster-nodes are both 1");
  std::string many;
  for (int i = 1; i <= 16; ++i) many += std::to_string(i) + "=h" + std::to_string(i) + ":1@2 ";
  EXPECT_EQ(with(many), "cluster-nodes names 16 nodes, at most 15 are possible");
}

TEST_F(ConfigLoad, PortsMustNotContradict) {
  EXPECT_EQ(Load({"--cluster-nodes", "1=a:7001@17001", "--port", "7002"}),
            "port (7002) is not what cluster-nodes says of node 1 (7001)");
  EXPECT_EQ(Load({"--cluster-nodes", "1=a:7001@17001", "--port", "7001"}), "ok");
  EXPECT_EQ(Load({"--port", "7000", "--proxy-port", "7000"}), "port and proxy-port are both 7000");
  EXPECT_EQ(Load({"--proxy-port", "7000", "--metrics-port", "7000"}),
            "proxy-port and metrics-port are both 7000");
  EXPECT_EQ(Load({"--raft-port", "6379"}), "port and raft-port are both 6379");
}

TEST_F(ConfigLoad, TheWholeMustMakeSense) {
  EXPECT_EQ(Load({"--election-timeout", "100"}),
            "election-timeout (100 ms) must be more than twice heartbeat-interval (50 ms)");
  EXPECT_EQ(Load({"--lease-duration", "100"}),
            "lease-duration stretched by clock-drift-percent (150 ms) must be less than half of "
            "election-timeout (150 ms)");
  EXPECT_EQ(Load({"--output-soft-limit", "65mb"}),
            "output-soft-limit must not exceed output-hard-limit");
  EXPECT_EQ(Load({"--client-query-buffer-limit", "64mb"}),
            "client-query-buffer-limit must exceed proto-max-bulk-len");
  EXPECT_EQ(Load({"--keep-log-size", "1gb"}), "keep-log-size must not exceed snapshot-log-size");
}

TEST_F(ConfigLoad, UsageHasEveryDirective) {
  const std::string usage = Usage();
  for (const Directive& directive : Directives()) {
    EXPECT_NE(usage.find("  --" + std::string(directive.name) + " "), std::string::npos)
        << directive.name;
    EXPECT_NE(usage.find(directive.doc), std::string::npos) << directive.name;
  }
}

// Whatever CONFIG GET says can be said to the next start.
TEST_F(ConfigLoad, EveryDirectiveReadsWhatItWrites) {
  Config defaults;
  for (const Directive& directive : Directives()) {
    Config config;
    const std::string text = directive.get(defaults);
    std::vector<std::string_view> words;
    for (size_t from = 0; from <= text.size();) {
      const size_t to = directive.list ? std::min(text.find(' ', from), text.size()) : text.size();
      words.push_back(std::string_view(text).substr(from, to - from));
      from = to + 1;
    }
    EXPECT_EQ(directive.set(config, words), "") << directive.name;
    EXPECT_EQ(directive.get(config), text) << directive.name;
    EXPECT_EQ(FindDirective(directive.name), &directive) << "a name given twice";
  }
}

TEST_F(ConfigLoad, GetMatchesPatterns) {
  const Config config;
  EXPECT_EQ(ConfigGet(config, "MAXMEMORY").size(), 1U);
  EXPECT_EQ(ConfigGet(config, "maxmemory*").size(), 2U);
  EXPECT_EQ(ConfigGet(config, "*").size(), Directives().size());
  EXPECT_TRUE(ConfigGet(config, "foo").empty());
}

TEST_F(ConfigLoad, SetIsAllOrNothing) {
  Config config;
  ASSERT_TRUE(LoadConfig({}, {}, &config, &line_).ok());
  std::string why;
  using Pair = std::pair<std::string_view, std::string_view>;
  const auto set = [&](std::vector<Pair> pairs) {
    why.clear();
    return ConfigSet(config, pairs, &why) ? "ok" : why;
  };
  EXPECT_EQ(set({{"maxmemory", "1mb"}, {"TIMEOUT", "7"}}), "ok");
  EXPECT_EQ(config.maxmemory, uint64_t{1} << 20);
  EXPECT_EQ(config.timeout_s, 7U);
  EXPECT_EQ(set({{"maxmemory", "2mb"}, {"timeout", "x"}}),
            "CONFIG SET failed (possibly related to argument 'timeout') - argument couldn't be "
            "parsed into an integer");
  EXPECT_EQ(config.maxmemory, uint64_t{1} << 20);
  EXPECT_EQ(set({{"port", "1"}}),
            "CONFIG SET failed (possibly related to argument 'port') - can't set immutable config");
  EXPECT_EQ(set({{"foo", "1"}}), "Unknown option or number of arguments for CONFIG SET - 'foo'");
  EXPECT_EQ(set({{"timeout", "1"}, {"TIMEOUT", "2"}}),
            "CONFIG SET failed (possibly related to argument 'timeout') - duplicate parameter");
  EXPECT_EQ(set({{"output-soft-limit", "1gb"}}),
            "CONFIG SET failed (possibly related to argument 'output-soft-limit') - "
            "output-soft-limit must not exceed output-hard-limit");
  EXPECT_EQ(set({{"output-soft-limit", "1gb"}, {"output-hard-limit", "2gb"}}), "ok");
}

}  // namespace
}  // namespace kvorum::server
