// SPDX-License-Identifier: Apache-2.0
//
// Envelopes: any bytes are either refused by EnvelopeReader::Validate or can be applied, and two
// machines that apply the same ones are equal, also after a snapshot.
//
// Input: a number of envelopes, each with a length. Raw bytes, or commands of any opcode with raw
// arguments in a well-formed envelope.
#include <array>
#include <vector>

#include "base/check.h"
#include "store/envelope.h"
#include "store/families.h"
#include "store/machine.h"
#include "tests/fuzz/fuzz.h"
#include "tests/model/choices.h"

namespace kvorum::fuzz {
namespace {

constexpr size_t kMaxStringBytes = 64 * 1024;

class Collect : public store::ReplySink {
 public:
  resp::Reply* Begin(uint32_t, const store::Origin*) override { return &reply_; }
  void End(uint32_t) override {}
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
  resp::Reply reply_{&bytes_};
};

void AddCommand(model::ByteChoices& in, store::EnvelopeWriter& writer) {
  const auto opcode = static_cast<store::Opcode>(1 + in.Below(store::kOpcodeEnd - 1));
  const auto database = static_cast<uint8_t>(in.Below(store::kDatabases));
  const store::Origin origin{NodeId(in.Below(4)), in.Below(256), in.Below(256)};
  const bool forwarded = in.Below(4) == 0;
  std::vector<std::string_view> argv = {"name"};
  for (uint64_t left = in.Below(8); left > 0; --left) argv.push_back(in.Take(in.Below(24)));
  writer.Add(opcode, database, forwarded ? &origin : nullptr, argv);
}

UnixMs DrawWall(model::ByteChoices& in) {
  constexpr std::array<UnixMs, 6> kWalls = {0, -1, INT64_MIN, INT64_MAX, 1'700'000'000'000, 1};
  const uint64_t which = in.Below(16);
  return which < kWalls.size() ? kWalls[which] : static_cast<UnixMs>(in.Below(65536));
}

std::string DrawEnvelope(model::ByteChoices& in) {
  if (in.Below(4) == 0) return std::string(in.Take(in.Below(256)));
  store::EnvelopeWriter writer;
  const UnixMs wall = DrawWall(in);
  for (uint64_t left = in.Below(8); left > 0; --left) AddCommand(in, writer);
  std::string envelope = writer.Finish(wall, in.Below(256));
  if (in.Below(8) == 0) envelope[in.Below(envelope.size())] = static_cast<char>(in.Byte());
  return envelope;
}

void CheckSnapshot(store::Machine& machine) {
  std::string stream;
  machine.BeginSnapshot();
  while (machine.SnapshotStep(100, stream)) {
  }
  store::MachineOptions options = machine.options();
  options.hash_seed += 7;
  store::Machine loaded(options);
  loaded.BeginLoad();
  KV_CHECK(loaded.LoadChunk(stream).ok());
  KV_CHECK(loaded.FinishLoad(machine.applied()).ok());
  KV_CHECK(loaded.Digest() == machine.Digest());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  model::ByteChoices in(View(data, size));
  store::Machine machine({.hash_seed = 1, .max_string_bytes = kMaxStringBytes});
  store::Machine other({.hash_seed = 2, .max_string_bytes = kMaxStringBytes});
  Index index;
  while (!in.empty()) {
    const std::string envelope = DrawEnvelope(in);
    if (!store::EnvelopeReader::Validate(envelope).ok()) continue;
    if (!machine.DemandOf(envelope).ok()) continue;
    ++index;
    Collect replies;
    Collect other_replies;
    machine.Apply(index, envelope, &replies);
    other.Apply(index, envelope, &other_replies);
    KV_CHECK(replies.bytes() == other_replies.bytes());
  }
  if (index == Index()) return 0;
  KV_CHECK(machine.Digest() == other.Digest());
  CheckSnapshot(machine);
  return 0;
}

}  // namespace kvorum::fuzz
