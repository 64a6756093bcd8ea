// SPDX-License-Identifier: Apache-2.0
#include "server/config_load.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <set>
#include <sstream>
#include <utility>

#include "resp/format.h"
#include "resp/parser.h"
#include "server/cluster_nodes.h"
#include "server/directives.h"
#include "store/glob.h"

namespace kvorum::server {
namespace {

constexpr int kMaxIncludeDepth = 8;
constexpr size_t kMaxFileBytes = size_t{1} << 20;
constexpr std::string_view kVariablePrefix = "KVORUM_";
// Ours, and no directives: build and test tools read them.
constexpr std::string_view kOtherVariables[] = {"KVORUM_COMPILER_LAUNCHER", "KVORUM_REWRITE"};

Status Invalid(const std::string& where, const std::string& what) {
  return {StatusCode::kInvalid, where + ": " + what};
}

std::vector<std::string_view> SplitBlanks(std::string_view text) {
  std::vector<std::string_view> words;
  for (;;) {
    const size_t from = text.find_first_not_of(" \t");
    if (from == std::string_view::npos) return words;
    text.remove_prefix(from);
    const size_t size = std::min(text.find_first_of(" \t"), text.size());
    words.push_back(text.substr(0, size));
    text.remove_prefix(size);
  }
}

// Collects directives from all places; later ones win.
class Loader {
 public:
  explicit Loader(Config& config) : config_(config) {}

  Status ReadFile(const std::filesystem::path& path, int depth);
  Status ReadStream(std::istream& in, const std::string& name, const std::filesystem::path& folder,
                    int depth);
  Status Environment(std::span<const std::string> environment);
  Status Options(std::span<const std::string> arguments);
  Status Finish();
  Status FinishJoiner();

 private:
  Status Line(const std::string& line, const std::string& where,
              const std::filesystem::path& folder, int depth);
  Status Apply(const Directive& directive, Words words, const std::string& where);
  // One text for the whole value: only a list is split.
  Status ApplyText(const Directive& directive, std::string_view text, const std::string& where);
  [[nodiscard]] bool Given(std::string_view name) const { return given_.contains(name); }

  Config& config_;
  std::set<std::string_view> given_;
};

Status Loader::Apply(const Directive& directive, Words words, const std::string& where) {
  if (words.empty()) return Invalid(where, "'" + std::string(directive.name) + "' needs a value");
  if (words.size() > 1 && !directive.list) {
    return Invalid(where, "'" + std::string(directive.name) + "' takes one value");
  }
  const std::string fault = directive.set(config_, words);
  if (!fault.empty()) {
    std::string text = "'" + std::string(directive.name);
    if (!directive.secret) {
      for (const std::string_view word : words) text.append(" ").append(word);
    }
    return Invalid(where, text + "': " + fault);
  }
  given_.insert(directive.name);
  return Status::Ok();
}

Status Loader::ApplyText(const Directive& directive, std::string_view text,
                         const std::string& where) {
  if (!directive.list) return Apply(directive, {&text, 1}, where);
  std::vector<std::string_view> words = SplitBlanks(text);
  if (words.empty()) words.emplace_back();
  return Apply(directive, words, where);
}

Status Loader::ReadFile(const std::filesystem::path& path, int depth) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    return Invalid(path.string(), "is a directory");
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) return Invalid(path.string(), "cannot be read");
  return ReadStream(file, path.string(), path.parent_path(), depth);
}

Status Loader::ReadStream(std::istream& in, const std::string& name,
                          const std::filesystem::path& folder, int depth) {
  std::string line;
  size_t bytes = 0;
  for (int number = 1; std::getline(in, line); ++number) {
    bytes += line.size() + 1;
    const std::string where = name + ":" + std::to_string(number);
    if (bytes > kMaxFileBytes) return Invalid(where, "the file is too long");
    if (Status status = Line(line, where, folder, depth); !status.ok()) return status;
  }
  return Status::Ok();
}

