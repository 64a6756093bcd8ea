// SPDX-License-Identifier: Apache-2.0
#include "store/machine.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "store/call.h"
#include "store/families.h"
#include "tests/store/fixture.h"
#include "tests/store/printable.h"

namespace kvorum::store {
namespace {

using Views = std::vector<std::string_view>;

// Notes the order of calls and reads from inside End, as a server does for pipelined reads.
class Watcher : public ReplySink {
 public:
  explicit Watcher(Machine& machine) : machine_(machine) {}
  resp::Reply* Begin(uint32_t command, const Origin* origin) override {
    trace += "begin " + std::to_string(command);
    if (origin != nullptr) trace += " from " + std::to_string(origin->node.value());
    trace += "\n";
    return command == 1 ? nullptr : &reply_;
  }
  void End(uint32_t command) override {
    machine_.Read(*StoreIndex().Find("get"), Views{"GET", "k"}, 0, 0, reply_);
    trace += "end " + std::to_string(command) + " " + Printable(bytes_) + "\n";
    bytes_.clear();
  }
  std::string trace;

 private:
  Machine& machine_;
  std::string bytes_;
  resp::Reply reply_{&bytes_};
};

TEST(Machine, RepliesInOrderAndReadsBetweenWrites) {
  Machine machine;
  EnvelopeWriter writer;
  const Origin origin{NodeId(7), 1, 1};
  for (int i = 0; i < 3; ++i) {
    writer.Add(Opcode::kIncr, 0, i == 2 ? &origin : nullptr, Views{"INCR", "k"});
  }
  Watcher watcher(machine);
  machine.Apply(Index(1), writer.Finish(1, 1), &watcher);
  EXPECT_EQ(watcher.trace,
            "begin 0\nend 0 (integer) 1\n\"1\"\n"
            "begin 1\nend 1 \"2\"\n"
            "begin 2 from 7\nend 2 (integer) 3\n\"3\"\n");
  EXPECT_EQ(machine.applied(), Index(1));
  EXPECT_EQ(machine.stats().writes.Get(), 3U);
  EXPECT_EQ(machine.stats().reads.Get(), 3U);
  machine.ApplyNoop(Index(2));
  EXPECT_EQ(machine.applied(), Index(2));
}

TEST(MachineDeathTest, RefusesWhatBreaksTheLog) {
  Machine machine;
  EnvelopeWriter writer;
  const std::string pulse = writer.Finish(1, 1);
  machine.Apply(Index(5), pulse, nullptr);
  EXPECT_DEATH(machine.Apply(Index(7), pulse, nullptr), "out of order");
  EXPECT_DEATH(machine.Apply(Index(6), pulse + "x", nullptr), "malformed");
  EXPECT_DEATH(machine.Apply(Index(6), "", nullptr), "malformed");
}

TEST(Machine, DroppedDatabasesAreFreedInSlices) {
  Store store;
  for (int i = 0; i < 5000; ++i) store.Run({"SET", std::to_string(i), "v", "EX", "1000"});
  Machine& machine = store.machine();
  const size_t full = machine.MemoryBytes();
  store.Run({"FLUSHALL"});
  EXPECT_EQ(machine.KeyCount(0), 0U);
  EXPECT_EQ(machine.next_deadline(), std::nullopt);
  EXPECT_GT(machine.MemoryBytes(), full / 2);
  int slices = 1;
  while (machine.Housekeep(1000)) ++slices;
  EXPECT_GE(slices, 10);  // 5,000 deadlines and 5,000 records
  EXPECT_EQ(machine.MemoryBytes(), 0U);
}

TEST(Machine, MemoryIsCountedBack) {
  Store store;
  store.Run({"SET", "k", "v"});
  const size_t before = store.machine().MemoryBytes();
  store.Run({"SET", "big", std::string(100000, 'x')});
  store.Run({"APPEND", "big", "y"});
  EXPECT_GT(store.machine().MemoryBytes(), before + 100000);
  store.Run({"EXPIRE", "big", "100"});
  store.Run({"RENAME", "big", "bigger"});
  store.Run({"INCR", "n"});
  store.Run({"DEL", "bigger", "n"});
  EXPECT_EQ(store.machine().MemoryBytes(), before);
}

// Another type than strings, as later types will be: an object the record owns.
class Thing : public Object {
 public:
  std::string_view EncodingName() const override { return "thing"; }
  size_t MemoryBytes() const override { return 100; }
  void Serialize(std::string& out) const override { out.append("thing"); }
  std::unique_ptr<Object> Clone() const override { return std::make_unique<Thing>(); }
};

class WrongType : public testing::Test {
 protected:
  std::string Run(const Views& argv) {
    std::string out;
    resp::Reply reply(&out);
    const CommandRow* const row = StoreIndex().Resolve(argv, reply);
    Call call({keyspace_, stats_, options_, counter_}, *row, argv, {}, reply);
    row->handler(call);
    return Printable(out);
  }
  void AddThing() {
    Database& db = keyspace_.Open(0);
    db.Put(Record::Create(db.heap(), "t", static_cast<Type>(200), std::make_unique<Thing>(),
                          std::nullopt, db.epoch()));
  }

  Keyspace keyspace_{KeyHash(1), kDatabases};
  MachineStats stats_;
  MachineOptions options_;
  uint64_t counter_ = 0;
};

TEST_F(WrongType, BadInput25) {
  constexpr std::string_view kWrong =
      "(error) WRONGTYPE Operation against a key holding the wrong kind of value";
  AddThing();
  const uint64_t before = keyspace_.Digest();
  for (const Views& argv : {Views{"GET", "t"},
                            {"GETSET", "t", "x"},
                            {"GETDEL", "t"},
                            {"GETEX", "t"},
                            {"SET", "t", "x", "GET"},
                            {"APPEND", "t", "x"},
                            {"STRLEN", "t"},
                            {"GETRANGE", "t", "0", "1"},
                            {"SETRANGE", "t", "0", "x"},
                            {"INCR", "t"},
                            {"INCRBYFLOAT", "t", "1"}}) {
    EXPECT_EQ(Run(argv), kWrong) << argv[0];
  }
  EXPECT_EQ(keyspace_.Digest(), before);
  EXPECT_EQ(Run({"MGET", "t"}), "1) (nil)");
  EXPECT_EQ(Run({"OBJECT", "ENCODING", "t"}), "\"thing\"");
}

TEST_F(WrongType, ObjectsMoveAndAreCloned) {
  AddThing();
  EXPECT_EQ(Run({"COPY", "t", "u"}), "(integer) 1");
  EXPECT_EQ(Run({"EXPIRE", "u", "100"}), "(integer) 1");
  EXPECT_EQ(Run({"RENAME", "u", "v"}), "OK");
  EXPECT_EQ(Run({"MOVE", "v", "3"}), "(integer) 1");
  EXPECT_EQ(keyspace_.Get(3)->size(), 1U);
  EXPECT_EQ(Run({"SET", "t", "x"}), "OK");
  EXPECT_EQ(Run({"GET", "t"}), "\"x\"");
}

}  // namespace
}  // namespace kvorum::store
