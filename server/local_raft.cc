// SPDX-License-Identifier: Apache-2.0
//
// RAFT: what this member knows of the group, of its log, and of itself.
#include <vector>

#include "server/boot.h"
#include "server/limits.h"
#include "server/local_call.h"
#include "server/local_families.h"
#include "server/local_subcommands.h"
#include "store/envelope.h"

namespace kvorum::server {
namespace {

std::string_view RoleName(raft::RoleKind role) {
  switch (role) {
    case raft::RoleKind::kFollower:
      return "follower";
    case raft::RoleKind::kCandidate:
      return "candidate";
    case raft::RoleKind::kLeader:
      return "leader";
  }
  return "unknown";
}

std::string_view StateName(raft::Progress::State state) {
  switch (state) {
    case raft::Progress::State::kProbe:
      return "probe";
    case raft::Progress::State::kReplicate:
      return "replicate";
    case raft::Progress::State::kSnapshot:
      return "snapshot";
  }
  return "unknown";
}

template <class Number>
int64_t Signed(Number number) {
  return static_cast<int64_t>(number);
}
template <class Tag, class Rep>
int64_t Signed(Strong<Tag, Rep> number) {
  return static_cast<int64_t>(number.value());
}

// ---- RAFT INFO --------------------------------------------------------------------------------

// Collects the pairs of a map, whose number stands before them.
class Fields {
 public:
  explicit Fields(resp::Protocol protocol) : protocol_(protocol) {}

  template <class Value>
  void Add(std::string_view name, const Value& value) {
    if constexpr (std::is_convertible_v<Value, std::string_view>) {
      Writer(name).Bulk(value);
    } else {
      Writer(name).Integer(Signed(value));
    }
  }
  void AddBool(std::string_view name, bool value) { Writer(name).Integer(value ? 1 : 0); }
  void AddNull(std::string_view name) { Writer(name).Null(); }
  void WriteTo(resp::Reply& reply) const {
    reply.Map(count_);
    reply.Raw(bytes_);
  }

 private:
  resp::Reply Writer(std::string_view name) {
    ++count_;
    resp::Reply reply(&bytes_, protocol_);
    reply.Bulk(name);
    return reply;
  }

