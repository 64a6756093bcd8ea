// SPDX-License-Identifier: Apache-2.0
#include "benchmark/load/options.h"

#include <charconv>
#include <limits>
#include <optional>

namespace kvorum::load {
namespace {

// Options are read as a list; the first error stays and is looked at once, at the end.
class Reader {
 public:
  explicit Reader(std::span<const std::string_view> argv) : argv_(argv) {}

  bool Next() {
    if (!error_.empty() || at_ == argv_.size()) return false;
    name_ = argv_[at_++];
    inline_value_.reset();
    if (const size_t equals = name_.find('='); equals != name_.npos) {
      inline_value_ = name_.substr(equals + 1);
      name_ = name_.substr(0, equals);
    }
    return true;
  }
  [[nodiscard]] std::string_view name() const { return name_; }

  void Flag(bool& value) {
    if (inline_value_) return Fail("takes no value");
    value = true;
  }
  std::string_view Text() {
    if (inline_value_) return *inline_value_;
    if (at_ == argv_.size()) {
      Fail("needs a value");
      return {};
    }
    return argv_[at_++];
  }
  template <class Number>
  void Numeric(Number& value, Number least, Number most) {
    const std::string_view text = Text();
    if (!error_.empty()) return;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failure != std::errc() || end != text.data() + text.size()) {
      return Fail("'" + std::string(text) + "' is no number that fits");
    }
    // So written that a NaN is refused, too.
    if (!(value >= least && value <= most)) {
      Fail("'" + std::string(text) + "' is not in " + Spell(least) + ".." + Spell(most));
    }
  }
  void Fail(const std::string& what) {
    if (error_.empty()) error_ = std::string(name_) + ": " + what;
  }
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  template <class Number>
  static std::string Spell(Number value) {
    char text[32];
    return {text, std::to_chars(text, text + sizeof(text), value).ptr};
  }

  std::span<const std::string_view> argv_;
  size_t at_ = 0;
  std::string_view name_;
  std::optional<std::string_view> inline_value_;
  std::string error_;
};

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    if (end > 0) parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

void ReadNodes(Reader& reader, Options& options) {
  for (const std::string_view part : Split(reader.Text(), ',')) {
    Address address;
    if (!ParseAddress(part, address)) reader.Fail("'" + std::string(part) + "' is no host:port");
    options.nodes.push_back(address);
  }
  if (options.nodes.empty()) reader.Fail("names no node");
}

void ReadDistribution(Reader& reader, Options& options) {
  const std::string_view text = reader.Text();
  if (text == "uniform") {
    options.theta = 0;
  } else if (text == "zipfian") {
    if (options.theta == 0) options.theta = 0.99;
  } else {
    reader.Fail("'" + std::string(text) + "' is neither uniform nor zipfian");
  }
}

// What was given beside other things, for the checks between options.
struct Given {
  std::string host = "127.0.0.1";
  uint64_t port = 0;
  bool duration = false;
  bool theta = false;
  bool distribution = false;
};

void ReadOne(Reader& reader, Options& options, Given& given) {
  const std::string_view name = reader.name();
  if (name == "--help") return reader.Flag(options.help);
  if (name == "--json") return reader.Flag(options.json);
  if (name == "--cluster") return reader.Flag(options.cluster);
  if (name == "--fill") return reader.Flag(options.fill);
  if (name == "--host") return void(given.host = reader.Text());
  if (name == "--port") return reader.Numeric<uint64_t>(given.port, 1, 65535);
  if (name == "--nodes") return ReadNodes(reader, options);
  if (name == "--clients") return reader.Numeric<uint64_t>(options.clients, 1, 10000);
  if (name == "--threads") return reader.Numeric<uint64_t>(options.threads, 1, 256);
  if (name == "--pipeline") return reader.Numeric<uint64_t>(options.pipeline, 1, 100000);
  if (name == "--rate") return reader.Numeric<double>(options.rate_per_s, 0.001, 1e9);
  if (name == "--requests") return reader.Numeric<uint64_t>(options.requests, 1, uint64_t{1} << 48);
  if (name == "--warmup") return reader.Numeric<double>(options.warmup_s, 0, 86400);
  if (name == "--keys") return reader.Numeric<uint64_t>(options.keys, 1, 1000000000);
  if (name == "--reads") return reader.Numeric<double>(options.reads, 0, 1);
  if (name == "--value-size") return reader.Numeric<uint64_t>(options.value_bytes, 0, 64 << 20);
  if (name == "--seed") {
    return reader.Numeric<uint64_t>(options.seed, 0, std::numeric_limits<uint64_t>::max());
  }
  if (name == "--duration") {
    given.duration = true;
    return reader.Numeric<double>(options.duration_s, 0.001, 86400);
  }
  if (name == "--theta") {
    given.theta = true;
    return reader.Numeric<double>(options.theta, 0.01, 0.9999);
  }
  if (name == "--distribution") {
    given.distribution = true;
    return ReadDistribution(reader, options);
  }
  if (name == "--after") {
    for (const std::string_view word : Split(reader.Text(), ' ')) options.after.emplace_back(word);
    if (options.after.empty()) reader.Fail("names no command");
    return;
  }
  reader.Fail("no such option; see --help");
}

std::string Contradiction(const Options& options, const Given& given) {
  if (!options.nodes.empty() && given.port != 0) return "--port and --nodes: one of them";
  if (options.requests != 0 && given.duration) return "--requests and --duration: one of them";
  if (options.fill && (options.requests != 0 || given.duration || options.warmup_s > 0)) {
    return "--fill writes each key once: no --requests, --duration or --warmup";
  }
  if (options.fill && options.reads > 0) return "--fill writes: no --reads";
  if (given.theta && given.distribution && options.theta == 0) {
    return "--theta belongs to --distribution zipfian";
  }
  if (given.theta && !given.distribution) return "--theta belongs to --distribution zipfian";
  if (options.theta > 0 && options.keys < 3) return "--distribution zipfian needs three --keys";
  if (options.threads > options.clients) return "--threads: more than there are --clients";
  if (options.nodes.size() > options.clients) return "--nodes: more than there are --clients";
  if (options.requests != 0 && options.warmup_s > 0) return "--warmup belongs to --duration";
  return {};
}

}  // namespace

