// SPDX-License-Identifier: Apache-2.0
//
// Gives the replies of a batch to those who wait for them, while it is applied, and runs what was
// pipelined between its writes.
#pragma once

#include <cstdint>

#include "server/node.h"

namespace kvorum::server {

class Node::BatchSink final : public store::ReplySink {
 public:
  explicit BatchSink(Node& node) : node_(node) {}

  // `index`: of the entry.
  void Begin(Batch& batch, Index index);
  [[nodiscard]] bool Done() const { return next_ == batch_->waiters.size(); }

  resp::Reply* Begin(uint32_t command, const store::Origin* origin) override;
  void End(uint32_t command) override;

 private:
  void Ride(Waiter& waiter, Position position);

  Node& node_;
  Batch* batch_ = nullptr;
  Index index_;
  size_t next_ = 0;
  resp::Reply reply_ = resp::Reply::Discard();
};

}  // namespace kvorum::server
