// SPDX-License-Identifier: Apache-2.0
#include "server/batch_sink.h"

#include "base/check.h"

namespace kvorum::server {

void Node::BatchSink::Begin(Batch& batch, Index index) {
  batch_ = &batch;
  index_ = index;
  next_ = 0;
}

resp::Reply* Node::BatchSink::Begin(uint32_t command, const store::Origin* /*origin*/) {
  KV_CHECK(next_ < batch_->waiters.size());
  const Waiter& waiter = batch_->waiters[next_];
  KV_CHECK(waiter.kind == Waiter::Kind::kWrite && waiter.command == command);
  if (waiter.mute || waiter.session->closed) return nullptr;
  reply_ = resp::Reply(&waiter.session->output, waiter.protocol);
  return &reply_;
}

void Node::BatchSink::End(uint32_t command) {
  const Waiter& waiter = batch_->waiters[next_++];
  Session& session = *waiter.session;
  session.last_write = index_;
  session.position = {index_, command + 1};
  node_.StatsFor(*waiter.row).us.Observe(node_.now().boot_us - batch_->at);
  node_.EndReply(session, waiter.sequence);
  while (next_ < batch_->waiters.size() && batch_->waiters[next_].kind != Waiter::Kind::kWrite) {
    Ride(batch_->waiters[next_++], {index_, command + 1});
  }
  // Only now: what rode behind the write belongs to what the session was owed.
  node_.Release(session, &Session::writes);
}

void Node::BatchSink::Ride(Waiter& waiter, Position position) {
  Session& session = *waiter.session;
  if (session.closed) return;
  if (waiter.kind == Waiter::Kind::kBytes) {
    if (!waiter.mute) session.output.append(waiter.bytes);
    node_.EndReply(session, waiter.sequence);
    return;
  }
  const std::vector<std::string_view> argv(waiter.argv.begin(), waiter.argv.end());
  node_.ExecuteRead(session, {argv, waiter.database, waiter.protocol, waiter.mute, waiter.sequence},
                    *waiter.row, position);
}

}  // namespace kvorum::server
