// SPDX-License-Identifier: Apache-2.0
//
// RAFT ADD, REMOVE, PROMOTE and DEMOTE: who belongs to the group.
//
// The leader is asked; any other node names it (MOVED), as for a key. The reply comes when the
// change is committed, so OK is a promise: no later leader knows otherwise.
#include <algorithm>
#include <string>

#include "server/cluster_nodes.h"
#include "server/local_call.h"
#include "server/local_subcommands.h"

namespace kvorum::server {
namespace {

using raft::ChangeError;

std::string_view TextOf(ChangeError error) {
  switch (error) {
    case ChangeError::kNotLeader:
      return "CLUSTERDOWN no leader is known";
    case ChangeError::kTransferring:
      return "TRYAGAIN leadership is being handed to another node";
    case ChangeError::kNotReady:
      return "TRYAGAIN the leader is new and has committed nothing of its term yet";
    case ChangeError::kInProgress:
      return "TRYAGAIN another change of the members is in progress";
    case ChangeError::kMember:
      return "ERR this id is a member already; a node that has lost its disk comes back under a "
             "new id";
    case ChangeError::kRemovedId:
      return "ERR ids are never reused: take one above every id that was removed";
    case ChangeError::kAddressTaken:
      return "ERR another member has this address: remove it first";
    case ChangeError::kBadAddress:
      return "ERR the address is not of the form host:port@peer-port";
    case ChangeError::kTooMany:
      return "ERR there are as many members as are possible";
    case ChangeError::kNotMember:
      return "ERR no member has this id";
    case ChangeError::kNotVoter:
      return "ERR this node is a learner already";
    case ChangeError::kNotLearner:
      return "ERR this node is a voter already";
    case ChangeError::kLags:
      return "ERR this learner does not keep up with the log yet; FORCE promotes it nevertheless";
    case ChangeError::kLastVoter:
      return "ERR the last voter cannot go";
    case ChangeError::kQuorum:
      return "ERR too few of the remaining voters are in reach to go on without this one; FORCE "
             "does it nevertheless";
  }
  return "ERR";
}

void Refuse(LocalCall& call, ChangeError error) {
  const raft::Core& core = call.node.member().core();
  const NodeId leader = core.leader();
  if (error != ChangeError::kNotLeader || leader == NodeId() || leader == core.id()) {
    return call.reply.Error(TextOf(error));
  }
  const Address address = call.node.AddressOf(leader);
  const bool moved = call.session.kind == PortKind::kCluster;  // nobody else knows the word
  call.reply.Error((moved ? "MOVED 0 " : "ERR only the leader changes the members, ask ") +
                   address.host + ":" + std::to_string(address.port));
}

std::optional<NodeId> IdArgument(LocalCall& call) {
  const std::optional<int64_t> id = IntegerArgument(call, 2);
  if (!id) return std::nullopt;
  if (*id > 0) return NodeId(static_cast<uint64_t>(*id));
  call.reply.Error("ERR a node id is a number from 1 on");
  return std::nullopt;
}

void Begin(LocalCall& call, const raft::Change& change) {
  const raft::ChangeResult result = call.node.member().ProposeChange(change);
  if (const auto* error = std::get_if<ChangeError>(&result)) return Refuse(call, *error);
  call.node.BeginChangeWait(call.session, std::get<raft::Proposed>(result), call.mute);
  call.deferred = true;
}

// RAFT <verb> id [FORCE]
void Alter(LocalCall& call, raft::Change::Kind kind) {
  if (call.argv.size() > 4) return store::ReplyWrongArity(call.row, call.reply);
  const std::optional<NodeId> id = IdArgument(call);
  if (!id) return;
  const bool force = call.argv.size() == 4;
  if (force && !resp::EqualsIgnoreCase(call.argv[3], "force")) {
    return call.reply.Error(store::kErrSyntax);
  }
  Begin(call, {.kind = kind, .id = *id, .force = force});
}

}  // namespace

// RAFT ADD id address [LEVEL n]
void RaftAdd(LocalCall& call) {
  std::optional<store::FeatureLevel> level;
  if (call.argv.size() > 4) {
    if (call.argv.size() != 6 || !resp::EqualsIgnoreCase(call.argv[4], "level")) {
      return call.reply.Error(store::kErrSyntax);
    }
    const std::optional<int64_t> number = IntegerArgument(call, 5);
    if (!number) return;
    level = static_cast<store::FeatureLevel>(std::clamp<int64_t>(*number, 0, UINT16_MAX));
  }
  const std::optional<NodeId> id = IdArgument(call);
  if (!id) return;
  const std::optional<NodeAddress> address = ParseAddress(*id, call.argv[3]);
  if (!address || address->peer_port == 0) return Refuse(call, ChangeError::kBadAddress);
  const std::optional<NodeAddress> self = call.node.PlaceOf(call.node.config().node_id);
  if (!self || self->peer_port == 0) {
    return call.reply.Error(
        "ERR this node listens for no peers: give it a peer port with cluster-nodes or raft-port");
  }
  const replica::Member& member = call.node.member();
  const raft::Configuration& configuration = member.core().configuration();
  if (member.core().IsLeader() && !configuration.Contains(*id) &&
      *id > configuration.removed_up_to) {
    if (!member.KnowsFeatureLevel()) return Refuse(call, ChangeError::kNotReady);
    const std::string why = call.node.FeatureRefusal(*id, level);
    if (!why.empty()) return call.reply.Error("ERR " + why);
  }
  Begin(call, {.kind = raft::Change::Kind::kAdd, .id = *id, .address = AddressText(*address)});
}

void RaftRemove(LocalCall& call) { Alter(call, raft::Change::Kind::kRemove); }
void RaftPromote(LocalCall& call) { Alter(call, raft::Change::Kind::kPromote); }
void RaftDemote(LocalCall& call) { Alter(call, raft::Change::Kind::kDemote); }

std::string_view MembershipOf(const raft::Core& core, NodeId id) {
  const raft::Configuration& configuration = core.configuration();
  if (configuration.IsLeaving(id)) return "leaving";
  if (configuration.IsVoter(id)) {
    // Until the change is through, the voters before it are needed all the same.
    const raft::Configuration& committed = core.ConfigurationAt(core.commit());
    const bool through =
        raft::Configuration::Has(committed.voters, id) &&
        (!committed.IsJoint() || raft::Configuration::Has(committed.old_voters, id));
    return through ? "voter" : "joining";
  }
  if (configuration.Contains(id)) return "learner";
  if (id <= configuration.removed_up_to) return "removed";
  return "joining";
}

}  // namespace kvorum::server
