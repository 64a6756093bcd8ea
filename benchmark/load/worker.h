// SPDX-License-Identifier: Apache-2.0
//
// One thread of the load generator: its clients, their links, one epoll.
//
//   Schedule --due--> Worker --command--> Link ==> server
//                       ^  free client       |
//                       +---- replies -------+--> Tally
//
// A client is free while it has fewer than --pipeline commands in flight. A turn of the loop first
// gives the free clients what is due, then sends once per link, then waits: commands that became
// possible in one turn leave in one write, as a client library's pipeline does.
//
// MOVED is followed without asking for the whole map: a slot belongs to the node that MOVED named,
// and slots not heard of to the node named last. One leader for everything is learned with one
// redirection, a sharded cluster with one per slot. When a node cannot be reached, what was mapped
// to it is asked of the next.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"
#include "benchmark/load/keys.h"
#include "benchmark/load/link.h"
#include "benchmark/load/options.h"
#include "benchmark/load/replies.h"
#include "benchmark/load/schedule.h"
#include "benchmark/load/tally.h"

namespace kvorum::load {

int64_t NowNs();

class Worker {
 public:
  // `keys` outlives the worker. The worker is `part` of options.threads.
  Worker(const Options& options, const KeyChooser& keys, uint64_t part, int64_t start_ns);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Until the schedule has ended and all is answered, or patience is over.
  void Run();
  [[nodiscard]] const Tally& tally() const { return tally_; }

 private:
  struct Client {
    size_t node = 0;  // without --cluster: the only one
    uint64_t in_flight = 0;
    bool free = true;  // on free_
    int64_t rests_until_ns = 0;
    std::map<size_t, std::unique_ptr<Link>> links;  // by node
  };

  void Feed(int64_t now_ns);
  bool NextOperation(int64_t now_ns, Operation& operation);
  void Send(size_t client, const Operation& operation);
  Link* LinkTo(size_t client, size_t node);
  void Flush();
  void Wait(int64_t until_ns);
  void Read(Link& link);
  void Answered(Link& link, const Reply& reply, int64_t now_ns);
  void Finish(const Flight& flight, int64_t now_ns);
  void Release(size_t client);
  void Redirect(const Operation& operation, const Moved& moved);
  void Fail(const Operation& operation, const std::string& word);
  void Lose(Link& link);
  void Bury();

  size_t NodeOf(const Address& address);
  size_t NodeFor(size_t client, uint64_t key);

  const Options& options_;
  const KeyChooser& keys_;
  Schedule schedule_;
  Rng rng_;
  uint64_t fill_next_;
  std::vector<Address> nodes_;
  std::vector<int32_t> slots_;  // node of each slot; -1: not heard of
  size_t guess_ = 0;            // the node of those
  std::vector<Client> clients_;
  std::deque<size_t> free_;
  std::deque<size_t> resting_;   // clients whose connection was just lost, by time
  std::deque<Operation> again_;  // redirected
  std::vector<Link*> dirty_;
  std::vector<Link*> lost_;
  uint64_t in_flight_ = 0;
  int epoll_ = -1;
  int timer_ = -1;
  int64_t timer_ns_ = 0;
  Tally tally_;
};

}  // namespace kvorum::load
