// SPDX-License-Identifier: Apache-2.0
#include "metrics/catalog.h"

#include <gtest/gtest.h>

#include <string>

namespace kvorum::metrics {
namespace {

// Everything that the text says of one family: its HELP, its TYPE, its series.
std::string Family(const Catalog& catalog, const std::string& name) {
  const std::string text = catalog.Text();
  const size_t begin = text.find("# HELP " + name + " ");
  if (begin == std::string::npos) return "";
  const size_t end = text.find("# HELP ", begin + 1);
  return text.substr(begin, end - begin);
}

TEST(Catalog, ACounterIsReadWhereItIs) {
  Catalog catalog;
  Counter counter;
  catalog.Add("kvorum_things_total", "Things.", counter);
  counter.Add(41);
  counter.Add();
  EXPECT_EQ(catalog.Text(),
            "# HELP kvorum_things_total Things.\n"
            "# TYPE kvorum_things_total counter\n"
            "kvorum_things_total 42\n");
}

TEST(Catalog, SeriesOfOneFamilyStandTogether) {
  Catalog catalog;
  Counter gets;
  Counter sets;
  Gauge other;
  catalog.Add("kvorum_commands_total", "Calls.", gets, {{"command", "get"}});
  catalog.Add("kvorum_a", "Between them.", other);
  catalog.Add("kvorum_commands_total", "Calls.", sets, {{"command", "set"}});
  sets.Add(3);
  EXPECT_EQ(catalog.Text(),
            "# HELP kvorum_a Between them.\n"
            "# TYPE kvorum_a gauge\n"
            "kvorum_a 0\n"
            "# HELP kvorum_commands_total Calls.\n"
            "# TYPE kvorum_commands_total counter\n"
            "kvorum_commands_total{command=\"get\"} 0\n"
            "kvorum_commands_total{command=\"set\"} 3\n");
}

TEST(Catalog, WhatIsRemovedIsSaidNoMore) {
  Catalog catalog;
  Gauge gauge;
  catalog.Add("kvorum_lag", "Behind.", gauge, {{"peer", "2"}});
  catalog.Add("kvorum_lag", "Behind.", gauge, {{"peer", "3"}});
  catalog.Add("kvorum_other", "Of the others.", gauge, {{"peer", "2"}});
  catalog.Remove("peer", "2");
  EXPECT_EQ(catalog.Text(),
            "# HELP kvorum_lag Behind.\n"
            "# TYPE kvorum_lag gauge\n"
            "kvorum_lag{peer=\"3\"} 0\n");
}

TEST(Catalog, LabelValuesAreEscaped) {
  Catalog catalog;
  catalog.AddInfo("kvorum_info", "Says something.", {{"what", "a\"b\\c\nd"}});
  EXPECT_NE(catalog.Text().find("kvorum_info{what=\"a\\\"b\\\\c\\nd\"} 1\n"), std::string::npos);
}

TEST(Catalog, GaugesComeInBaseUnits) {
  Catalog catalog;
  Gauge us;
  catalog.Add("kvorum_age_seconds", "Age.", us, {}, 1e-6);
  us.Set(2'500'000);
  EXPECT_NE(catalog.Text().find("\nkvorum_age_seconds 2.5\n"), std::string::npos);
}

TEST(Catalog, HistogramBucketsAreCumulativeAndInSeconds) {
  Catalog catalog;
  Histogram histogram;
  catalog.Add("kvorum_latency_seconds", "Latency.", histogram);
  histogram.Observe(10);          // the first bucket's bound
  histogram.Observe(11);          // the second bucket
  histogram.Observe(20);          // and its bound
  histogram.Observe(60'000'000);  // above every bound
  const std::string text = Family(catalog, "kvorum_latency_seconds");
  const auto has = [&](const std::string& line) {
    return text.find("\n" + line + "\n") != std::string::npos;
  };
  EXPECT_TRUE(has("# TYPE kvorum_latency_seconds histogram")) << text;
  EXPECT_TRUE(has("kvorum_latency_seconds_count 4")) << text;
  EXPECT_TRUE(has("kvorum_latency_seconds_sum 60.000041")) << text;
  EXPECT_NE(text.find("_bucket{le=\"1e-05\"} 1\n"), std::string::npos) << text;
  EXPECT_NE(text.find("_bucket{le=\"10.48576\"} 3\n"), std::string::npos) << text;
  EXPECT_NE(text.find("_bucket{le=\"+Inf\"} 4\n"), std::string::npos) << text;
}

TEST(Catalog, ProcessFiguresArePlausible) {
  Catalog catalog;
  catalog.AddProcess();
  for (const char* name : {"process_resident_memory_bytes", "process_virtual_memory_bytes",
                           "process_open_fds", "process_max_fds", "process_start_time_seconds"}) {
    const std::string text = Family(catalog, name);
    const size_t value = text.find(std::string("\n") + name + " ");
    ASSERT_NE(value, std::string::npos) << name;
    EXPECT_NE(text[value + std::string(name).size() + 2], '0') << text;
  }
  EXPECT_NE(Family(catalog, "process_cpu_seconds_total").find(" counter\n"), std::string::npos);
}

}  // namespace
}  // namespace kvorum::metrics
