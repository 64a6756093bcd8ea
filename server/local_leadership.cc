// SPDX-License-Identifier: Apache-2.0
//
// RAFT TRANSFER and CLUSTER FAILOVER: leadership is handed on without a gap in what is acknowledged
// (thesis 3.10). Any node can be asked; a follower carries the wish to the leader. To wish twice
// does no harm: who leads already says OK.
#include "server/local_subcommands.h"

#include <string>

#include "server/local_call.h"
#include "server/local_families.h"

namespace kvorum::server {
namespace {

// To the leader, as a command of its own. Parked while there is none.
void Carry(LocalCall& call, NodeId target) {
  call.carry_as = {"RAFT", "TRANSFER", std::to_string(target.value())};
}

void BeginTransfer(LocalCall& call, NodeId target) {
  Node& node = call.node;
  if (!node.member().TransferLeadership(target)) {
    const bool other = node.member().core().IsTransferring();
    return call.reply.Error(other ? "ERR leadership is being handed to another node already"
                                  : "ERR there is no other node in reach to lead");
  }
  node.BeginTransferWait(call.session, call.sequence, call.mute);
  call.deferred = true;
}

}  // namespace

void RaftTransfer(LocalCall& call) {
  if (call.argv.size() > 3) return store::ReplyWrongArity(call.row, call.reply);
  const raft::Core& core = call.node.member().core();
  NodeId target;
  if (call.argv.size() == 3) {
    const std::optional<int64_t> id = IntegerArgument(call, 2);
    if (!id) return;
    target = NodeId(static_cast<uint64_t>(*id));
    if (*id <= 0 || !raft::Configuration::Has(core.configuration().voters, target)) {
      return call.reply.Error("ERR node " + std::to_string(*id) + " is not a voter");
    }
  }
  if (core.IsLeader()) {
    if (target == core.id()) return call.reply.Ok();
    return BeginTransfer(call, target);
  }
  if (target == NodeId()) {
    return call.reply.Error("ERR this node does not lead: name the node that shall");
  }
  Carry(call, target);
}

void ClusterFailover(LocalCall& call) {
  if (call.argv.size() > 3) return store::ReplyWrongArity(call.row, call.reply);
  if (call.argv.size() == 3) {
    if (resp::EqualsIgnoreCase(call.argv[2], "TAKEOVER")) {
      return call.reply.Error("ERR TAKEOVER is not possible: a majority elects, always");
    }
    if (!resp::EqualsIgnoreCase(call.argv[2], "FORCE")) return call.reply.Error(store::kErrSyntax);
  }
  const raft::Core& core = call.node.member().core();
  if (core.IsLeader()) {
    return call.reply.Error("ERR You should send CLUSTER FAILOVER to a replica");
  }
  if (!raft::Configuration::Has(core.configuration().voters, core.id()))
    return call.reply.Error("ERR this node is not a voter");
  Carry(call, core.id());
}

}  // namespace kvorum::server
