// SPDX-License-Identifier: Apache-2.0
//
// The feature level: which behaviour the replicas of a group share. It is a part of the replicated
// state, raised by an entry of the log and never lowered, so nodes of two releases can run side by
// side: the newer one behaves as the level in force says, not as it could.
//
//   what a release can   kFeatureLevel, a constant of the binary
//   what is in force     Machine::feature_level(), state: in snapshots, in the digest
//   what is proposed     by the leader, when every member can (replica/feature_poll.h)
//
// New replicated behaviour is a new level in kFeatures, and asks for the level *in force* wherever
// it is checked or executed. A log or a snapshot that demands more than this release can is
// refused, with the release that is needed: the raise names it, as an older one cannot know.
// Decision: docs/decisions/0006-feature-level.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/time.h"

namespace kvorum::store {

using FeatureLevel = uint16_t;

struct Feature {
  FeatureLevel level;
  std::string_view release;  // the first that can
  std::string_view brought;
};

// Append-only.
inline constexpr Feature kFeatures[] = {
    {1, "0.1.0", "all there was before there were levels"},
    {2, "0.2.0", "SET ... IFEQ value; the level in snapshots"},
};

inline constexpr FeatureLevel kFirstFeatureLevel = 1;
inline constexpr FeatureLevel kIfeqLevel = 2;
// The highest that this release can.
inline constexpr FeatureLevel kFeatureLevel = std::size(kFeatures);
inline constexpr size_t kMaxReleaseBytes = 32;

consteval bool ValidFeatures() {
  for (size_t i = 0; i < std::size(kFeatures); ++i) {
    if (kFeatures[i].level != i + 1 || kFeatures[i].release.size() > kMaxReleaseBytes) return false;
  }
  return true;
}
static_assert(ValidFeatures());

// Of a level from 1 to kFeatureLevel.
[[nodiscard]] std::string_view ReleaseOf(FeatureLevel level);

// An entry that raises the level. `release` points into the entry.
struct FeatureRaise {
  FeatureLevel level = 0;
  std::string_view release;
};

// The envelope of a raise to a level that this release can: alone in its entry.
[[nodiscard]] std::string EncodeFeatureRaise(FeatureLevel level, UnixMs wall);
// Nothing: the envelope is of another kind, or its arguments make no sense (which
// EnvelopeReader::Validate refuses).
[[nodiscard]] std::optional<FeatureRaise> FeatureRaiseIn(std::string_view envelope);

// The error for something (`what`) that demands a level beyond `known`.
[[nodiscard]] Status TooNew(std::string_view what, FeatureLevel level, std::string_view release,
                            FeatureLevel known);

}  // namespace kvorum::store
