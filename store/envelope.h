// SPDX-License-Identifier: Apache-2.0
//
// The payload of one kBatch log entry: a batch of commands under one time and one seed. The grammar
// is in docs/formats/entry.md. Encoded once on the leader; the same bytes go to the disk, to every
// peer and into every state machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/coding.h"
#include "base/ids.h"
#include "base/status.h"
#include "base/time.h"
#include "store/opcode.h"

namespace kvorum::store {

inline constexpr uint8_t kEnvelopeVersion = 1;
inline constexpr size_t kEnvelopeHeaderBytes = 1 + 8 + 8 + 4;

// Who forwarded a command: unique among all commands ever forwarded. The forwarding node finds its
// own commands in its own log by it.
struct Origin {
  NodeId node;
  uint64_t start = 0;     // which life of that node
  uint64_t sequence = 0;  // of its forwarded commands in that life

  friend bool operator==(const Origin&, const Origin&) = default;
};

// Collects commands for the next proposal, one proposal after the other in the same buffer.
class EnvelopeWriter {
 public:
  // argv[0], the name, is not stored: the opcode says it. `origin` may be null.
  void Add(Opcode opcode, uint8_t database, const Origin* origin,
           std::span<const std::string_view> argv);

  // Of the envelope as it would be finished now.
  [[nodiscard]] size_t bytes() const { return count_ == 0 ? kEnvelopeHeaderBytes : bytes_.size(); }
  [[nodiscard]] uint32_t count() const { return count_; }

  // The encoded envelope, valid until the next call; the writer is empty again. With no command it
  // is a time pulse.
  const std::string& Finish(UnixMs wall, uint64_t seed);

 private:
  void Begin();

  std::string bytes_;
  uint32_t count_ = 0;
};

// One command of an envelope; views point into the envelope.
struct EnvelopeCommand {
  Opcode opcode = Opcode::kNone;
  uint8_t database = 0;
  std::optional<Origin> origin;
  // args[0] is left empty for the name; the arguments follow. Reused from call to call.
  std::vector<std::string_view> args;
};

// Total on hostile bytes: it ends with ok() false, it never over-reads and never allocates more
// than a small multiple of the envelope.
class EnvelopeReader {
 public:
  // `bytes` is borrowed and must outlive the reader and the commands it returns.
  explicit EnvelopeReader(std::string_view bytes);

  [[nodiscard]] UnixMs wall() const { return wall_; }
  [[nodiscard]] uint64_t seed() const { return seed_; }
  [[nodiscard]] uint32_t count() const { return count_; }

  // False after the last command or at the first malformed byte; then ask Done().
  bool Next(EnvelopeCommand& command);
  [[nodiscard]] bool ok() const { return reader_.ok(); }
  // Everything was read, well-formed, and nothing is left over.
  [[nodiscard]] bool Done() const { return reader_.Done() && read_ == count_; }

  // Reads a whole envelope, opcodes and database numbers included: kCorrupt with the reason, or Ok
  // when Machine::Apply will take it.
  static Status Validate(std::string_view bytes);

 private:
  Reader reader_;
  UnixMs wall_ = 0;
  uint64_t seed_ = 0;
  uint32_t count_ = 0;
  uint32_t read_ = 0;
};

}  // namespace kvorum::store
