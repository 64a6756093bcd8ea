// SPDX-License-Identifier: Apache-2.0
//
// Who belongs to the group, and how that changes (thesis chapter 4).
//
//   learners   simple --------------------------------> simple            one entry
//   voters     simple --> joint --- committed by both --> simple          two entries
//
// Joint consensus rather than one server at a time (4.1): one rule for every change, a swap of two
// nodes never passes through an even number of voters, and there is no special case to get wrong.
// Refused before an entry of this term is committed: a change of an older leader that this one has
// not seen may still be committed, and a majority of one need not meet a majority of the other.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "raft/core.h"
#include "raft/limits.h"
#include "raft/quorum.h"

namespace kvorum::raft {
namespace {

// How long somebody who has left is still sent the log, so that it hears of it, in election
// timeouts.
constexpr Micros kFarewellTimeouts = 5;

void Insert(Configuration::Ids& ids, NodeId id) {
  ids.insert(std::lower_bound(ids.begin(), ids.end(), id), id);
}
void Erase(Configuration::Ids& ids, NodeId id) { std::erase(ids, id); }

void ForgetStrangers(Configuration& configuration) {
  std::erase_if(configuration.addresses,
                [&](const auto& entry) { return !configuration.Contains(entry.first); });
}

}  // namespace

// ---- what is in force ---------------------------------------------------------------------------

const Configuration& Core::ConfigurationAt(Index index) const {
  auto it = configurations_.rbegin();
  while (it + 1 != configurations_.rend() && it->index > index) ++it;
  return it->configuration;
}

bool Core::IsRemoved() const {
  return options_.id <= configuration().removed_up_to && !configuration().Contains(options_.id);
}

bool Core::KeepsUp(NodeId peer) const {
  const auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) return false;
  return std::any_of(leader->peers.begin(), leader->peers.end(),
                     [&](const Peer& p) { return p.id == peer && p.keeps_up; });
}

void Core::NoteEntry(const Entry& entry) {
  if (entry.type != EntryType::kConfig) return;
  std::optional<Configuration> configuration = DecodeConfiguration(entry.payload.view());
  KV_CHECK_MSG(configuration.has_value(), "a configuration in the log makes no sense");
  configurations_.push_back({entry.index, std::move(*configuration)});
}

void Core::TruncateFrom(Index index) {
  log_.TruncateFrom(index);
  while (configurations_.back().index >= index) {
    configurations_.pop_back();
    KV_CHECK(!configurations_.empty());
  }
}

void Core::ForgetOldConfigurations() {
  while (configurations_.size() > 1 && configurations_[1].index <= log_.base_index()) {
    configurations_.erase(configurations_.begin());
  }
}

// ---- changing it ----------------------------------------------------------------------------

ChangeResult Core::ProposeChange(const Change& change) {
  auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) return ChangeError::kNotLeader;
  if (leader->transfer) return ChangeError::kTransferring;
  if (commit_ < leader->term_start) return ChangeError::kNotReady;
  if (configuration().IsJoint() || configuration_index() > commit_) {
    return ChangeError::kInProgress;
  }
  Configuration next = configuration();
  if (const std::optional<ChangeError> error = Apply(change, next)) return *error;
  if (next.IsJoint() && !change.force && !QuorumSeemsAlive(next.voters)) {
    return ChangeError::kQuorum;
  }
  AppendConfiguration(next);
  return Proposed{hard_state_.term, log_.last_index()};
}

std::optional<ChangeError> Core::Apply(const Change& change, Configuration& next) const {
  const NodeId id = change.id;
  const bool voter = Configuration::Has(next.voters, id);
  const bool learner = Configuration::Has(next.learners, id);
  const Configuration::Ids before = next.voters;
  switch (change.kind) {
    case Change::Kind::kAdd:
      if (voter || learner) return ChangeError::kMember;
      if (id <= next.removed_up_to) return ChangeError::kRemovedId;
      if (change.address.empty() || change.address.size() > kMaxAddressBytes) {
        return ChangeError::kBadAddress;
      }
      for (const auto& [other, address] : next.addresses) {
        if (address == change.address) return ChangeError::kAddressTaken;
      }
      if (next.Members().size() >= kMaxMembers) return ChangeError::kTooMany;
      Insert(next.learners, id);
      Insert(next.joining, id);
      next.addresses[id] = change.address;
      return std::nullopt;
    case Change::Kind::kRemove:
      if (!voter && !learner) return ChangeError::kNotMember;
      Erase(next.voters, id);
      Erase(next.learners, id);
      Erase(next.joining, id);
      next.removed_up_to = std::max(next.removed_up_to, id);
      break;
    case Change::Kind::kPromote:
      if (!learner) return voter ? ChangeError::kNotLearner : ChangeError::kNotMember;
      if (!KeepsUp(id) && !change.force) return ChangeError::kLags;
      Erase(next.learners, id);
      Erase(next.joining, id);
      Insert(next.voters, id);
      break;
    case Change::Kind::kDemote:
      if (!voter) return learner ? ChangeError::kNotVoter : ChangeError::kNotMember;
      Erase(next.voters, id);
      Insert(next.learners, id);
      break;
  }
  if (next.voters.empty()) return ChangeError::kLastVoter;
  if (next.voters != before) next.old_voters = before;
  ForgetStrangers(next);
  return std::nullopt;
}

