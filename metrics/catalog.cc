// SPDX-License-Identifier: Apache-2.0
#include "metrics/catalog.h"

#include <prometheus/client_metric.h>
#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <limits>
#include <map>
#include <mutex>
#include <sstream>
#include <variant>

#include "metrics/process.h"

namespace kvorum::metrics {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

struct Catalog::Registry final : prometheus::Collectable {
  struct ScaledGauge {
    const Gauge* gauge;
    double unit;
  };
  using Source =
      std::variant<const Counter*, ScaledGauge, const Histogram*, std::function<double()>>;
  struct Series {
    std::vector<ClientMetric::Label> labels;
    Source source;
  };
  struct Family {
    std::string help;
    MetricType type = MetricType::Untyped;
    std::vector<Series> series;
  };
  mutable std::mutex mutex;  // of what follows: a scrape, or a member that comes or goes
  std::map<std::string, Family> families;  // by name, so that the text is stable

  void Add(const std::string& name, const std::string& help, MetricType type, const Labels& labels,
           Source source) {
    const std::lock_guard lock(mutex);
    Family& family = families[name];
    family.help = help;
    family.type = type;
    Series& series = family.series.emplace_back();
    for (const auto& [key, value] : labels) series.labels.push_back({key, value});
    series.source = std::move(source);
  }

  void Remove(const std::string& label, const std::string& value) {
    const std::lock_guard lock(mutex);
    for (auto& [name, family] : families) {
      std::erase_if(family.series, [&](const Series& series) {
        return std::any_of(series.labels.begin(), series.labels.end(),
                           [&](const ClientMetric::Label& one) {
                             return one.name == label && one.value == value;
                           });
      });
    }
  }

  static void Fill(const Histogram& histogram, ClientMetric& metric) {
    uint64_t count = 0;
    for (size_t i = 0; i < Histogram::kBuckets; ++i) {
      count += histogram.CountIn(i);
      const bool last = i + 1 == Histogram::kBuckets;
      metric.histogram.bucket.push_back(
          {count, last ? std::numeric_limits<double>::infinity()
                       : static_cast<double>(Histogram::BoundUs(i)) / 1e6});
    }
    metric.histogram.sample_count = count;
    metric.histogram.sample_sum = static_cast<double>(histogram.SumUs()) / 1e6;
  }

  static void Fill(const Source& source, MetricType type, ClientMetric& metric) {
    if (const auto* histogram = std::get_if<const Histogram*>(&source)) {
      Fill(**histogram, metric);
      return;
    }
    double value = 0;
    if (const auto* counter = std::get_if<const Counter*>(&source)) {
      value = static_cast<double>((*counter)->Get());
    } else if (const auto* gauge = std::get_if<ScaledGauge>(&source)) {
      value = static_cast<double>(gauge->gauge->Get()) * gauge->unit;
    } else {
      value = std::get<std::function<double()>>(source)();
    }
    (type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
  }

  [[nodiscard]] std::vector<MetricFamily> Collect() const override {
    const std::lock_guard lock(mutex);
    std::vector<MetricFamily> result;
    for (const auto& [name, family] : families) {
      if (family.series.empty()) continue;
      MetricFamily& out = result.emplace_back();
      out.name = name;
      out.help = family.help;
      out.type = family.type;
      for (const Series& series : family.series) {
        ClientMetric& metric = out.metric.emplace_back();
        metric.label = series.labels;
        Fill(series.source, family.type, metric);
      }
    }
    return result;
  }
};

Catalog::Catalog() : registry_(std::make_unique<Registry>()) {}
Catalog::~Catalog() = default;

void Catalog::Add(const std::string& name, const std::string& help, const Counter& counter,
                  const Labels& labels) {
  registry_->Add(name, help, MetricType::Counter, labels, &counter);
}
void Catalog::Add(const std::string& name, const std::string& help, const Gauge& gauge,
                  const Labels& labels, double unit) {
  registry_->Add(name, help, MetricType::Gauge, labels, Registry::ScaledGauge{&gauge, unit});
}
void Catalog::Add(const std::string& name, const std::string& help, const Histogram& histogram,
                  const Labels& labels) {
  registry_->Add(name, help, MetricType::Histogram, labels, &histogram);
}
void Catalog::Remove(const std::string& label, const std::string& value) {
  registry_->Remove(label, value);
}
void Catalog::AddGauge(const std::string& name, const std::string& help,
                       std::function<double()> read) {
  registry_->Add(name, help, MetricType::Gauge, {}, std::move(read));
}
void Catalog::AddCounter(const std::string& name, const std::string& help,
                         std::function<double()> read) {
  registry_->Add(name, help, MetricType::Counter, {}, std::move(read));
}
void Catalog::AddInfo(const std::string& name, const std::string& help, const Labels& labels) {
  registry_->Add(name, help, MetricType::Gauge, labels,
                 std::function<double()>([] { return 1.0; }));
}

void Catalog::AddProcess() {
  AddCounter("process_cpu_seconds_total", "User and system CPU time spent in seconds.",
             [] { return ReadProcess().cpu_seconds; });
  AddGauge("process_resident_memory_bytes", "Resident memory size in bytes.",
           [] { return ReadProcess().resident_bytes; });
  AddGauge("process_virtual_memory_bytes", "Virtual memory size in bytes.",
           [] { return ReadProcess().virtual_bytes; });
  AddGauge("process_open_fds", "Number of open file descriptors.",
           [] { return ReadProcess().open_fds; });
  AddGauge("process_max_fds", "Maximum number of open file descriptors.",
           [] { return ReadProcess().max_fds; });
  AddGauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds.",
           [] { return ReadProcess().start_time_seconds; });
}

std::string Catalog::Text() const {
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, registry_->Collect());
  return out.str();
}

}  // namespace kvorum::metrics
