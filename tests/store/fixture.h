// SPDX-License-Identifier: Apache-2.0
//
// A state machine under a test's hand: the test speaks Redis and owns the clock. Every write goes
// the whole way (lookup, arity, check, envelope, validation, apply) into two machines with
// different hash seeds, of which only the first has anybody waiting; every so many entries and at
// the end both must have the same digest. A write that its check refuses is executed all the same,
// on the side, to see that the handler refuses it with the same words and changes nothing.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "resp/reply.h"
#include "store/machine.h"

namespace kvorum::store {

using Words = std::vector<std::string>;

// Collects the replies of one entry.
class Replies : public ReplySink {
 public:
  explicit Replies(resp::Protocol protocol) : reply_(&bytes_, protocol) {}
  resp::Reply* Begin(uint32_t, const Origin*) override { return &reply_; }
  void End(uint32_t) override {}
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
  resp::Reply reply_;
};

class Store {
 public:
  explicit Store(MachineOptions options = {});
  ~Store();

  // The printable reply.
  std::string Run(const Words& words);
  // `line` is split as an inline command.
  std::string RunLine(std::string_view line);
  void Advance(int64_t ms) { now_ += ms; }
  // The wall clock goes on but the log does not hear of it: only TTL may notice.
  void AdvanceDisplay(int64_t ms) { display_ahead_ += ms; }
  // An entry without commands.
  void Pulse();
  void RaiseFeatureLevel(FeatureLevel level);

  [[nodiscard]] UnixMs now() const { return now_; }
  void SetProtocol(resp::Protocol protocol) { protocol_ = protocol; }
  void SetDatabase(uint8_t database) { database_ = database; }
  [[nodiscard]] uint8_t database() const { return database_; }
  Machine& machine() { return *machine_; }

  // Replaces the machine by one that was loaded from its snapshot.
  void Reload();

 private:
  void CompareNow() const;
  void Propose(const CommandRow& row, Argv argv, std::string& out);

  MachineOptions options_;
  std::unique_ptr<Machine> machine_;
  std::unique_ptr<Machine> follower_;
  UnixMs now_ = 1'700'000'000'000;
  int64_t display_ahead_ = 0;
  uint8_t database_ = 0;
  resp::Protocol protocol_ = resp::Protocol::kResp2;
  EnvelopeWriter writer_;
};

// The whole stream of a snapshot of `machine` as it is now.
std::string TakeSnapshot(Machine& machine, size_t budget_bytes = 1000);
// Feeds it in pieces of that size. The status of the first failure.
Status Load(Machine& machine, std::string_view stream, Index index, size_t piece = 7777);

class StoreTest : public testing::Test {
 protected:
  std::string Run(const Words& words) { return store_.Run(words); }
  std::string Line(std::string_view line) { return store_.RunLine(line); }
  void Advance(int64_t ms) { store_.Advance(ms); }

  Store store_;
};

}  // namespace kvorum::store