  resp::Protocol protocol_;
  std::string bytes_;
  size_t count_ = 0;
};

// How old what a follower says after READONLY may be: entries that it knows to be committed and has
// not applied, and how long ago it has heard from the leader at all.
void AddReadLag(Fields& fields, const replica::Member& member) {
  const raft::Core& core = member.core();
  fields.Add("lag_entries", core.known_commit() - std::min(core.known_commit(), member.applied()));
  if (core.leader() == NodeId()) {
    fields.AddNull("lag_ms");
  } else {
    fields.Add("lag_ms", (member.now().boot_us - core.heard_at()) / 1000);
  }
}

void Info(LocalCall& call) {
  const replica::Member& member = call.node.member();
  const raft::Core& core = member.core();
  const raft::Options& options = core.options();
  const Config& config = call.node.config();
  Fields fields(call.reply.protocol());
  fields.Add("node_id", core.id());
  fields.Add("cluster_id", std::to_string(ClusterIdOf(config)));
  fields.Add("role", RoleName(core.role()));
  fields.AddBool("serves", member.Serves());
  fields.Add("term", core.term());
  fields.Add("vote", core.vote());
  fields.Add("leader", core.leader());
  fields.Add("voters", core.configuration().voters.size());
  fields.Add("learners", core.configuration().learners.size());
  fields.Add("membership", call.node.Removed() ? "removed" : MembershipOf(core, core.id()));
  fields.Add("configuration_index", core.configuration_index());
  fields.AddBool("configuration_joint", core.configuration().IsJoint());
  fields.AddBool("may_vote", core.MayVote());
  fields.AddBool("transferring", core.IsTransferring());
  fields.Add("feature_level", call.node.machine().feature_level());
  fields.Add("feature_level_supported", call.node.machine().options().level_known);
  fields.Add("feature_level_max", config.feature_level_max);
  fields.Add("commit_index", core.commit());
  fields.Add("applied_index", member.applied());
  fields.Add("last_index", core.log().last_index());
  fields.Add("durable_index", core.log().durable_index());
  fields.Add("snapshot_index", core.snapshot().index);
  fields.AddBool("snapshot_running", member.taker().running());
  fields.AddBool("restoring", member.restoring());
  fields.Add("log_first_index", core.log().base_index() + 1);
  fields.Add("log_entries", core.log().last_index() - core.log().base_index());
  fields.Add("log_bytes", core.log().bytes());
  fields.Add("uncommitted_bytes", core.uncommitted_bytes());
  fields.Add("proposals_pending", member.proposals_pending());
  fields.Add("proposals_committed", member.stats().proposals_committed.Get());
  fields.Add("proposals_failed", member.stats().proposals_failed.Get());
  fields.Add("carried_pending", call.node.carried_pending());
  fields.Add("read_mode", config.lease_reads ? "lease" : "quorum");
  fields.Add("reads_by_lease", member.stats().reads_by_lease.Get());
  fields.Add("reads_by_quorum", member.stats().reads_by_quorum.Get());
  fields.Add("reads_by_leader", member.stats().reads_by_leader.Get());
  AddReadLag(fields, member);
  fields.Add("lease_duration_ms", options.lease_us / 1000);
  fields.Add("clock_drift_percent", options.clock_drift_percent);
  fields.Add("leases_dropped", member.stats().leases_dropped.Get());
  fields.Add("election_timeout_ms", core.election_timeout_us() / 1000);
  fields.Add("election_timeout_min_ms", options.election_timeout_us / 1000);
  fields.Add("election_timeout_max_ms", ElectionTimeoutMostMs(config));
  fields.Add("heartbeat_interval_ms", options.heartbeat_us / 1000);
  fields.Add("leader_priority", core.options().priority);
  fields.Add("handed_over_wish", member.stats().handed_over_wish.Get());
  fields.Add("disk_waits_us", member.health().disk_waits(member.now().boot_us));
  fields.Add("handed_over_sick",
             member.stats().handed_over_disk.Get() + member.stats().handed_over_loop.Get());
  fields.Add("state_checked_index", call.node.watch().newest().index);
  fields.Add("state_divergences", call.node.watch().stats().divergences.Get());
  fields.Add("elections_started", core.stats().elections_started.Get());
  fields.Add("elections_won", core.stats().elections_won.Get());
  fields.Add("leader_changes", core.stats().leader_changes.Get());
  fields.WriteTo(call.reply);
}

// ---- RAFT NODES -------------------------------------------------------------------------------

// What a leader alone knows of another member; a follower has nulls.
void AddProgress(Fields& fields, const Node& node, NodeId id) {
  const raft::Core& core = node.member().core();
  const Index last = core.log().last_index();
  if (id == core.id()) {
    fields.Add("match_index", core.log().durable_index());
    fields.Add("next_index", last + 1);
    fields.Add("lag", last - core.log().durable_index());
    fields.Add("last_contact_ms", 0);
    fields.Add("round_trip_us", 0);
    fields.Add("state", "self");
    fields.Add("priority", core.options().priority);
    return;
  }
  const raft::Progress* progress = core.ProgressOf(id);
  if (progress == nullptr) {
    for (const std::string_view name : {"match_index", "next_index", "lag", "last_contact_ms",
                                        "round_trip_us", "state", "priority"}) {
      fields.AddNull(name);
    }
    return;
  }
  fields.Add("match_index", progress->match());
  fields.Add("next_index", progress->next());
  fields.Add("lag", last - std::min(last, progress->match()));
  fields.Add("last_contact_ms", (node.now().boot_us - progress->last_heard()) / 1000);
  fields.Add("round_trip_us", progress->round_trip());
  fields.Add("state", StateName(progress->state()));
  fields.Add("priority", progress->priority());
}

// What it may be raised to. Members stop telling when there is nothing more to raise.
void AddFeature(Fields& fields, const Node& node, NodeId id) {
  const replica::Member& member = node.member();
  const bool known = id == member.core().id() || member.core().IsLeader();
  const store::FeatureLevel level = node.machine().feature_level();
  const std::optional<store::FeatureLevel> can =
      id == member.core().id() ? node.FeatureCan() : member.FeatureOf(id);
  const bool silent = level < node.machine().options().level_known && !can;
  if (!known || silent) return fields.AddNull("feature_level_max");
  fields.Add("feature_level_max", std::max(level, can.value_or(level)));
}

void Nodes(LocalCall& call) {
  const raft::Core& core = call.node.member().core();
  const raft::Configuration::Ids members = core.configuration().Members();
  call.reply.Array(members.size());
  for (const NodeId id : members) {
    const Address address = call.node.AddressOf(id);
    const std::optional<NodeAddress> place = call.node.PlaceOf(id);
    const bool self = id == core.id();
    Fields fields(call.reply.protocol());
    fields.Add("id", id);
    fields.Add("name", ClusterNodeName(ClusterIdOf(call.node.config()), id));
    fields.Add("address", address.host + ":" + std::to_string(address.port));
    if (!place || place->peer_port == 0) {
      fields.AddNull("peer_address");
    } else {
      fields.Add("peer_address", place->host + ":" + std::to_string(place->peer_port));
    }
    fields.Add("role", self                        ? RoleName(core.role())
                       : core.leader() == NodeId() ? "unknown"
                       : core.leader() == id       ? "leader"
                                                   : "follower");
    fields.Add("membership", MembershipOf(core, id));
    fields.AddBool("connected", self || call.node.wire().IsConnected(id));
    AddProgress(fields, call.node, id);
    AddFeature(fields, call.node, id);
    fields.WriteTo(call.reply);
  }
}

// ---- RAFT LOG ---------------------------------------------------------------------------------

// Printable whatever it holds, and short.
std::string Shown(std::string_view bytes) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string text;
  for (const char c : bytes.substr(0, kRaftLogArgumentBytes)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\\') {
      text += "\\\\";
    } else if (c == '\n') {
      text += "\\n";
    } else if (c == '\r') {
      text += "\\r";
    } else if (byte < 0x20 || byte > 0x7E) {
      text += "\\x";
      text += kHex[byte >> 4];
      text += kHex[byte & 0xF];
    } else {
      text += c;
    }
  }
  if (bytes.size() > kRaftLogArgumentBytes) {
    text += "... (" + std::to_string(bytes.size() - kRaftLogArgumentBytes) + " more bytes)";
  }
  return text;
}