Status Loader::Line(const std::string& line, const std::string& where,
                    const std::filesystem::path& folder, int depth) {
  const size_t from = line.find_first_not_of(" \t\r");
  if (from == std::string::npos || line[from] == '#') return Status::Ok();
  const size_t to = line.find_last_not_of(" \t\r");
  std::string text;
  std::vector<size_t> ends;
  if (!resp::SplitQuoted(std::string_view(line).substr(from, to + 1 - from), text, ends) ||
      ends.empty()) {
    return Invalid(where, "unbalanced quotes");
  }
  std::vector<std::string_view> words;
  size_t begin = 0;
  for (const size_t end : ends) {
    words.push_back(std::string_view(text).substr(begin, end - begin));
    begin = end;
  }
  const std::string_view name = words.front();
  words.erase(words.begin());
  if (resp::EqualsIgnoreCase(name, "include")) {
    if (words.size() != 1) return Invalid(where, "'include' takes one file");
    if (depth >= kMaxIncludeDepth) return Invalid(where, "files include each other too deeply");
    Status status = ReadFile(folder / std::filesystem::path(words[0]), depth + 1);
    if (status.ok()) return status;
    return {status.code(), status.message() + " (included from " + where + ")"};
  }
  const Directive* directive = FindDirective(name);
  if (directive == nullptr) {
    return Invalid(where, "unknown directive '" + std::string(name) + "'");
  }
  return Apply(*directive, words, where);
}

// A typing error in a variable's name must not pass: the directive would silently keep its default.
Status Loader::Environment(std::span<const std::string> environment) {
  for (const std::string& text : environment) {
    if (!text.starts_with(kVariablePrefix)) continue;
    const size_t equals = std::min(text.find('='), text.size());
    const std::string variable = text.substr(0, equals);
    if (std::find(std::begin(kOtherVariables), std::end(kOtherVariables), variable) !=
        std::end(kOtherVariables)) {
      continue;
    }
    std::string name = variable.substr(kVariablePrefix.size());
    std::replace(name.begin(), name.end(), '_', '-');
    const Directive* directive = FindDirective(name);
    if (directive == nullptr) {
      return Invalid(variable, "there is no directive '" + name + "' for this variable");
    }
    const std::string value = text.substr(std::min(equals + 1, text.size()));
    if (Status status = ApplyText(*directive, value, variable); !status.ok()) return status;
  }
  return Status::Ok();
}

Status Loader::Options(std::span<const std::string> arguments) {
  size_t i = 0;
  while (i < arguments.size()) {
    std::string_view option = arguments[i++];
    if (!option.starts_with("--") || option.size() == 2) {
      return Invalid(std::string(option), "an option begins with '--'; try --help");
    }
    option.remove_prefix(2);
    const size_t equals = std::min(option.find('='), option.size());
    const std::string_view name = option.substr(0, equals);
    const std::string where = "--" + std::string(name);
    const Directive* directive = FindDirective(name);
    if (directive == nullptr) return Invalid(where, "unknown option; try --help");
    Status status;
    if (equals < option.size()) {
      status = ApplyText(*directive, option.substr(equals + 1), where);
    } else {
      std::vector<std::string_view> words;
      while (i < arguments.size() && !arguments[i].starts_with("--"))
        words.push_back(arguments[i++]);
      // A list may also come as one argument.
      status = directive->list && words.size() == 1 ? ApplyText(*directive, words[0], where)
                                                    : Apply(*directive, words, where);
    }
    if (!status.ok()) return status;
  }
  return Status::Ok();
}

// cluster-nodes of a node that joins names itself alone, if anything: the address that the others
// are told. Who they are it is told by the leader.
Status Loader::FinishJoiner() {
  if (!Given("node-id")) {
    return {StatusCode::kInvalid,
            "node-id must be given: a joining node needs a number of its own"};
  }
  if (!ParseAddress(NodeId(1), config_.join)) {
    return {StatusCode::kInvalid, "join: '" + config_.join + "' is not of the form host:port"};
  }
  if (!config_.cluster_nodes.empty()) return Status::Ok();
  std::string host = "127.0.0.1";
  const std::string& bound = config_.bind.front();
  if (!bound.starts_with('-') && bound != "*" && bound != "0.0.0.0") host = bound;
  if (!config_.cluster_announce_ip.empty()) host = config_.cluster_announce_ip;
  if (!config_.cluster_announce_hostname.empty()) host = config_.cluster_announce_hostname;
  // Redis Cluster's habit.
  constexpr uint32_t kPeerPortAbove = 10'000;
  uint32_t peer_port = config_.raft_port;
  if (peer_port == 0) peer_port = config_.port + kPeerPortAbove;
  if (peer_port > UINT16_MAX) {
    return {StatusCode::kInvalid, "raft-port must be given: there is no port 10000 above port"};
  }
  config_.cluster_nodes = {{config_.node_id, host, config_.port, static_cast<uint16_t>(peer_port)}};
  return Status::Ok();
}

