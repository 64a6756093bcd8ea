// SPDX-License-Identifier: Apache-2.0
//
// The leader: clients in front, its own disk and two followers behind.
//
//   client --SET--> what waits --+--bytes--> own sync thread --+
//                                +--bytes--> follower 1 -------+-- durable offsets
//                                +--bytes--> follower 2 -------+          |
//            reply <------- the second largest of the three offsets ------+
//
// The log is a stream of bytes, and a position in it is all that is ever compared: a SET is
// answered when two of the three have synced up to its end. No terms, no elections, no recovery, no
// limits.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "benchmark/roofline/sync_thread.h"
#include "resp/parser.h"

namespace kvorum::roofline {

class Leader {
 public:
  // Sockets: one that listens for clients, and those of two followers.
  Leader(int listening, std::array<int, 2> followers, LogFile& file);
  [[noreturn]] void Run();

 private:
  // What may be told a client when the log is durable up to `end`.
  struct Waiting {
    uint64_t end;
    bool read;         // `text` is a key, to be looked up then
    std::string text;  // else a reply
  };
  struct Client {
    int fd;
    resp::Parser parser;
    std::string in, out;
    std::deque<Waiting> waiting;
  };
  struct Write {
    uint64_t end;
    std::string key, value;
  };

  void Watch(int fd, void* what);
  void Accept();
  void Serve(Client& client);
  void Execute(Client& client, std::span<const std::string_view> argv);
  void Replicate();
  void HearFrom(size_t follower);
  void Commit();
  void Answer(Client& client);

  int listening_;
  int epoll_;
  int event_;  // of the sync thread
  std::array<int, 2> followers_;
  std::array<uint64_t, 2> durable_{};
  SyncThread disk_;
  std::unordered_map<std::string, std::string> map_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::deque<Write> uncommitted_;
  std::string batch_;  // of this turn
  uint64_t end_ = 0;   // of the log, this turn's included
  uint64_t commit_ = 0;
};

}  // namespace kvorum::roofline
