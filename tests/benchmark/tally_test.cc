// SPDX-License-Identifier: Apache-2.0
#include "benchmark/load/tally.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace kvorum::load {
namespace {

std::unique_ptr<Tally> Sample() {
  auto tally = std::make_unique<Tally>();
  tally->first_ns = 1'000'000'000;
  tally->last_ns = 3'000'000'000;
  for (int i = 0; i < 100; ++i) tally->writes_ns.Record(1'000'000);
  return tally;
}

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(TallyTest, ThroughputIsOverTheTimeFromFirstToLast) {
  const std::string json = AsJson({}, *Sample(), 0.5);
  EXPECT_TRUE(Has(json, R"("seconds": 2.000000)")) << json;
  EXPECT_TRUE(Has(json, R"("per_s": 50.0)")) << json;
  EXPECT_TRUE(Has(json, R"("p99.9_us": 1000.0)")) << json;
}

TEST(TallyTest, SaysWhichLatencyItIs) {
  Options open;
  open.rate_per_s = 100;
  EXPECT_TRUE(Has(AsText({}, *Sample(), 0), "service time"));
  EXPECT_FALSE(Has(AsText(open, *Sample(), 0), "service time"));
  EXPECT_TRUE(Has(AsText(open, *Sample(), 0), "was due"));
}

TEST(TallyTest, NothingThatWentWrongIsHidden) {
  EXPECT_TRUE(Sample()->Clean());
  const auto tally = Sample();
  tally->errors["MOVED"] = 3;
  EXPECT_FALSE(tally->Clean());
  EXPECT_TRUE(Has(AsText({}, *tally, 0), "error MOVED: 3"));
  EXPECT_TRUE(Has(AsJson({}, *tally, 0), R"("errors": {"MOVED": 3})"));
  const auto late = Sample();
  late->late = 1;
  EXPECT_FALSE(late->Clean());
  const auto unanswered = Sample();
  unanswered->unanswered = 1;
  EXPECT_FALSE(unanswered->Clean());
  EXPECT_FALSE(std::make_unique<Tally>()->Clean()) << "nothing measured is no success";
}

TEST(TallyTest, MergeAddsAllUp) {
  const auto one = Sample();
  const auto two = Sample();
  two->last_ns = 4'000'000'000;
  two->errors["ERR"] = 1;
  two->misses = 2;
  one->Merge(*two);
  EXPECT_EQ(one->Completed(), 200u);
  EXPECT_EQ(one->Seconds(), 3);
  EXPECT_EQ(one->errors["ERR"], 1u);
  EXPECT_EQ(one->misses, 2u);
}

}  // namespace
}  // namespace kvorum::load