void WriteCommand(resp::Reply& reply, std::string_view name,
                  const store::EnvelopeCommand& command) {
  const size_t arguments = command.args.size() - 1;
  const size_t shown = std::min(arguments, kRaftLogArguments);
  reply.Array(1 + shown + (shown < arguments ? 1 : 0));
  reply.Bulk(name);
  for (size_t i = 1; i <= shown; ++i) reply.Bulk(Shown(command.args[i]));
  if (shown < arguments) {
    reply.Bulk("... (" + std::to_string(arguments - shown) + " more arguments)");
  }
}

void WriteEntry(LocalCall& call, const raft::Entry& entry) {
  const bool batch = entry.type == raft::EntryType::kBatch;
  resp::Reply& reply = call.reply;
  reply.Map(batch ? 7 : 4);
  reply.Bulk("index");
  reply.Integer(Signed(entry.index));
  reply.Bulk("term");
  reply.Integer(Signed(entry.term));
  reply.Bulk("type");
  reply.Bulk(batch ? "batch" : entry.type == raft::EntryType::kConfig ? "config" : "noop");
  reply.Bulk("bytes");
  reply.Integer(Signed(entry.payload.size()));
  if (!batch) return;
  store::EnvelopeReader reader(entry.payload.view());
  reply.Bulk("time_ms");
  reply.Integer(reader.wall());
  reply.Bulk("command_count");
  reply.Integer(reader.count());
  std::string commands;
  size_t count = 0;
  resp::Reply writer(&commands, reply.protocol());
  store::EnvelopeCommand command;
  while (count < kRaftLogCommands && reader.Next(command)) {
    const CommandRow* row = call.node.commands().Find(command.opcode);
    WriteCommand(writer, row == nullptr ? std::string_view("?") : row->name, command);
    ++count;
  }
  reply.Bulk("commands");
  reply.Array(count);
  reply.Raw(commands);
}

void Log(LocalCall& call) {
  const std::optional<size_t> most = CountArgument(call, kRaftLogDefault, kRaftLogMax);
  if (!most) return;
  const raft::Log& log = call.node.member().core().log();
  const uint64_t there = log.last_index() - log.base_index();
  const uint64_t count = std::min<uint64_t>(there, *most);
  call.reply.Array(count);
  for (Index index = log.last_index() - count + 1; index <= log.last_index(); ++index) {
    WriteEntry(call, log.At(index));
  }
}

void Snapshot(LocalCall& call) {
  if (call.node.member().taker().running()) {
    return call.reply.Error("ERR Background save already in progress");
  }
  call.node.member().RequestSnapshot();
  call.reply.Simple("Background saving started");
}

