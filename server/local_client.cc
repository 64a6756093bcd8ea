// SPDX-License-Identifier: Apache-2.0
//
// CLIENT: what connections there are, what they call themselves, and ending them.
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "server/local_call.h"
#include "server/local_families.h"
#include "store/options.h"

namespace kvorum::server {
namespace {

constexpr std::string_view kErrClientId = "ERR client-id should be greater than 0";

// Those that a client may see: not the ones that stand for clients of other nodes.
std::vector<Session*> VisibleSessions(const Node& node) {
  std::vector<Session*> sessions;
  for (const auto& [id, session] : node.sessions()) {
    if (session->kind != PortKind::kRemote && !session->closed) sessions.push_back(session.get());
  }
  std::sort(sessions.begin(), sessions.end(),
            [](const Session* a, const Session* b) { return a->id < b->id; });
  return sessions;
}

std::string Flags(const Session& session) {
  std::string flags;
  if (session.stall == Stall::kWait) flags += 'b';
  if (session.closing) flags += session.kill_now ? 'A' : 'c';
  if (session.readonly) flags += 'r';
  if (session.no_evict) flags += 'e';
  if (session.no_touch) flags += 'T';
  return flags.empty() ? "N" : flags;
}

std::string Describe(const Session& session, Micros now) {
  const auto number = [](auto value) { return std::to_string(value); };
  const size_t unparsed = session.input.size() - session.parsed;
  const size_t room = session.input.capacity() - session.input.size();
  const size_t total = sizeof(Session) + session.input.capacity() + session.output.capacity();
  std::string line = "id=" + number(session.id);
  const auto add = [&line](std::string_view name, std::string_view value) {
    line.append(" ").append(name).append("=").append(value);
  };
  add("addr", session.peer_address);
  add("laddr", session.local_address);
  add("fd", number(session.socket));
  add("name", session.name);
  add("age", number((now - session.opened_at) / 1'000'000));
  add("idle", number((now - session.last_active) / 1'000'000));
  add("flags", Flags(session));
  add("db", number(unsigned{session.database}));
  for (const std::string_view name : {"sub", "psub", "ssub"}) add(name, "0");
  add("multi", "-1");
  add("qbuf", number(unparsed));
  add("qbuf-free", number(room));
  for (const std::string_view name : {"argv-mem", "multi-mem"}) add(name, "0");
  add("rbs", number(session.output.capacity()));
  add("rbp", number(session.output.capacity()));
  add("obl", number(session.output.size()));
  add("oll", "0");
  add("omem", number(session.output.size()));
  add("tot-mem", number(total));
  add("events", session.output.empty() ? "r" : "rw");
  add("cmd", session.last_command == nullptr ? "NULL" : session.last_command->name);
  add("user", "default");
  add("redir", "-1");
  add("resp", number(static_cast<int>(session.protocol)));
  add("lib-name", session.library_name);
  add("lib-ver", session.library_version);
  return line + "\n";
}

// NORMAL is the only type there is for now; the others match nobody.
bool ParseType(LocalCall& call, std::string_view word, bool& everybody) {
  everybody = resp::EqualsIgnoreCase(word, "normal");
  for (const std::string_view type : {"normal", "master", "slave", "replica", "pubsub"}) {
    if (resp::EqualsIgnoreCase(word, type)) return true;
  }
  call.reply.Error("ERR Unknown client type '" + std::string(word.substr(0, 128)) + "'");
  return false;
}

void Id(LocalCall& call) { call.reply.Integer(static_cast<int64_t>(call.session.id)); }

void GetName(LocalCall& call) {
  if (call.session.name.empty()) return call.reply.Null();
  call.reply.Bulk(call.session.name);
}

void SetName(LocalCall& call) {
  if (!IsPlainName(call.argv[2])) return call.reply.Error(kErrClientName);
  call.session.name = call.argv[2];
  call.reply.Ok();
}

void SetInfo(LocalCall& call) {
  const std::string attribute(call.argv[2].substr(0, 128));
  std::string* field = nullptr;
  if (resp::EqualsIgnoreCase(attribute, "lib-name")) field = &call.session.library_name;
  if (resp::EqualsIgnoreCase(attribute, "lib-ver")) field = &call.session.library_version;
  if (field == nullptr) return call.reply.Error("ERR Unrecognized option '" + attribute + "'");
  if (!IsPlainName(call.argv[3])) {
    return call.reply.Error("ERR " + attribute +
                            " cannot contain spaces, newlines or special characters.");
  }
  *field = call.argv[3];
  call.reply.Ok();
}

void Info(LocalCall& call) {
  call.reply.Verbatim("txt", Describe(call.session, call.node.now().boot_us));
}

void List(LocalCall& call) {
  bool everybody = true;
  absl::flat_hash_set<uint64_t> ids;
  const store::Argv argv = call.argv;
  if (argv.size() == 4 && resp::EqualsIgnoreCase(argv[2], "type")) {
    if (!ParseType(call, argv[3], everybody)) return;
  } else if (argv.size() > 3 && resp::EqualsIgnoreCase(argv[2], "id")) {
    for (size_t i = 3; i < argv.size(); ++i) {
      const auto id = IntegerArgument(call, i, "ERR Invalid client ID");
      if (!id) return;
      ids.insert(static_cast<uint64_t>(*id));
    }
    everybody = false;
  } else if (argv.size() != 2) {
    return call.reply.Error(store::kErrSyntax);
  }
  std::string text;
  for (const Session* session : VisibleSessions(call.node)) {
    if (!everybody && !ids.contains(session->id)) continue;
    text += Describe(*session, call.node.now().boot_us);
  }
  call.reply.Verbatim("txt", text);
}

struct KillFilter {
  std::optional<uint64_t> id;
  std::optional<std::string_view> address;
  std::optional<std::string_view> local_address;
  bool nobody = false;  // of another type
  bool skip_me = true;

