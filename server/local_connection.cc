// SPDX-License-Identifier: Apache-2.0
//
// The connection itself: who it is, which protocol it speaks, which database it means.
#include "server/local_call.h"
#include "server/local_families.h"
#include "server/version.h"

namespace kvorum::server {
namespace {

constexpr std::string_view kDefaultUser = "default";
constexpr std::string_view kErrWrongPassword =
    "WRONGPASS invalid username-password pair or user is disabled.";

// Takes as long for a wrong password as for the right one: the time depends on the length of what
// was sent, never on how much of it is right.
bool SamePassword(std::string_view given, std::string_view secret) {
  volatile unsigned difference = given.size() == secret.size() ? 0 : 1;
  for (size_t i = 0; i < given.size(); ++i) {
    const auto expected = static_cast<unsigned char>(secret[i % secret.size()]);
    difference = difference | (static_cast<unsigned char>(given[i]) ^ expected);
  }
  return difference == 0;
}

void SetAuthenticated(Session& session, bool authenticated) {
  session.authenticated = authenticated;
  resp::ParserLimits limits = session.parser.limits();
  limits.authenticated = authenticated;
  session.parser.SetLimits(limits);
}

bool Authenticate(LocalCall& call, std::string_view user, std::string_view password) {
  const std::string& secret = call.node.config().requirepass;
  // Without a password the default user takes any.
  const bool right = secret.empty() || SamePassword(password, secret);
  if (!right || user != kDefaultUser) return false;
  SetAuthenticated(call.session, true);
  return true;
}

void Ping(LocalCall& call) {
  if (call.argv.size() > 2) return store::ReplyWrongArity(call.row, call.reply);
  if (call.argv.size() == 2) return call.reply.Bulk(call.argv[1]);
  call.reply.Simple("PONG");
}

void Echo(LocalCall& call) { call.reply.Bulk(call.argv[1]); }

void Quit(LocalCall& call) {
  call.session.closing = true;
  call.reply.Ok();
}

void Auth(LocalCall& call) {
  if (call.argv.size() > 3) return call.reply.Error(store::kErrSyntax);
  if (call.argv.size() == 2 && call.node.config().requirepass.empty()) {
    return call.reply.Error(
        "ERR AUTH <password> called without any password configured for the default user. Are you "
        "sure your configuration is correct?");
  }
  const std::string_view user = call.argv.size() == 3 ? call.argv[1] : kDefaultUser;
  if (!Authenticate(call, user, call.argv.back())) return call.reply.Error(kErrWrongPassword);
  call.reply.Ok();
}

void WriteHello(LocalCall& call) {
  const bool proxy = call.session.kind == PortKind::kProxy;
  call.reply.Map(7);
  call.reply.Bulk("server");
  call.reply.Bulk("redis");
  call.reply.Bulk("version");
  call.reply.Bulk(kRedisVersion);
  call.reply.Bulk("proto");
  call.reply.Integer(static_cast<int64_t>(call.session.protocol));
  call.reply.Bulk("id");
  call.reply.Integer(static_cast<int64_t>(call.session.id));
  call.reply.Bulk("mode");
  call.reply.Bulk(proxy ? "standalone" : "cluster");
  call.reply.Bulk("role");
  call.reply.Bulk(call.node.member().core().IsLeader() ? "master" : "replica");
  call.reply.Bulk("modules");
  call.reply.Array(0);
}

struct HelloOptions {
  std::optional<resp::Protocol> protocol;
  std::optional<std::pair<std::string_view, std::string_view>> credentials;
  std::optional<std::string_view> name;
};

bool ParseHello(LocalCall& call, HelloOptions& options) {
  const store::Argv argv = call.argv;
  if (argv.size() > 1) {
    const auto version =
        IntegerArgument(call, 1, "ERR Protocol version is not an integer or out of range");
    if (!version) return false;
    if (*version != 2 && *version != 3) {
      call.reply.Error("NOPROTO unsupported protocol version");
      return false;
    }
    options.protocol = static_cast<resp::Protocol>(*version);
  }
  for (size_t i = 2; i < argv.size(); ++i) {
    const size_t left = argv.size() - 1 - i;
    if (resp::EqualsIgnoreCase(argv[i], "auth") && left >= 2) {
      options.credentials = {argv[i + 1], argv[i + 2]};
      i += 2;
    } else if (resp::EqualsIgnoreCase(argv[i], "setname") && left >= 1) {
      options.name = argv[++i];
      if (IsPlainName(*options.name)) continue;
      call.reply.Error(kErrClientName);
      return false;
    } else {
      call.reply.Error("ERR Syntax error in HELLO option '" + std::string(argv[i].substr(0, 128)) +
                       "'");
      return false;
    }
  }
  return true;
}

void Hello(LocalCall& call) {
  HelloOptions options;
  if (!ParseHello(call, options)) return;
  if (options.credentials &&
      !Authenticate(call, options.credentials->first, options.credentials->second)) {
    return call.reply.Error(kErrWrongPassword);
  }
  if (!call.session.authenticated) {
    return call.reply.Error(
        "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
        "<proto> AUTH <user> <pass> option can be used to authenticate the client and select the "
        "RESP protocol version at the same time");
  }
  if (options.name) call.session.name = *options.name;
  if (options.protocol) {
    call.session.protocol = *options.protocol;
    call.reply.SetProtocol(*options.protocol);
  }
  WriteHello(call);
}

void Reset(LocalCall& call) {
  Session& session = call.session;
  session.protocol = resp::Protocol::kResp2;
  session.database = 0;
  session.readonly = false;
  session.reply_mode = ReplyMode::kOn;
  call.unmute = true;
  session.name.clear();
  session.no_evict = false;
  session.no_touch = false;
  SetAuthenticated(session, call.node.config().requirepass.empty());
  call.reply.SetProtocol(resp::Protocol::kResp2);
  call.reply.Simple("RESET");
}

void Select(LocalCall& call) {
  const std::optional<int64_t> number = IntegerArgument(call, 1);
  if (!number) return;
  if (*number < 0 || *number >= call.node.config().databases) {
    return call.reply.Error(store::kErrDatabaseRange);
  }
  call.session.database = static_cast<uint8_t>(*number);
  call.reply.Ok();
}

constexpr uint32_t kFlagsHandshake =
    kFlagsLocal | store::kFlagFast | store::kFlagNoAuth | store::kFlagAllowBusy;

constexpr CommandRow kRows[] = {
    {.name = "ping",
     .arity = -1,
     .flags = store::kFlagFast,
     .docs = {"Returns the server's liveliness response.", "1.0.0", "connection", "O(1)"},
     .local = Ping},
    {.name = "echo",
     .arity = 2,
     .flags = store::kFlagLoading | store::kFlagStale | store::kFlagFast,
     .docs = {"Returns the given string.", "1.0.0", "connection", "O(1)"},
     .local = Echo},
    {.name = "quit",
     .arity = -1,
     .flags = kFlagsHandshake,
     .docs = {"Closes the connection.", "1.0.0", "connection", "O(1)"},
     .local = Quit},
    {.name = "auth",
     .arity = -2,
     .flags = kFlagsHandshake,
     .docs = {"Authenticates the connection.", "1.0.0", "connection",
              "O(N) where N is the length "
              "of the password"},
     .local = Auth},
    {.name = "hello",
     .arity = -1,
     .flags = kFlagsHandshake,
     .docs = {"Handshakes with the Redis server.", "6.0.0", "connection", "O(1)"},
     .local = Hello},
    {.name = "reset",
     .arity = 1,
     .flags = kFlagsHandshake,
     .docs = {"Resets the connection.", "6.2.0", "connection", "O(1)"},
     .local = Reset},
    {.name = "select",
     .arity = 2,
     .flags = store::kFlagLoading | store::kFlagStale | store::kFlagFast,
     .docs = {"Changes the selected database.", "1.0.0", "connection", "O(1)"},
     .local = Select},
};
static_assert(store::ValidRows(kRows));

}  // namespace

std::span<const CommandRow> ConnectionCommands() { return kRows; }

}  // namespace kvorum::server
