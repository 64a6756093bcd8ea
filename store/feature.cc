// SPDX-License-Identifier: Apache-2.0
#include "store/feature.h"

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "resp/format.h"
#include "store/call.h"
#include "store/envelope.h"
#include "store/families.h"

namespace kvorum::store {

namespace {

std::optional<FeatureRaise> ReadRaise(Argv argv) {
  const auto level = resp::ParseInteger(argv[1]);
  const std::string_view release = argv[2];
  const bool printable =
      std::all_of(release.begin(), release.end(), [](char c) { return c > ' ' && c < '\x7F'; });
  if (!level.has_value() || *level < kFirstFeatureLevel || *level > UINT16_MAX ||
      release.size() > kMaxReleaseBytes || !printable) {
    return std::nullopt;
  }
  return FeatureRaise{static_cast<FeatureLevel>(*level), release};
}

void Raise(Call& call) {
  if (const auto raise = ReadRaise(call.argv)) {
    call.WritableKeyspace().RaiseFeatureLevel(raise->level);
  }
  call.reply.Ok();
}

constexpr CommandRow kRows[] = {
    {.name = "feature-level",
     .opcode = Opcode::kRaiseFeatureLevel,
     .arity = 3,
     .route = Route::kWrite,
     .flags = kFlagWrite,
     .docs = {"Raises the feature level. Proposed by the leader alone.", "7.2.0", "server", "O(1)"},
     .handler = Raise},
};
static_assert(ValidRows(kRows));

}  // namespace

std::span<const CommandRow> LogOnlyCommands() { return kRows; }

std::string_view ReleaseOf(FeatureLevel level) {
  KV_CHECK(level >= kFirstFeatureLevel && level <= kFeatureLevel);
  return kFeatures[level - 1].release;
}

std::string EncodeFeatureRaise(FeatureLevel level, UnixMs wall) {
  const std::string number = std::to_string(level);
  const std::string_view argv[] = {kRows[0].name, number, ReleaseOf(level)};
  EnvelopeWriter writer;
  writer.Add(Opcode::kRaiseFeatureLevel, 0, nullptr, argv);
  return writer.Finish(wall, 0);
}

std::optional<FeatureRaise> FeatureRaiseIn(std::string_view envelope) {
  // Asked of every entry, so the first opcode decides; it takes one byte.
  static_assert(static_cast<uint16_t>(Opcode::kRaiseFeatureLevel) < 0x80);
  constexpr char kFirst = static_cast<char>(Opcode::kRaiseFeatureLevel);
  if (envelope.size() <= kEnvelopeHeaderBytes || envelope[kEnvelopeHeaderBytes] != kFirst) {
    return std::nullopt;
  }
  EnvelopeReader reader(envelope);
  EnvelopeCommand command;
  if (reader.count() != 1 || !reader.Next(command) || !CheckArity(kRows[0], command.args.size())) {
    return std::nullopt;
  }
  return ReadRaise(command.args);
}

Status TooNew(std::string_view what, FeatureLevel level, std::string_view release,
              FeatureLevel known) {
  std::string text(what);
  text += " needs feature level " + std::to_string(level) + ": Kvorum " + std::string(release) +
          " or newer; this release can do level " + std::to_string(known) + " at most";
  return {StatusCode::kInvalid, std::move(text)};
}

}  // namespace kvorum::store
