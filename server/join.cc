// SPDX-License-Identifier: Apache-2.0
#include "server/join.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <charconv>
#include <chrono>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "disk/identity.h"
#include "server/cluster_nodes.h"

namespace kvorum::server {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

constexpr int kTries = 150;
constexpr std::chrono::milliseconds kBetweenTries{200};
constexpr std::chrono::seconds kReplyPatience{10};
constexpr const char* kNoReply = "no reply";
constexpr size_t kMaxReplyBytes = size_t{64} << 10;

// One connection to a member, one command at a time.
class Asker {
 public:
  // "": it worked.
  std::string Connect(const std::string& host, uint16_t port) {
    error_code error;
    tcp::resolver resolver(context_);
    const auto found = resolver.resolve(host, std::to_string(port), error);
    if (!error) {
      boost::asio::async_connect(
          socket_, found,
          [&error](const error_code& result, const tcp::endpoint&) { error = result; });
      error = boost::asio::error::timed_out;
      Run();
    }
    return error ? error.message() : "";
  }

  // The reply, as it came, or "" when the connection has failed. Bulk strings and lines only, and
  // what is nested in arrays of them.
  std::string Ask(const std::vector<std::string>& argv) {
    std::string request = "*" + std::to_string(argv.size()) + "\r\n";
    for (const std::string& arg : argv) {
      request += "$" + std::to_string(arg.size()) + "\r\n" + arg + "\r\n";
    }
    error_code error;
    boost::asio::write(socket_, boost::asio::buffer(request), error);
    std::string reply;
    while (!error && !Whole(reply) && reply.size() < kMaxReplyBytes) {
      char some[4096];
      size_t got = 0;
      error = boost::asio::error::timed_out;
      socket_.async_read_some(boost::asio::buffer(some),
                              [&](const error_code& result, size_t size) {
                                error = result;
                                got = size;
                              });
      Run();
      reply.append(some, got);
    }
    return Whole(reply) ? reply : "";
  }

 private:
  void Run() {
    context_.restart();
    context_.run_for(kReplyPatience);
    if (context_.stopped()) return;
    error_code ignored;
    socket_.close(ignored);
    context_.run();
  }

  // The end of the value that begins at `at`; nothing when it is not all there.
  static size_t EndOf(std::string_view bytes, size_t at) {
    const size_t line = bytes.find("\r\n", at);
    if (line == std::string_view::npos) return 0;
    int64_t number = 0;
    std::from_chars(bytes.data() + at + 1, bytes.data() + line, number);
    size_t end = line + 2;
    if (bytes[at] == '$' && number >= 0) end += static_cast<size_t>(number) + 2;
    if (bytes[at] == '*') {
      for (int64_t i = 0; i < number && end != 0; ++i) {
        end = end < bytes.size() ? EndOf(bytes, end) : 0;
      }
    }
    return end <= bytes.size() ? end : 0;
  }
  static bool Whole(std::string_view bytes) { return !bytes.empty() && EndOf(bytes, 0) != 0; }

  boost::asio::io_context context_;
  tcp::socket socket_{context_};
};

std::string FirstLine(const std::string& reply) {
  return reply.substr(0, std::min(reply.find("\r\n"), reply.size()));
}

// One question to one node: "" when it cannot be reached.
std::string AskAt(const Config& config, const NodeAddress& at, const std::vector<std::string>& argv,
                  std::string* why) {
  Asker asker;
  *why = asker.Connect(at.host, at.port);
  if (!why->empty()) return {};
  if (!config.requirepass.empty()) {
    const std::string reply = asker.Ask({"AUTH", config.requirepass});
    if (!reply.starts_with("+OK")) return reply;
  }
  std::string reply = asker.Ask(argv);
  if (reply.empty()) *why = kNoReply;
  return reply;
}

// The value of a field of RAFT INFO in RESP2: a flat array of names and values.
std::string FieldOf(const std::string& reply, const std::string& name) {
  const std::string key = "$" + std::to_string(name.size()) + "\r\n" + name + "\r\n";
  const size_t at = reply.find(key);
  if (at == std::string::npos) return {};
  const size_t value = at + key.size();
  const size_t text = reply[value] == '$' ? reply.find("\r\n", value) + 2 : value + 1;
  return reply.substr(text, reply.find("\r\n", text) - text);
}

Status Refused(const std::string& text) {
  return {StatusCode::kInvalid, "this node was not taken in: " + text};
}

}  // namespace

bool HoldsConfiguration(const raft::Restart& restart) {
  return restart.snapshot.index != Index() ||
         std::any_of(restart.entries.begin(), restart.entries.end(), [](const raft::Entry& entry) {
           return entry.type == raft::EntryType::kConfig;
         });
}

Status LearnCluster(disk::Files& files, Config& config, bool* returning) {
  auto identity = disk::ReadIdentity(files, "");
  if (!identity.ok()) return identity.status();
  *returning = identity.value().has_value();
  if (*returning) {
    if (config.cluster_id == 0) config.cluster_id = identity.value()->cluster_id;
    return Status::Ok();
  }
  if (config.cluster_id != 0) return Status::Ok();
  const NodeAddress member = *ParseAddress(NodeId(1), config.join);
  std::string why;
  for (int i = 0; i < kTries; ++i) {
    if (i > 0) std::this_thread::sleep_for(kBetweenTries);
    const std::string reply = AskAt(config, member, {"RAFT", "INFO"}, &why);
    if (reply.starts_with("-")) return Refused(FirstLine(reply).substr(1));
    const std::string id = FieldOf(reply, "cluster_id");
    const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), config.cluster_id);
    if (!id.empty() && error == std::errc()) return Status::Ok();
  }
  return Refused(config.join + " does not answer: " + why);
}

Status AskToJoin(const Config& config, bool returning) {
  const NodeAddress member = *ParseAddress(NodeId(1), config.join);
  std::vector<std::string> request = {"RAFT",
                                      "ADD",
                                      std::to_string(config.node_id.value()),
                                      AddressText(*config.Find(config.node_id)),
                                      "LEVEL",
                                      std::to_string(config.feature_level_known)};
  NodeAddress at = member;
  std::string why;
  bool unanswered = false;  // an earlier try may have succeeded
  for (int i = 0; i < kTries; ++i) {
    const std::string reply = FirstLine(AskAt(config, at, request, &why));
    if (reply.starts_with("+OK")) return Status::Ok();
    if (reply.starts_with("-MOVED ") || reply.starts_with("-ERR only the leader")) {
      const std::optional<NodeAddress> leader =
          ParseAddress(NodeId(1), std::string_view(reply).substr(reply.rfind(' ') + 1));
      if (leader) at = *leader;
      if (i % 5 != 4) continue;  // a few hops at once, then with pauses
    } else if (request.size() == 6 && reply.starts_with("-ERR wrong number of arguments")) {
      request.resize(4);  // a release that knows of no levels
    } else if (reply.starts_with("-ERR this id is a member already")) {
      if (returning || unanswered) return Status::Ok();
      return Refused(reply.substr(1));
    } else if (reply.starts_with("-ERR") || reply.starts_with("-NO") ||
               reply.starts_with("-WRONG") || reply.starts_with("-DENIED")) {
      return Refused(reply.substr(1));
    } else {
      unanswered |= reply.starts_with("-INDOUBT") || why == kNoReply;
      at = member;  // whoever led is gone, or cannot say yet
    }
    if (!reply.empty()) why = reply.substr(1);
    std::this_thread::sleep_for(kBetweenTries);
  }
  return Refused(why);
}

}  // namespace kvorum::server