  [[nodiscard]] bool Matches(const Session& session) const {
    return !nobody && (!id || session.id == *id) &&
           (!address || session.peer_address == *address) &&
           (!local_address || session.local_address == *local_address);
  }
};

bool ParseKill(LocalCall& call, KillFilter& filter) {
  store::Options options(call.argv, 2);
  while (options.Next()) {
    if (options.Is("id")) {
      const int64_t id = options.Integer(kErrClientId);
      if (id < 1) options.Fail(kErrClientId);
      filter.id = static_cast<uint64_t>(id);
    } else if (options.Is("addr")) {
      filter.address = options.Argument();
    } else if (options.Is("laddr")) {
      filter.local_address = options.Argument();
    } else if (options.Is("type")) {
      const std::string_view word = options.Argument();
      bool everybody = true;
      if (options.ok() && !ParseType(call, word, everybody)) return false;
      filter.nobody = filter.nobody || !everybody;
    } else if (options.Is("user")) {
      const std::string_view user = options.Argument();
      if (options.ok() && user != "default") {
        call.reply.Error("ERR No such user '" + std::string(user.substr(0, 128)) + "'");
        return false;
      }
    } else if (options.Is("skipme")) {
      const std::string_view word = options.Argument();
      filter.skip_me = resp::EqualsIgnoreCase(word, "yes");
      if (!filter.skip_me && !resp::EqualsIgnoreCase(word, "no")) options.Syntax();
    } else {
      options.Syntax();
    }
  }
  return options.Finish(call.reply);
}

void Kill(LocalCall& call) {
  const bool by_address = call.argv.size() == 3;
  KillFilter filter;
  if (by_address) {
    filter.address = call.argv[2];
    filter.skip_me = false;
  } else if (!ParseKill(call, filter)) {
    return;
  }
  int64_t killed = 0;
  for (Session* session : VisibleSessions(call.node)) {
    if (!filter.Matches(*session)) continue;
    if (session == &call.session) {
      if (filter.skip_me) continue;
      session->closing = true;  // behind this reply
    } else {
      call.node.Kill(*session);
    }
    ++killed;
  }
  if (!by_address) return call.reply.Integer(killed);
  if (killed == 0) return call.reply.Error("ERR No such client");
  call.reply.Ok();
}

// Whether the reply to this command is seen itself follows from the mode it leaves behind.
void ReplyCommand(LocalCall& call) {
  ReplyMode& mode = call.session.reply_mode;
  if (resp::EqualsIgnoreCase(call.argv[2], "on")) {
    mode = ReplyMode::kOn;
    call.unmute = true;
  } else if (resp::EqualsIgnoreCase(call.argv[2], "off")) {
    mode = ReplyMode::kOff;
  } else if (resp::EqualsIgnoreCase(call.argv[2], "skip")) {
    if (mode == ReplyMode::kOn) mode = ReplyMode::kSkip;
  } else {
    return call.reply.Error(store::kErrSyntax);
  }
  call.reply.Ok();
}

void SetSwitch(LocalCall& call, bool Session::* field) {
  const bool on = resp::EqualsIgnoreCase(call.argv[2], "on");
  if (!on && !resp::EqualsIgnoreCase(call.argv[2], "off")) {
    return call.reply.Error(store::kErrSyntax);
  }
  call.session.*field = on;
  call.reply.Ok();
}
void NoEvict(LocalCall& call) { SetSwitch(call, &Session::no_evict); }
void NoTouch(LocalCall& call) { SetSwitch(call, &Session::no_touch); }

void Help(LocalCall& call) {
  static constexpr std::string_view kLines[] = {
      "GETNAME",
      "    Return the name of the current connection.",
      "ID",
      "    Return the ID of the current connection.",
      "INFO",
      "    Return information about the current client connection.",
      "KILL <ip:port>",
      "    Kill connection made from <ip:port>.",
      "KILL <option> <value> [<option> <value> [...]]",
      "    Kill connections. Options are:",
      "    * ADDR <ip:port>",
      "      Kill connections made from the specified address",
      "    * LADDR <ip:port>",
      "      Kill connections made to specified local address",
      "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
      "      Kill connections by type.",
      "    * USER <username>",
      "      Kill connections authenticated by <username>.",
      "    * SKIPME (YES|NO)",
      "      Skip killing current connection (default: yes).",
      "    * ID <client-id>",
      "      Kill the connection with that ID.",
      "LIST [options ...]",
      "    Return information about client connections. Options:",
      "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
      "      Return clients of specified type.",
      "    * ID <client-id> [<client-id> ...]",
      "      Return the clients with these IDs.",
      "NO-EVICT (ON|OFF)",
      "    Protect current client connection from eviction.",
      "NO-TOUCH (ON|OFF)",
      "    Will not touch LRU/LFU stats when this mode is on.",
      "REPLY (ON|OFF|SKIP)",
      "    Control the replies sent to the current connection.",
      "SETINFO <option> <value>",
      "    Set client meta attr. Options are:",
      "    * LIB-NAME: the client lib name.",
      "    * LIB-VER: the client lib version.",
      "SETNAME <name>",
      "    Assign the name <name> to the current connection."};
  ReplyHelp(call, kLines);
}

constexpr uint32_t kFlagsAdmin = kFlagsLocal | store::kFlagAdmin;

constexpr CommandRow kSubcommands[] = {
    {.name = "client|id",
     .arity = 2,
     .flags = kFlagsLocal,
     .docs = {"Returns the unique client ID of the connection.", "5.0.0", "connection", "O(1)"},
     .local = Id},
    {.name = "client|getname",
     .arity = 2,
     .flags = kFlagsLocal,
     .docs = {"Returns the name of the connection.", "2.6.9", "connection", "O(1)"},
     .local = GetName},
    {.name = "client|setname",
     .arity = 3,
     .flags = kFlagsLocal,
     .docs = {"Sets the connection name.", "2.6.9", "connection", "O(1)"},
     .local = SetName},
    {.name = "client|setinfo",
     .arity = 4,
     .flags = kFlagsLocal,
     .docs = {"Sets information specific to the client or connection.", "7.2.0", "connection",
              "O(1)"},
     .local = SetInfo},
    {.name = "client|info",
     .arity = 2,
     .flags = kFlagsLocal,
     .docs = {"Returns information about the connection.", "6.2.0", "connection", "O(1)"},
     .local = Info},
    {.name = "client|list",
     .arity = -2,
     .flags = kFlagsAdmin,
     .docs = {"Lists open connections.", "2.4.0", "connection",
              "O(N) where N is the number of client connections"},
     .local = List},
    {.name = "client|kill",
     .arity = -3,
     .flags = kFlagsAdmin,
     .docs = {"Terminates open connections.", "2.4.0", "connection",
              "O(N) where N is the number of client connections"},
     .local = Kill},
    {.name = "client|reply",
     .arity = 3,
     .flags = kFlagsLocal,
     .docs = {"Instructs the server whether to reply to commands.", "3.2.0", "connection", "O(1)"},
     .local = ReplyCommand},
    {.name = "client|no-evict",
     .arity = 3,
     .flags = kFlagsAdmin,
     .docs = {"Sets the client eviction mode of the connection. Nothing is ever evicted.", "7.0.0",
              "connection", "O(1)"},
     .local = NoEvict},
    {.name = "client|no-touch",
     .arity = 3,
     .flags = kFlagsLocal,
     .docs = {"Controls whether commands sent by the client affect the LRU/LFU of accessed keys. "
              "None do.",
              "7.2.0", "connection", "O(1)"},
     .local = NoTouch},
    {.name = "client|help",
     .arity = 2,
     .flags = store::kFlagLoading | store::kFlagStale,
     .docs = {"Returns helpful text about the different subcommands.", "5.0.0", "connection",
              "O(1)"},
     .local = Help},
};
static_assert(store::ValidRows(kSubcommands));

constexpr CommandRow kRows[] = {
    {.name = "client",
     .arity = -2,
     .docs = {"A container for client connection commands.", "2.4.0", "connection",
              "Depends on subcommand."},
     .subcommand_rows = kSubcommands,
     .subcommand_count = std::size(kSubcommands)},
};
static_assert(store::ValidRows(kRows));

}  // namespace

std::span<const CommandRow> ClientCommands() { return kRows; }

}  // namespace kvorum::server
