// SPDX-License-Identifier: Apache-2.0
//
// CLUSTER: one shard with every slot, its leader the master and the others its replicas. What it
// says does not depend on which node is asked (clients compare), and during an election it goes on
// naming the last leader: clients that are told of no master at all give up.
#include <vector>

#include "server/boot.h"
#include "server/local_call.h"
#include "server/local_families.h"
#include "server/local_subcommands.h"
#include "store/slot.h"

namespace kvorum::server {
namespace {

constexpr int64_t kLastSlot = store::kSlots - 1;

struct Member {
  NodeId id;
  std::string name;  // 40 hex digits
  Address address;
  bool leads = false;
  bool connected = true;
  Index offset;
};

// The leader first, then by id. A follower knows nothing of the others' logs: it says of them what
// a majority certainly has.
std::vector<Member> MembersOf(Node& node) {
  const raft::Core& core = node.member().core();
  const uint64_t cluster_id = ClusterIdOf(node.config());
  // Before the first election of a life: anybody will do, if only everybody says the same.
  raft::Configuration::Ids ids = core.configuration().Members();
  if (ids.empty()) ids = {core.id()};  // joins, and has not heard from the leader yet
  const NodeId leader = node.last_leader() == NodeId() ? ids.front() : node.last_leader();
  std::vector<Member> members;
  for (const NodeId id : ids) {
    Member member{id, ClusterNodeName(cluster_id, id), node.AddressOf(id), id == leader};
    const raft::Progress* progress = core.ProgressOf(id);
    const bool self = id == core.id();
    member.connected = self || node.wire().IsConnected(id);
    member.offset = self                  ? core.log().last_index()
                    : progress != nullptr ? progress->match()
                                          : core.commit();
    members.push_back(std::move(member));
  }
  const auto first = std::find_if(members.begin(), members.end(),
                                  [](const Member& member) { return member.leads; });
  if (first != members.end()) std::rotate(members.begin(), first, first + 1);
  return members;
}

void Slots(LocalCall& call) {
  const std::vector<Member> members = MembersOf(call.node);
  call.reply.Array(1);
  call.reply.Array(2 + members.size());
  call.reply.Integer(0);
  call.reply.Integer(kLastSlot);
  for (const Member& member : members) {
    call.reply.Array(4);
    call.reply.Bulk(member.address.host);
    call.reply.Integer(member.address.port);
    call.reply.Bulk(member.name);
    call.reply.Map(0);  // other names of the host
  }
}

void Shards(LocalCall& call) {
  const std::vector<Member> members = MembersOf(call.node);
  call.reply.Array(1);
  call.reply.Map(2);
  call.reply.Bulk("slots");
  call.reply.Array(2);
  call.reply.Integer(0);
  call.reply.Integer(kLastSlot);
  call.reply.Bulk("nodes");
  call.reply.Array(members.size());
  for (const Member& member : members) {
    call.reply.Map(7);
    call.reply.Bulk("id");
    call.reply.Bulk(member.name);
    call.reply.Bulk("port");
    call.reply.Integer(member.address.port);
    call.reply.Bulk("ip");
    call.reply.Bulk(member.address.host);
    call.reply.Bulk("endpoint");
    call.reply.Bulk(member.address.host);
    call.reply.Bulk("role");
    call.reply.Bulk(member.leads ? "master" : "replica");
    call.reply.Bulk("replication-offset");
    call.reply.Integer(static_cast<int64_t>(member.offset.value()));
    call.reply.Bulk("health");
    call.reply.Bulk(member.connected ? "online" : "fail");
  }
}

void Nodes(LocalCall& call) {
  const raft::Core& core = call.node.member().core();
  const std::string epoch = std::to_string(core.term().value());
  const std::vector<Member> members = MembersOf(call.node);
  const std::string leader = members.front().name;
  std::string text;
  for (const Member& member : members) {
    const std::optional<NodeAddress> place = call.node.PlaceOf(member.id);
    const uint16_t peer_port = place ? place->peer_port : 0;
    text += member.name + " " + member.address.host + ":" + std::to_string(member.address.port) +
            "@" + std::to_string(peer_port) + " ";
    if (member.id == core.id()) text += "myself,";
    text += member.leads ? "master -" : "slave " + leader;
    text += " 0 0 " + epoch + (member.connected ? " connected" : " disconnected");
    if (member.leads) text += " 0-" + std::to_string(kLastSlot);
    text += "\n";
  }
  call.reply.Verbatim("txt", text);
}

void Info(LocalCall& call) {
  const raft::Core& core = call.node.member().core();
  const bool ok = call.node.last_leader() != NodeId();
  const std::string slots = std::to_string(store::kSlots);
  const std::string epoch = std::to_string(core.term().value());
  std::string text = std::string("cluster_state:") + (ok ? "ok" : "fail") + "\r\n";
  text += "cluster_slots_assigned:" + slots + "\r\n";
  text += "cluster_slots_ok:" + slots + "\r\n";
  text += "cluster_slots_pfail:0\r\ncluster_slots_fail:0\r\n";
  text += "cluster_known_nodes:" + std::to_string(core.configuration().Members().size()) + "\r\n";
  text += "cluster_size:1\r\n";
  text += "cluster_current_epoch:" + epoch + "\r\n";
  text += "cluster_my_epoch:" + epoch + "\r\n";
  text += "cluster_stats_messages_sent:0\r\ncluster_stats_messages_received:0\r\n";
  text += "total_cluster_links_buffer_limit_exceeded:0\r\n";
  call.reply.Verbatim("txt", text);
}

void MyId(LocalCall& call) {
  const Config& config = call.node.config();
  call.reply.Bulk(ClusterNodeName(ClusterIdOf(config), config.node_id));
}

// There is one shard; its name belongs to no node.
void MyShardId(LocalCall& call) {
  call.reply.Bulk(ClusterNodeName(ClusterIdOf(call.node.config()), NodeId()));
}

void KeySlot(LocalCall& call) { call.reply.Integer(store::SlotOf(call.argv[2])); }

void CountKeysInSlot(LocalCall& call) {
  const std::optional<int64_t> slot = IntegerArgument(call, 2);
  if (!slot) return;
  if (*slot < 0 || *slot > kLastSlot) return call.reply.Error("ERR Invalid slot");
  const size_t count = call.node.machine().CountKeysInSlot(static_cast<uint16_t>(*slot));
  call.reply.Integer(static_cast<int64_t>(count));
}

void GetKeysInSlot(LocalCall& call) {
  const std::optional<int64_t> slot = IntegerArgument(call, 2);
  if (!slot) return;
  const std::optional<int64_t> most = IntegerArgument(call, 3);
  if (!most) return;
  if (*slot < 0 || *slot > kLastSlot || *most < 0) {
    return call.reply.Error("ERR Invalid slot or number of keys");
  }
  call.node.machine().KeysInSlot(static_cast<uint16_t>(*slot), static_cast<size_t>(*most),
                                 call.reply);
}

void Help(LocalCall& call) {
  static constexpr std::string_view kLines[] = {
      "COUNTKEYSINSLOT <slot>",
      "    Return the number of keys in <slot>.",
      "FAILOVER [FORCE]",
      "    Promote current replica node to being a master.",
      "GETKEYSINSLOT <slot> <count>",
      "    Return key names stored by current node in a slot.",
      "INFO",
      "    Return information about the cluster.",
      "KEYSLOT <key>",
      "    Return the hash slot for <key>.",
      "MYID",
      "    Return the node id.",
      "MYSHARDID",
      "    Return the node's shard id.",
      "NODES",
      "    Return cluster configuration seen by node. Output format:",
      "    <id> <ip:port@bus-port[,hostname]> <flags> <master> <pings> <pongs> <epoch> <link> "
      "<slot> ...",
      "SHARDS",
      "    Return information about slot range mappings and the nodes associated with them.",
      "SLOTS",
      "    Return information about slots range mappings. Each range is made of:",
      "    start, end, master and replicas IP addresses, ports and ids"};
  ReplyHelp(call, kLines);
}

void Readonly(LocalCall& call) {
  call.session.readonly = true;
  call.reply.Ok();
}

void Readwrite(LocalCall& call) {
  call.session.readonly = false;
  call.reply.Ok();
}

// No slot ever moves, so nobody is sent here by ASK; clients that ask all the same do no harm.
void Asking(LocalCall& call) { call.reply.Ok(); }

constexpr CommandRow kSubcommands[] = {
    {.name = "cluster|slots",
     .arity = 2,
     .flags = store::kFlagStale,
     .docs = {"Returns the mapping of cluster slots to nodes.", "3.0.0", "cluster",
              "O(N) where N is the total number of Cluster nodes"},
     .local = Slots},
    {.name = "cluster|shards",
     .arity = 2,
     .flags = store::kFlagStale,
     .docs = {"Returns the mapping of cluster slots to shards.", "7.0.0", "cluster",
              "O(N) where N is the total number of cluster nodes"},
     .local = Shards},
    {.name = "cluster|nodes",
     .arity = 2,
     .flags = store::kFlagStale,
     .docs = {"Returns the cluster configuration for a node.", "3.0.0", "cluster",
              "O(N) where N is the total number of Cluster nodes"},
     .local = Nodes},
    {.name = "cluster|info",
     .arity = 2,
     .flags = store::kFlagStale,
     .docs = {"Returns information about the state of a node.", "3.0.0", "cluster", "O(1)"},
     .local = Info},
    {.name = "cluster|myid",
     .arity = 2,
     .flags = store::kFlagStale,
     .docs = {"Returns the ID of a node.", "3.0.0", "cluster", "O(1)"},
     .local = MyId},
    {.name = "cluster|myshardid",
     .arity = 2,
     .flags = store::kFlagStale,
     .docs = {"Returns the shard ID of a node.", "7.2.0", "cluster", "O(1)"},
     .local = MyShardId},
    {.name = "cluster|keyslot",
     .arity = 3,
     .flags = store::kFlagStale,
     .docs = {"Returns the hash slot for a key.", "3.0.0", "cluster",
              "O(N) where N is the number of bytes in the key"},
     .local = KeySlot},
    {.name = "cluster|countkeysinslot",
     .arity = 3,
     .flags = store::kFlagStale,
     .docs = {"Returns the number of keys in a hash slot.", "3.0.0", "cluster", "O(1)"},
     .local = CountKeysInSlot},
    {.name = "cluster|getkeysinslot",
     .arity = 4,
     .flags = store::kFlagStale,
     .docs = {"Returns the key names in a hash slot.", "3.0.0", "cluster",
              "O(N) where N is the number of requested keys"},
     .local = GetKeysInSlot},
    {.name = "cluster|failover",
     .arity = -2,
     .flags = store::kFlagAdmin | store::kFlagNoScript | store::kFlagStale,
     .docs = {"Forces a replica to perform a manual failover of its master.", "3.0.0", "cluster",
              "O(1)"},
     .local = ClusterFailover},
    {.name = "cluster|help",
     .arity = 2,
     .flags = store::kFlagLoading | store::kFlagStale,
     .docs = {"Returns helpful text about the different subcommands.", "5.0.0", "cluster", "O(1)"},
     .local = Help},
};
static_assert(store::ValidRows(kSubcommands));

constexpr uint32_t kFlagsReadonly = store::kFlagLoading | store::kFlagStale | store::kFlagFast;

constexpr CommandRow kRows[] = {
    {.name = "cluster",
     .arity = -2,
     .docs = {"A container for Redis Cluster commands.", "3.0.0", "cluster",
              "Depends on subcommand."},
     .subcommand_rows = kSubcommands,
     .subcommand_count = std::size(kSubcommands)},
    {.name = "readonly",
     .arity = 1,
     .flags = kFlagsReadonly | store::kAclConnection,
     .docs = {"Enables read-only queries for a connection to a Redis Cluster replica node.",
              "3.0.0", "cluster", "O(1)"},
     .local = Readonly},
    {.name = "readwrite",
     .arity = 1,
     .flags = kFlagsReadonly | store::kAclConnection,
     .docs = {"Enables read-write queries for a connection to a Redis Cluster replica node.",
              "3.0.0", "cluster", "O(1)"},
     .local = Readwrite},
    {.name = "asking",
     .arity = 1,
     .flags = store::kFlagFast | store::kAclConnection,
     .docs = {"Signals that a cluster client is following an -ASK redirect.", "3.0.0", "cluster",
              "O(1)"},
     .local = Asking},
};
static_assert(store::ValidRows(kRows));

}  // namespace

std::span<const CommandRow> ClusterCommands() { return kRows; }

}  // namespace kvorum::server
