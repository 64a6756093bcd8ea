// SPDX-License-Identifier: Apache-2.0
//
// RAFT DIGEST: what the consistency watch has seen. Two nodes that show the same `index` must show
// the same `digest`.
#include <string>

#include "disk/files.h"
#include "server/local_call.h"
#include "server/local_subcommands.h"

namespace kvorum::server {

void RaftDigest(LocalCall& call) {
  const ConsistencyWatch& watch = call.node.watch();
  const ConsistencyWatch::Part& part = watch.newest();
  resp::Reply& reply = call.reply;
  reply.Map(5);
  reply.Bulk("index");
  reply.Integer(static_cast<int64_t>(part.index.value()));
  reply.Bulk("first_slot");
  reply.Integer(part.first_slot);
  reply.Bulk("slots");
  reply.Integer(part.slots);
  reply.Bulk("digest");
  reply.Bulk(disk::Hex16(part.digest));
  reply.Bulk("equal_at");
  reply.Map(watch.equal_at().size());
  for (const auto& [node, index] : watch.equal_at()) {
    reply.Bulk(std::to_string(node.value()));
    reply.Integer(static_cast<int64_t>(index.value()));
  }
}

}  // namespace kvorum::server