// What follows from other directives, and the check of the whole.
Status Loader::Finish() {
  if (!config_.join.empty()) {
    if (Status status = FinishJoiner(); !status.ok()) return status;
  } else if (config_.cluster_nodes.empty()) {
    config_.cluster_nodes = {{config_.node_id, "127.0.0.1", config_.port, config_.raft_port}};
  } else if (!Given("node-id")) {
    // Two nodes that both believe to be the first one would destroy each other's promises.
    if (config_.cluster_nodes.size() > 1) {
      return {StatusCode::kInvalid, "node-id must be given: cluster-nodes names several nodes"};
    }
    config_.node_id = config_.cluster_nodes.front().id;
  }
  const NodeAddress* self = config_.Find(config_.node_id);
  if (self != nullptr && !Given("port")) config_.port = self->port;
  const std::string fault = FaultOf(config_);
  return fault.empty() ? Status::Ok() : Status(StatusCode::kInvalid, fault);
}

bool Contains(std::span<const std::string> arguments, std::initializer_list<std::string_view> any) {
  return std::any_of(arguments.begin(), arguments.end(), [&](const std::string& argument) {
    return std::find(any.begin(), any.end(), argument) != any.end();
  });
}

}  // namespace

Status LoadConfig(std::span<const std::string> arguments, std::span<const std::string> environment,
                  Config* config, CommandLine* line) {
  line->help = Contains(arguments, {"--help", "-h"});
  line->version = Contains(arguments, {"--version", "-v"});
  if (line->help || line->version) return Status::Ok();
  Loader loader(*config);
  if (!arguments.empty() && (arguments[0] == "-" || !arguments[0].starts_with('-'))) {
    const std::string& file = arguments[0];
    config->config_file = file;
    Status status = file == "-" ? loader.ReadStream(std::cin, "standard input", {}, 0)
                                : loader.ReadFile(file, 0);
    if (!status.ok()) return status;
    arguments = arguments.subspan(1);
  }
  if (Status status = loader.Environment(environment); !status.ok()) return status;
  if (Status status = loader.Options(arguments); !status.ok()) return status;
  return loader.Finish();
}

std::string Usage() {
  std::ostringstream out;
  out << "Usage: kvorum-server [file.conf | -] [--directive value ...] [--directive=value ...]\n"
         "       kvorum-server --help | --version\n\n"
         "Directives, with their defaults. In a file: one a line, without '--'. In the "
         "environment:\nKVORUM_ and the name in capitals, '_' for '-'. The command line wins over "
         "the environment,\nwhich wins over the file. Sizes take kb, mb and gb. (*): CONFIG SET "
         "changes it while the\nserver runs.\n\n";
  const Config defaults;
  for (const Directive& directive : Directives()) {
    std::string head = "  --" + std::string(directive.name) + " " + directive.get(defaults);
    if (head.ends_with(' ')) head += "\"\"";
    if (directive.runtime) head += " (*)";
    out << head << "\n      " << directive.doc << "\n";
  }
  return out.str();
}

std::vector<std::pair<std::string, std::string>> ConfigGet(const Config& config,
                                                           std::string_view pattern) {
  std::string lower(pattern);
  std::transform(lower.begin(), lower.end(), lower.begin(), resp::ToLower);
  const store::Glob glob(lower);
  std::vector<std::pair<std::string, std::string>> found;
  for (const Directive& directive : Directives()) {
    if (!glob.Matches(directive.name)) continue;
    found.emplace_back(directive.name, directive.get(config));
  }
  return found;
}

bool ConfigSet(Config& config, std::span<const std::pair<std::string_view, std::string_view>> pairs,
               std::string* why) {
  Config changed = config;
  const auto fail = [&](std::string_view name, std::string_view fault) {
    why->assign("CONFIG SET failed (possibly related to argument '");
    why->append(name).append("') - ").append(fault);
    return false;
  };
  for (const auto& [name, value] : pairs) {
    const Directive* directive = FindDirective(name);
    if (directive == nullptr) {
      why->assign("Unknown option or number of arguments for CONFIG SET - '");
      why->append(name).append("'");
      return false;
    }
    const auto same = [directive](const auto& pair) {
      return FindDirective(pair.first) == directive;
    };
    if (std::count_if(pairs.begin(), pairs.end(), same) > 1) {
      return fail(name, "duplicate parameter");
    }
    if (!directive->runtime) return fail(name, "can't set immutable config");
    if (std::string fault = directive->set(changed, {&value, 1}); !fault.empty()) {
      return fail(name, fault);
    }
  }
  if (const std::string fault = FaultOf(changed); !fault.empty()) {
    return fail(pairs.empty() ? std::string_view() : pairs.front().first, fault);
  }
  config = std::move(changed);
  return true;
}

}  // namespace kvorum::server
