// SPDX-License-Identifier: Apache-2.0
//
// Turns the plain counters of base/stats.h, owned by those who count, into Prometheus. The catalog
// holds pointers; a scrape reads them from the HTTP thread, which their relaxed atomics allow.
// Nothing on the hot path knows that this exists.
//
// Naming follows Prometheus's conventions: kvorum_ prefix, base units (seconds, bytes), _total on
// counters. `promtool check metrics` is part of the tests.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/stats.h"

namespace kvorum::metrics {

using Labels = std::vector<std::pair<std::string, std::string>>;

// What it points to outlives it, or is removed before it goes. Any thread: series come and go with
// members while others scrape.
class Catalog {
 public:
  Catalog();
  ~Catalog();

  void Add(const std::string& name, const std::string& help, const Counter& counter,
           const Labels& labels = {});
  // `unit`: what one step of the gauge is worth, for example 1e-6 for microseconds as seconds.
  void Add(const std::string& name, const std::string& help, const Gauge& gauge,
           const Labels& labels = {}, double unit = 1);
  // In seconds.
  void Add(const std::string& name, const std::string& help, const Histogram& histogram,
           const Labels& labels = {});
  // Drops every series that has this label; no scrape reads them when this returns.
  void Remove(const std::string& label, const std::string& value);
  // Read at each scrape, on the HTTP thread.
  void AddGauge(const std::string& name, const std::string& help, std::function<double()> read);
  void AddCounter(const std::string& name, const std::string& help, std::function<double()> read);
  // A constant 1 whose labels tell something.
  void AddInfo(const std::string& name, const std::string& help, const Labels& labels);
  // CPU, memory, descriptors and start time of this process, under their usual names.
  void AddProcess();

  // The text format. Any thread.
  [[nodiscard]] std::string Text() const;

 private:
  struct Registry;
  std::unique_ptr<Registry> registry_;
};

}  // namespace kvorum::metrics
