// SPDX-License-Identifier: Apache-2.0
//
// RAFT DIGEST: what the consistency watch has seen. Two nodes that show the same `index` must show
// the same `digest`.
#include <charconv>
#include <string>

#include "server/local_call.h"
#include "server/local_subcommands.h"

namespace kvorum::server {
namespace {

std::string Hex(uint64_t value) {
  std::string text(16, '0');
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof digits, value, 16).ptr;
  const auto size = static_cast<size_t>(end - digits);
  return text.replace(text.size() - size, size, digits, size);
}

}  // namespace

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
  reply.Bulk(Hex(part.digest));
  reply.Bulk("equal_at");
  reply.Map(watch.equal_at().size());
  for (const auto& [node, index] : watch.equal_at()) {
    reply.Bulk(std::to_string(node.value()));
    reply.Integer(static_cast<int64_t>(index.value()));
  }
}

}  // namespace kvorum::server
