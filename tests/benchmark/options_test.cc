// SPDX-License-Identifier: Apache-2.0
#include "benchmark/load/options.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace kvorum::load {
namespace {

Result<Options> Parse(const std::vector<std::string_view>& argv) { return ParseOptions(argv); }

std::string ErrorOf(const std::vector<std::string_view>& argv) {
  const auto parsed = Parse(argv);
  return parsed.ok() ? "(none)" : parsed.status().message();
}

TEST(OptionsTest, Defaults) {
  const Options options = Parse({}).value();
  EXPECT_EQ(options.nodes, (std::vector<Address>{{"127.0.0.1", 6379}}));
  EXPECT_EQ(options.clients, 50u);
  EXPECT_EQ(options.pipeline, 1u);
  EXPECT_EQ(options.rate_per_s, 0);
  EXPECT_EQ(options.requests, 0u);
  EXPECT_EQ(options.theta, 0);
  EXPECT_FALSE(options.cluster);
}

TEST(OptionsTest, AllOfThem) {
  const Options options = Parse({"--nodes",        "a:1,b:2",
                                 "--cluster",      "--clients=7",
                                 "--threads",      "2",
                                 "--pipeline",     "16",
                                 "--rate",         "1500.5",
                                 "--duration",     "3",
                                 "--warmup",       "0.5",
                                 "--keys",         "1000",
                                 "--distribution", "zipfian",
                                 "--theta",        "0.7",
                                 "--reads",        "0.25",
                                 "--value-size",   "9",
                                 "--after",        "WAITAOF 1 1 0",
                                 "--seed",         "3",
                                 "--json"})
                              .value();
  EXPECT_EQ(options.nodes, (std::vector<Address>{{"a", 1}, {"b", 2}}));
  EXPECT_TRUE(options.cluster);
  EXPECT_EQ(options.clients, 7u);
  EXPECT_EQ(options.threads, 2u);
  EXPECT_EQ(options.pipeline, 16u);
  EXPECT_EQ(options.rate_per_s, 1500.5);
  EXPECT_EQ(options.duration_s, 3);
  EXPECT_EQ(options.warmup_s, 0.5);
  EXPECT_EQ(options.keys, 1000u);
  EXPECT_EQ(options.theta, 0.7);
  EXPECT_EQ(options.reads, 0.25);
  EXPECT_EQ(options.value_bytes, 9u);
  EXPECT_EQ(options.after, (std::vector<std::string>{"WAITAOF", "1", "1", "0"}));
  EXPECT_EQ(options.seed, 3u);
  EXPECT_TRUE(options.json);
}

TEST(OptionsTest, ZipfianHasAUsualTheta) {
  EXPECT_EQ(Parse({"--distribution", "zipfian"}).value().theta, 0.99);
  EXPECT_EQ(Parse({"--theta", "0.5", "--distribution=zipfian"}).value().theta, 0.5);
}

TEST(OptionsTest, FillWritesEachKeyOnce) {
  const Options options = Parse({"--fill", "--keys", "10"}).value();
  EXPECT_EQ(options.requests, 10u);
  EXPECT_EQ(options.reads, 0);
}

TEST(OptionsTest, HelpNeedsNothingElse) {
  EXPECT_TRUE(Parse({"--help"}).value().help);
  for (const std::string_view name :
       {"--host",    "--port",       "--nodes", "--cluster",      "--clients",
        "--threads", "--pipeline",   "--rate",  "--duration",     "--requests",
        "--warmup",  "--fill",       "--keys",  "--distribution", "--theta",
        "--reads",   "--value-size", "--after", "--seed",         "--json"}) {
    EXPECT_NE(Help().find(name), std::string_view::npos) << name;
  }
}

TEST(OptionsTest, WhatIsWrongIsSaid) {
  EXPECT_EQ(ErrorOf({"--colour", "red"}), "--colour: no such option; see --help");
  EXPECT_EQ(ErrorOf({"50"}), "50: no such option; see --help");
  EXPECT_EQ(ErrorOf({"--clients"}), "--clients: needs a value");
  EXPECT_EQ(ErrorOf({"--clients", "many"}), "--clients: 'many' is no number that fits");
  EXPECT_EQ(ErrorOf({"--clients", "5x"}), "--clients: '5x' is no number that fits");
  EXPECT_EQ(ErrorOf({"--clients", "-1"}), "--clients: '-1' is no number that fits");
  EXPECT_EQ(ErrorOf({"--clients", "0"}), "--clients: '0' is not in 1..10000");
  EXPECT_EQ(ErrorOf({"--port", "65536"}), "--port: '65536' is not in 1..65535");
  EXPECT_EQ(ErrorOf({"--reads", "1.5"}), "--reads: '1.5' is not in 0..1");
  EXPECT_EQ(ErrorOf({"--reads", "nan"}), "--reads: 'nan' is not in 0..1");
  EXPECT_EQ(ErrorOf({"--json=yes"}), "--json: takes no value");
  EXPECT_EQ(ErrorOf({"--nodes", "a"}), "--nodes: 'a' is no host:port");
  EXPECT_EQ(ErrorOf({"--nodes", ","}), "--nodes: names no node");
  EXPECT_EQ(ErrorOf({"--after", " "}), "--after: names no command");
  EXPECT_EQ(ErrorOf({"--distribution", "normal"}),
            "--distribution: 'normal' is neither uniform nor zipfian");
}

TEST(OptionsTest, TheFirstErrorStays) {
  EXPECT_EQ(ErrorOf({"--clients", "x", "--threads", "y"}), "--clients: 'x' is no number that fits");
}

TEST(OptionsTest, WhatDoesNotGoTogetherIsRefused) {
  EXPECT_NE(ErrorOf({"--port", "1", "--nodes", "a:1"}), "(none)");
  EXPECT_NE(ErrorOf({"--requests", "1", "--duration", "1"}), "(none)");
  EXPECT_NE(ErrorOf({"--requests", "1", "--warmup", "1"}), "(none)");
  EXPECT_NE(ErrorOf({"--fill", "--reads", "0.5"}), "(none)");
  EXPECT_NE(ErrorOf({"--fill", "--requests", "5"}), "(none)");
  EXPECT_NE(ErrorOf({"--theta", "0.5"}), "(none)");
  EXPECT_NE(ErrorOf({"--distribution", "zipfian", "--keys", "2"}), "(none)");
  EXPECT_NE(ErrorOf({"--clients", "2", "--threads", "3"}), "(none)");
  EXPECT_NE(ErrorOf({"--clients", "1", "--nodes", "a:1,b:2"}), "(none)");
}

TEST(AddressTest, HostAndPort) {
  Address address;
  EXPECT_TRUE(ParseAddress("::1:6379", address));
  EXPECT_EQ(address, (Address{"::1", 6379}));
  for (const std::string_view wrong :
       {"", ":", "host", "host:", ":1", "host:0", "host:x", "h:1x", "host:70000"}) {
    EXPECT_FALSE(ParseAddress(wrong, address)) << wrong;
  }
}

}  // namespace
}  // namespace kvorum::load