void Help(LocalCall& call) {
  static constexpr std::string_view kLines[] = {
      "DIGEST",
      "    Return the newest hash over a part of the state, and where others were found equal.",
      "EVENTS [<count>]",
      "    Return the last <count> events of elections, votes, roles and snapshots (default: 32).",
      "INFO",
      "    Return what this member knows of itself, its log and its leader.",
      "LOG [<count>]",
      "    Return the last <count> entries of the log (default: 10), oldest first.",
      "ADD <id> <host:port@peer-port> [LEVEL <feature-level>]",
      "    Take a new node in, as a learner that is promoted by itself when it keeps up.",
      "DEMOTE <id> [FORCE]",
      "    Make a learner of a voter.",
      "PROMOTE <id> [FORCE]",
      "    Make a voter of a learner.",
      "REMOVE <id> [FORCE]",
      "    Remove a node for good: its id is never used again.",
      "NODES",
      "    Return the members and, on the leader, how far each has come.",
      "SNAPSHOT",
      "    Write a snapshot of the state in the background.",
      "TRANSFER [<id>]",
      "    Hand leadership to node <id>, or from here to the most advanced one, and wait for it."};
  ReplyHelp(call, kLines);
}

constexpr uint32_t kFlagsAdmin = kFlagsLocal | store::kFlagAdmin;

constexpr CommandRow kSubcommands[] = {
    {.name = "raft|info",
     .arity = 2,
     .flags = kFlagsLocal | store::kAclDangerous,
     .docs = {"Returns what a member knows of itself, its log and its leader.", "7.2.0", "raft",
              "O(1)"},
     .local = Info},
    {.name = "raft|nodes",
     .arity = 2,
     .flags = kFlagsLocal | store::kAclDangerous,
     .docs = {"Returns the members of the group and their progress.", "7.2.0", "raft",
              "O(N) where N is the number of members"},
     .local = Nodes},
    {.name = "raft|add",
     .arity = -4,
     .flags = kFlagsAdmin | store::kFlagBlocking,
     .docs = {"Takes a new node in.", "7.2.0", "raft", "O(N) where N is the number of members"},
     .local = RaftAdd},
    {.name = "raft|remove",
     .arity = -3,
     .flags = kFlagsAdmin | store::kFlagBlocking,
     .docs = {"Removes a node for good.", "7.2.0", "raft", "O(N) where N is the number of members"},
     .local = RaftRemove},
    {.name = "raft|promote",
     .arity = -3,
     .flags = kFlagsAdmin | store::kFlagBlocking,
     .docs = {"Makes a voter of a learner.", "7.2.0", "raft",
              "O(N) where N is the number of members"},
     .local = RaftPromote},
    {.name = "raft|demote",
     .arity = -3,
     .flags = kFlagsAdmin | store::kFlagBlocking,
     .docs = {"Makes a learner of a voter.", "7.2.0", "raft",
              "O(N) where N is the number of members"},
     .local = RaftDemote},
    {.name = "raft|log",
     .arity = -2,
     .flags = kFlagsAdmin,
     .docs = {"Returns the last entries of the log.", "7.2.0", "raft",
              "O(N) where N is the number of entries"},
     .local = Log},
    {.name = "raft|snapshot",
     .arity = 2,
     .flags = kFlagsAdmin,
     .docs = {"Writes a snapshot of the state in the background.", "7.2.0", "raft", "O(1)"},
     .local = Snapshot},
    {.name = "raft|digest",
     .arity = 2,
     .flags = kFlagsLocal | store::kAclDangerous,
     .docs = {"Returns the newest hash over a part of the state.", "7.2.0", "raft",
              "O(N) where N is the number of members"},
     .local = RaftDigest},
    {.name = "raft|events",
     .arity = -2,
     .flags = kFlagsLocal | store::kAclDangerous,
     .docs = {"Returns what happened to the group, as this member saw it.", "7.2.0", "raft",
              "O(N) where N is the number of events"},
     .local = RaftEvents},
    {.name = "raft|transfer",
     .arity = -2,
     .flags = kFlagsAdmin | store::kFlagBlocking,
     .docs = {"Hands leadership to another member and waits for it.", "7.2.0", "raft", "O(1)"},
     .local = RaftTransfer},
    {.name = "raft|help",
     .arity = 2,
     .flags = store::kFlagLoading | store::kFlagStale,
     .docs = {"Returns helpful text about the different subcommands.", "7.2.0", "raft", "O(1)"},
     .local = Help},
};
static_assert(store::ValidRows(kSubcommands));

constexpr CommandRow kRows[] = {
    {.name = "raft",
     .arity = -2,
     .docs = {"A container for commands about consensus.", "7.2.0", "raft",
              "Depends on subcommand."},
     .subcommand_rows = kSubcommands,
     .subcommand_count = std::size(kSubcommands)},
};
static_assert(store::ValidRows(kRows));

}  // namespace

std::span<const CommandRow> RaftCommands() { return kRows; }

}  // namespace kvorum::server
