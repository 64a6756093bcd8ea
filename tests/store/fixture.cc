// SPDX-License-Identifier: Apache-2.0
#include "tests/store/fixture.h"

#include <algorithm>

#include "resp/parser.h"
#include "store/families.h"
#include "tests/store/printable.h"

namespace kvorum::store {

namespace {
// A digest visits every slot: comparing after each entry would be most of the tests' time.
constexpr uint64_t kEntriesPerComparison = 500;
}  // namespace

Store::Store(MachineOptions options) : options_(options) {
  machine_ = std::make_unique<Machine>(options_);
  MachineOptions other = options_;
  other.hash_seed += 12345;
  follower_ = std::make_unique<Machine>(other);
}

std::string Store::RunLine(std::string_view line) {
  std::string text;
  std::vector<size_t> ends;
  EXPECT_TRUE(resp::SplitQuoted(line, text, ends)) << line;
  Words words;
  size_t start = 0;
  for (const size_t end : ends) {
    words.push_back(text.substr(start, end - start));
    start = end;
  }
  return Run(words);
}

std::string Store::Run(const Words& words) {
  const std::vector<std::string_view> argv(words.begin(), words.end());
  std::string out;
  resp::Reply reply(&out, protocol_);
  const CommandRow* const row = StoreIndex().Resolve(argv, reply);
  if (row == nullptr) return Printable(out);
  if (row->route == Route::kRead) {
    machine_->Read(*row, argv, database_, now_ + display_ahead_, reply);
    return Printable(out);
  }
  if (row->check != nullptr && !row->check(argv, machine_->feature_level(), reply)) {
    CompareNow();
    const uint64_t before = machine_->Digest();
    std::string refused;
    const UnixMs now = now_;
    now_ = machine_->log_time();
    Propose(*row, argv, refused);
    now_ = now;
    EXPECT_EQ(refused, out) << words[0];
    EXPECT_EQ(machine_->Digest(), before) << words[0];
    return Printable(out);
  }
  EXPECT_TRUE(out.empty());
  Propose(*row, argv, out);
  return Printable(out);
}

void Store::Propose(const CommandRow& row, Argv argv, std::string& out) {
  const Origin origin{NodeId(2), 7, machine_->applied().value()};
  writer_.Add(row.opcode, database_, machine_->applied().value() % 2 == 0 ? &origin : nullptr,
              argv);
  const std::string envelope = writer_.Finish(now_, 42);
  EXPECT_TRUE(EnvelopeReader::Validate(envelope).ok());
  Replies replies(protocol_);
  machine_->Apply(machine_->applied() + 1, envelope, &replies);
  follower_->Apply(machine_->applied(), envelope, nullptr);
  if (machine_->applied().value() % kEntriesPerComparison == 0) CompareNow();
  out = replies.bytes();
}

void Store::RaiseFeatureLevel(FeatureLevel level) {
  const std::string envelope = EncodeFeatureRaise(level, now_);
  EXPECT_TRUE(EnvelopeReader::Validate(envelope).ok());
  machine_->Apply(machine_->applied() + 1, envelope, nullptr);
  follower_->Apply(machine_->applied(), envelope, nullptr);
}

void Store::Pulse() {
  const std::string envelope = writer_.Finish(now_, 0);
  machine_->Apply(machine_->applied() + 1, envelope, nullptr);
  follower_->Apply(machine_->applied(), envelope, nullptr);
}

Store::~Store() { CompareNow(); }

void Store::CompareNow() const { EXPECT_EQ(machine_->Digest(), follower_->Digest()); }

void Store::Reload() {
  const std::string stream = TakeSnapshot(*machine_);
  auto loaded = std::make_unique<Machine>(options_);
  EXPECT_TRUE(Load(*loaded, stream, machine_->applied()).ok());
  EXPECT_EQ(loaded->Digest(), machine_->Digest());
  machine_ = std::move(loaded);
}

std::string TakeSnapshot(Machine& machine, size_t budget_bytes) {
  std::string stream;
  machine.BeginSnapshot();
  while (machine.SnapshotStep(budget_bytes, stream)) {
  }
  return stream;
}

Status Load(Machine& machine, std::string_view stream, Index index, size_t piece) {
  machine.BeginLoad();
  for (size_t at = 0; at < stream.size(); at += piece) {
    Status status = machine.LoadChunk(stream.substr(at, piece));
    if (!status.ok()) {
      machine.AbortLoad();
      return status;
    }
  }
  return machine.FinishLoad(index);
}

}  // namespace kvorum::store