bool ParseAddress(std::string_view text, Address& address) {
  const size_t colon = text.rfind(':');
  if (colon == text.npos || colon == 0) return false;
  const std::string_view port = text.substr(colon + 1);
  const auto [end, failure] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (failure != std::errc() || end != port.data() + port.size() || address.port == 0) return false;
  address.host = text.substr(0, colon);
  return true;
}

Result<Options> ParseOptions(std::span<const std::string_view> argv) {
  Options options;
  Given given;
  Reader reader(argv);
  while (reader.Next()) ReadOne(reader, options, given);
  if (!reader.error().empty()) return Status(StatusCode::kInvalid, reader.error());
  if (options.help) return options;
  if (std::string what = Contradiction(options, given); !what.empty()) {
    return Status(StatusCode::kInvalid, std::move(what));
  }
  if (options.nodes.empty()) {
    options.nodes.push_back(
        {given.host, static_cast<uint16_t>(given.port == 0 ? 6379 : given.port)});
  }
  if (options.fill) options.requests = options.keys;
  return options;
}

std::string_view Help() {
  return R"(kvorum-bench: load for anything that speaks RESP, and what it cost.

  --host 127.0.0.1 --port 6379   where to, or
  --nodes host:port,host:port    several; clients are dealt out to them
  --cluster                      follow MOVED (--nodes: where to ask first)

  --clients 50                   connections (with --cluster: one per client and node)
  --threads 1                    clients are dealt out to them
  --pipeline 1                   commands in flight per client, at most
  --rate R                       open loop: R commands a second, sent when they are due. Their
                                 latency counts from that moment, sent in time or not.
                                 Without it, closed loop: the next command is sent when one is
                                 answered. What is reported is then service time: a server that
                                 stalls is asked less, and its tail looks better than it is.
  --duration 10                  seconds, after the warm-up, or
  --requests N                   so many commands
  --warmup 0                     seconds that do not count
  --fill                         write each key once, in order, and nothing else

  --keys 100000                  key:000000000000 and up, as redis-benchmark -r spells them
  --distribution uniform         or zipfian, with --theta 0.99
  --reads 0                      share of GET, 0..1; the rest is SET
  --value-size 64                bytes
  --after "WAIT 1 0"             a command sent behind each SET; the SET is answered when both are
  --seed 1                       of keys and of the order of reads and writes

  --json                         one JSON object instead of text; latencies in microseconds
  --help

Exit code: 0; 1 when a command failed or was not answered; 2 for a bad command line.
)";
}

}  // namespace kvorum::load
