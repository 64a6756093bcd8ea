// SPDX-License-Identifier: Apache-2.0
#include "benchmark/load/tally.h"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace kvorum::load {
namespace {

constexpr struct {
  std::string_view name;
  double share;
} kQuantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}};

std::string Fixed(double value, int digits) {
  char text[64];
  const auto end =
      std::to_chars(text, text + sizeof(text), value, std::chars_format::fixed, digits);
  return {text, end.ptr};
}

std::string Padded(std::string text, size_t width) {
  if (text.size() < width) text.insert(0, width - text.size(), ' ');
  return text;
}

double PerSecond(uint64_t count, const Tally& tally) {
  return tally.Seconds() > 0 ? static_cast<double>(count) / tally.Seconds() : 0;
}

std::string Milliseconds(uint64_t ns) { return Fixed(static_cast<double>(ns) / 1e6, 3); }
std::string Microseconds(uint64_t ns) { return Fixed(static_cast<double>(ns) / 1e3, 1); }

void AppendRow(std::string& out, std::string_view name, const Histogram& h, const Tally& tally) {
  if (h.Count() == 0) return;
  out += std::string(name) + Padded(std::to_string(h.Count()), 11) +
         Padded(Fixed(PerSecond(h.Count(), tally), 0), 11) +
         Padded(Milliseconds(static_cast<uint64_t>(h.Mean())), 10);
  for (const auto& q : kQuantiles) out += Padded(Milliseconds(h.Quantile(q.share)), 10);
  out += Padded(Milliseconds(h.Max()), 10) + "\n";
}

// Keys and strings here come from this program and from error words, which hold neither quotes nor
// backslashes; what else a server says is cut out.
std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c >= ' ' && c <= '~' && c != '"' && c != '\\') out += c;
  }
  return out + "\"";
}

class Object {
 public:
  void Add(std::string_view key, const std::string& json) {
    text_ += (text_.empty() ? "" : ", ") + Quoted(key) + ": " + json;
  }
  void Add(std::string_view key, uint64_t value) { Add(key, std::to_string(value)); }
  [[nodiscard]] std::string Close() const { return "{" + text_ + "}"; }

 private:
  std::string text_;
};

std::string LatencyJson(const Histogram& h, const Tally& tally) {
  Object object;
  object.Add("count", h.Count());
  object.Add("per_s", Fixed(PerSecond(h.Count(), tally), 1));
  object.Add("mean_us", Microseconds(static_cast<uint64_t>(h.Mean())));
  for (const auto& q : kQuantiles) {
    object.Add(std::string(q.name) + "_us", Microseconds(h.Quantile(q.share)));
  }
  object.Add("max_us", Microseconds(h.Max()));
  return object.Close();
}

std::string_view Kind(const Options& options) {
  return options.rate_per_s > 0 ? "from the moment the command was due"
                                : "service time, from the moment the command was sent";
}

}  // namespace

void Tally::Merge(const Tally& other) {
  reads_ns.Merge(other.reads_ns);
  writes_ns.Merge(other.writes_ns);
  misses += other.misses;
  moved += other.moved;
  late += other.late;
  unanswered += other.unanswered;
  for (const auto& [word, count] : other.errors) errors[word] += count;
  first_ns = std::min(first_ns, other.first_ns);
  last_ns = std::max(last_ns, other.last_ns);
}

double Tally::Seconds() const {
  return last_ns > first_ns ? static_cast<double>(last_ns - first_ns) / 1e9 : 0;
}

bool Tally::Clean() const {
  return errors.empty() && unanswered == 0 && late == 0 && Completed() > 0;
}

std::string AsText(const Options& options, const Tally& tally, double generator_cpu_s) {
  std::string out = std::to_string(options.clients) + " clients, " +
                    std::to_string(options.threads) + " threads, pipeline " +
                    std::to_string(options.pipeline);
  out += options.rate_per_s > 0 ? ", open loop at " + Fixed(options.rate_per_s, 0) + "/s"
                                : std::string(", closed loop");
  out += "\nlatency in ms: " + std::string(Kind(options)) + "\n\n";
  out += "         count   per second     mean       p50       p90       p99     p99.9       max\n";
  AppendRow(out, "GET", tally.reads_ns, tally);
  AppendRow(out, "SET", tally.writes_ns, tally);
  out += "\n" + Fixed(PerSecond(tally.Completed(), tally), 0) + " commands a second for " +
         Fixed(tally.Seconds(), 2) + " s; the generator used " + Fixed(generator_cpu_s, 2) +
         " s of CPU\n";
  if (tally.misses > 0) out += std::to_string(tally.misses) + " reads found nothing\n";
  if (tally.moved > 0) out += std::to_string(tally.moved) + " redirections followed\n";
  if (tally.late > 0) {
    out +=
        std::to_string(tally.late) + " commands were due and never sent: the rate was not held\n";
  }
  if (tally.unanswered > 0) out += std::to_string(tally.unanswered) + " commands not answered\n";
  for (const auto& [word, count] : tally.errors) {
    out += "error " + word + ": " + std::to_string(count) + "\n";
  }
  return out;
}

std::string AsJson(const Options& options, const Tally& tally, double generator_cpu_s) {
  Object errors;
  for (const auto& [word, count] : tally.errors) errors.Add(word, count);
  Object object;
  object.Add("loop", Quoted(options.rate_per_s > 0 ? "open" : "closed"));
  object.Add("latency", Quoted(Kind(options)));
  object.Add("clients", options.clients);
  object.Add("threads", options.threads);
  object.Add("pipeline", options.pipeline);
  object.Add("rate", Fixed(options.rate_per_s, 3));
  object.Add("seconds", Fixed(tally.Seconds(), 6));
  object.Add("completed", tally.Completed());
  object.Add("per_s", Fixed(PerSecond(tally.Completed(), tally), 1));
  object.Add("reads", LatencyJson(tally.reads_ns, tally));
  object.Add("writes", LatencyJson(tally.writes_ns, tally));
  object.Add("misses", tally.misses);
  object.Add("moved", tally.moved);
  object.Add("late", tally.late);
  object.Add("unanswered", tally.unanswered);
  object.Add("errors", errors.Close());
  object.Add("generator_cpu_s", Fixed(generator_cpu_s, 3));
  return object.Close() + "\n";
}

}  // namespace kvorum::load
