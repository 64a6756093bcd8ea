// SPDX-License-Identifier: Apache-2.0
//
// Who belongs to a group (thesis chapter 4), as a value, and its bytes (docs/formats/entry.md). It
// travels whole, in log entries of type kConfig and in snapshots, so that every one of them can be
// understood without those before it.
//
//   simple   voters                        a majority of them elects and commits
//   joint    voters + old_voters (4.3)     both majorities must, each on its own
//   learners (4.2.1)                       get the log, do not vote, count for nothing
//
// Header only, because the disk stores it and links nothing of the protocol.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/coding.h"
#include "base/ids.h"
#include "raft/limits.h"

namespace kvorum::raft {

struct Configuration {
  using Ids = std::vector<NodeId>;

  Ids voters;      // sorted
  Ids old_voters;  // sorted; empty but in a joint configuration
  Ids learners;    // sorted, none of them in `voters`; in a joint one, perhaps still in old_voters
  Ids joining;     // sorted, of the learners: to be promoted as soon as they keep up
  // An id that was removed never comes back (a wiped disk must not vote under a name that has
  // voted); new ones are greater than this. 0: none was removed.
  NodeId removed_up_to;
  // "host:port@cport" of the members, for the transport; opaque here. May lack some.
  std::map<NodeId, std::string> addresses;

  Configuration() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): a plain list of voters is a configuration
  Configuration(Ids list) : voters(std::move(list)) {}
  Configuration(std::initializer_list<NodeId> list) : voters(list) {}

  [[nodiscard]] bool empty() const { return voters.empty() && learners.empty(); }
  [[nodiscard]] bool IsJoint() const { return !old_voters.empty(); }
  [[nodiscard]] static bool Has(const Ids& ids, NodeId id) {
    return std::binary_search(ids.begin(), ids.end(), id);
  }
  [[nodiscard]] bool IsVoter(NodeId id) const { return Has(voters, id) || Has(old_voters, id); }
  [[nodiscard]] bool IsLearner(NodeId id) const { return Has(learners, id) && !IsVoter(id); }
  [[nodiscard]] bool Contains(NodeId id) const { return IsVoter(id) || Has(learners, id); }
  // In the configuration now, and no more when the change is through.
  [[nodiscard]] bool IsLeaving(NodeId id) const {
    return Has(old_voters, id) && !Has(voters, id) && !Has(learners, id);
  }
  [[nodiscard]] bool IsSoleVoter(NodeId id) const {
    return !IsJoint() && voters.size() == 1 && voters.front() == id;
  }
  // Everybody who gets the log, sorted.
  [[nodiscard]] Ids Members() const {
    Ids all = AllVoters();
    all.insert(all.end(), learners.begin(), learners.end());
    return Unique(std::move(all));
  }
  // Those of both halves, sorted.
  [[nodiscard]] Ids AllVoters() const {
    Ids all = voters;
    all.insert(all.end(), old_voters.begin(), old_voters.end());
    return Unique(std::move(all));
  }

  friend bool operator==(const Configuration&, const Configuration&) = default;

 private:
  static Ids Unique(Ids ids) {
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    return ids;
  }
};

inline constexpr uint8_t kConfigurationVersion = 1;

// What a list of ids, five times, and an address of every member can take.
inline constexpr size_t kMaxConfigurationBytes =
    64 + kMaxMembers * (5 * sizeof(uint64_t) + 2 + kMaxAddressBytes);

inline void EncodeConfiguration(const Configuration& configuration, std::string& out) {
  const Configuration& c = configuration;
  PutU8(out, kConfigurationVersion);
  for (const Configuration::Ids* ids : {&c.voters, &c.old_voters, &c.learners, &c.joining}) {
    PutVarint(out, ids->size());
    for (const NodeId id : *ids) PutU64(out, id.value());
  }
  PutU64(out, c.removed_up_to.value());
  PutVarint(out, c.addresses.size());
  for (const auto& [id, address] : c.addresses) {
    PutU64(out, id.value());
    PutString(out, address);
  }
}

// What every configuration satisfies that comes from outside.
inline bool IsValid(const Configuration& configuration) {
  const Configuration& c = configuration;
  const auto ascending = [](const Configuration::Ids& ids) {
    return std::adjacent_find(ids.begin(), ids.end(), std::greater_equal<>()) == ids.end() &&
           (ids.empty() || ids.front() != NodeId());
  };
  for (const Configuration::Ids* ids : {&c.voters, &c.old_voters, &c.learners, &c.joining}) {
    if (!ascending(*ids)) return false;
  }
  if (c.voters.empty() && !(c.old_voters.empty() && c.learners.empty())) return false;
  const Configuration::Ids members = c.Members();
  if (members.size() > kMaxMembers) return false;
  for (const NodeId id : c.learners) {
    if (Configuration::Has(c.voters, id)) return false;
  }
  for (const NodeId id : c.joining) {
    if (!Configuration::Has(c.learners, id)) return false;
  }
  for (const auto& [id, address] : c.addresses) {
    if (!Configuration::Has(members, id) || address.size() > kMaxAddressBytes) return false;
  }
  return true;
}

// All of `bytes`, or nothing. Total: hostile bytes are refused before anything is allocated.
inline std::optional<Configuration> DecodeConfiguration(std::string_view bytes) {
  Reader in(bytes);
  Configuration c;
  if (bytes.size() > kMaxConfigurationBytes || in.U8() != kConfigurationVersion) {
    return std::nullopt;
  }
  for (Configuration::Ids* ids : {&c.voters, &c.old_voters, &c.learners, &c.joining}) {
    const uint64_t count = in.Varint();
    if (count > kMaxMembers) return std::nullopt;
    for (uint64_t i = 0; in.ok() && i < count; ++i) ids->push_back(NodeId(in.U64()));
  }
  c.removed_up_to = NodeId(in.U64());
  const uint64_t count = in.Varint();
  if (count > kMaxMembers) return std::nullopt;
  for (uint64_t i = 0; in.ok() && i < count; ++i) {
    const NodeId id(in.U64());
    if (!c.addresses.empty() && id <= c.addresses.rbegin()->first) return std::nullopt;
    c.addresses.emplace(id, in.String());
  }
  if (!in.Done() || !IsValid(c)) return std::nullopt;
  return c;
}

}  // namespace kvorum::raft