// Have enough of them been heard of lately to elect a leader among themselves?
bool Core::QuorumSeemsAlive(const Configuration::Ids& voters) const {
  size_t alive = 0;
  for (const NodeId id : voters) {
    const Progress* progress = ProgressOf(id);
    const bool heard = progress != nullptr && now_ - progress->last_heard() <= timeout_us_;
    alive += id == options_.id || heard ? 1 : 0;
  }
  return alive >= Majority(voters.size());
}

void Core::AppendConfiguration(const Configuration& next) {
  std::string bytes;
  EncodeConfiguration(next, bytes);
  uncommitted_bytes_ += bytes.size();
  Entry entry{hard_state_.term, log_.last_index() + 1, EntryType::kConfig, Payload(bytes)};
  NoteEntry(entry);
  log_.Append(std::move(entry));
  SyncPeers(std::get<Leader>(role_));
}

// Newcomers are sent the log from now on; who has left is for a while, to hear of it.
void Core::SyncPeers(Leader& leader) {
  for (const NodeId id : configuration().Members()) {
    if (id == options_.id) continue;
    const bool known = std::any_of(leader.peers.begin(), leader.peers.end(),
                                   [&](const Peer& p) { return p.id == id; });
    if (known) continue;
    Peer peer{.id = id, .progress = Progress(log_.last_index() + 1, now_)};
    peer.round_target = log_.last_index();
    peer.round_began = now_;
    leader.peers.push_back(std::move(peer));
  }
  for (Peer& p : leader.peers) {
    if (!configuration().Contains(p.id) && p.leave_at == 0) {
      p.leave_at = now_ + kFarewellTimeouts * timeout_us_;
    }
  }
}

// Something was committed. Once the joint configuration is, the new one follows (4.3), whoever
// began the change; once that is, a leader that is not part of it goes (4.2.2).
void Core::AdvanceChange() {
  const auto& leader = std::get<Leader>(role_);
  if (commit_ < leader.term_start || commit_ < configuration_index()) return;
  if (configuration().IsJoint()) {
    Configuration next = configuration();
    next.old_voters.clear();
    ForgetStrangers(next);
    AppendConfiguration(next);
  } else if (!configuration().IsVoter(options_.id)) {
    StepDownRemoved(leader);
  }
}

// Whoever has everything is asked to go on at once. The lease ends with the role.
void Core::StepDownRemoved(const Leader& leader) {
  const Peer* best = nullptr;
  for (const Peer& p : leader.peers) {
    if (!Configuration::Has(configuration().voters, p.id)) continue;
    if (best == nullptr || p.progress.match() > best->progress.match()) best = &p;
  }
  if (best != nullptr) SendNow(best->id, TimeoutNow{hard_state_.term});
  BecomeFollower(hard_state_.term, NodeId());
}

// ---- learners -------------------------------------------------------------------------------

// 4.2.1: the log is replicated in rounds, each as far as the log went when it began. A learner that
// has done one within an election timeout would not hold up the group as a voter.
void Core::TickMembership(Leader& leader) {
  std::erase_if(leader.peers, [&](const Peer& p) { return p.leave_at != 0 && now_ >= p.leave_at; });
  NodeId ready;
  for (Peer& p : leader.peers) {
    if (!configuration().IsLearner(p.id)) continue;
    const Micros took = now_ - p.round_began;
    if (p.progress.match() >= p.round_target) {
      p.keeps_up = took <= timeout_us_;
      p.round_target = log_.last_index();
      p.round_began = now_;
    } else if (took > timeout_us_) {
      p.keeps_up = false;
    }
    if (now_ < p.busy_until) p.keeps_up = false;
    const bool heard = now_ - p.progress.last_heard() <= timeout_us_;
    if (ready == NodeId() && p.keeps_up && heard &&
        Configuration::Has(configuration().joining, p.id)) {
      ready = p.id;
    }
  }
  // Refused for many reasons, all of which pass: it is tried again with the next tick.
  if (ready != NodeId()) ProposeChange({.kind = Change::Kind::kPromote, .id = ready});
}

}  // namespace kvorum::raft
