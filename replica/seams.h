// SPDX-License-Identifier: Apache-2.0
//
// What a group member needs from the world. The server implements these over threads and sockets,
// the simulator over virtual ones; the member cannot tell.
#pragma once

#include <cstdint>
#include <functional>

#include "base/ids.h"
#include "base/status.h"
#include "base/time.h"
#include "raft/messages.h"
#include "raft/types.h"
#include "replica/event.h"
#include "store/machine.h"

namespace kvorum::replica {

using ProposalId = uint64_t;  // chosen by the proposer, ascending
using ReadTicket = uint64_t;  // chosen by the member, ascending

// The write-ahead log, on its own thread. Calls return at once and are carried out in order.
class LogDisk {
 public:
  virtual ~LogDisk() = default;
  // Answered by Member::Persisted(save.number); a failure ends the process.
  virtual void Save(raft::Save save) = 0;
  // The log up to `base` may go: a snapshot that covers it is durable.
  virtual void Compact(raft::SnapshotMeta base) = 0;
  // The log has lost what it once held, up to `index`: no vote before CaughtUp, not even in a later
  // life.
  virtual void Owes(Index index) = 0;
  // The log has regained what it once lost.
  virtual void CaughtUp() = 0;
};

// Lossy, unordered between peers, never blocking. Messages to nobody or to a slow peer are dropped.
class Transport {
 public:
  virtual ~Transport() = default;
  virtual void Send(NodeId to, raft::Message message) = 0;
  // What was sent goes on its way now: what the member does next may take a while.
  virtual void SendNow() = 0;
};

// One thread for slow files. Jobs run one after another in the order given; `done` is called later
// on the member's thread, as an input of a turn, in the same order.
class Background {
 public:
  virtual ~Background() = default;
  virtual void Run(std::function<void()> work, std::function<void()> done) = 0;
};

// Only for measuring how long something took.
class Stopwatch {
 public:
  virtual ~Stopwatch() = default;
  virtual Micros Read() = 0;
};

// What became of a proposal that was not applied here with its reply.
enum class Loss : uint8_t {
  kNever,    // certainly not applied, now or later: another term's entries took its place
  kUnknown,  // cannot be learned here in time
};

// Those who wait: connections, and forwarded commands. Called on the member's thread, inside a
// turn.
class Clients {
 public:
  virtual ~Clients() = default;
  // The proposal is being applied. The sink (may be null) gets its replies.
  virtual store::ReplySink* Applying(ProposalId id) = 0;
  virtual void Applied(ProposalId id) = 0;
  virtual void Lost(ProposalId id, Loss loss) = 0;
  // An entry that was not proposed here is about to be applied. The sink (mostly null) sees its
  // commands with their origins: those that were forwarded from here find their replies there.
  virtual store::ReplySink* ApplyingForeign() = 0;
  // The first entry of `term` is about to be applied: no entry of an older term will be any more.
  virtual void TermApplied(Term term) = 0;
  // The machine is right behind the entry at `index`.
  virtual void EntryApplied(Index index) = 0;
  // A snapshot has replaced the state: what happened up to its index is not known in detail.
  virtual void StateReplaced() = 0;
  // Reads up to this ticket may be served now, from the machine as it stands.
  virtual void ReadsReady(ReadTicket up_to) = 0;
  // Reads that wait will get no answer here; they had no effect and may be asked anew.
  virtual void ReadsLost() = 0;
  // Role, term or known leader changed, or a leader became ready.
  virtual void LeadershipChanged() = 0;
  // For the event log.
  virtual void Happened(Event event) = 0;
  // The member cannot go on and must not be asked anything again.
  virtual void Halt(const Status& why) = 0;
};

}  // namespace kvorum::replica
