// SPDX-License-Identifier: Apache-2.0
//
// What a node does about who belongs to the group: whom it speaks to and listens to, who waits for
// a change, and what becomes of it when it is removed itself.
#include <algorithm>
#include <optional>
#include <utility>

#include "server/cluster_nodes.h"
#include "server/node.h"

namespace kvorum::server {
namespace {

constexpr std::string_view kChangeUnknown =
    "INDOUBT it is not known yet whether the change is made: ask RAFT NODES";
constexpr std::string_view kChangeLost =
    "ERR the change was not made: another leader came before it was committed";

void List(std::string& text, std::string_view name, const raft::Configuration::Ids& ids) {
  if (ids.empty()) return;
  text += (text.empty() ? "" : ", ") + std::string(name);
  for (const NodeId id : ids) text += " " + std::to_string(id.value());
}

}  // namespace

std::optional<NodeAddress> Node::PlaceOf(NodeId id) const {
  if (const NodeAddress* node = config_.Find(id)) return *node;
  const auto found = places_.find(id);
  return found == places_.end() ? std::nullopt : std::optional<NodeAddress>(found->second);
}

void Node::ToldRemoved(NodeId by) { removed_says_ = by; }

bool Node::Removed() const {
  if (removed_says_ != NodeId()) return true;
  const raft::Core& core = member_.core();
  return core.IsRemoved() && core.configuration_index() <= core.commit();
}

bool Node::Admits(NodeId id) const {
  return id != NodeId() && id != config_.node_id && !WasRemoved(id);
}

bool Node::WasRemoved(NodeId id) const {
  // By what is committed: whoever leaves may lead until then.
  const raft::Core& core = member_.core();
  const raft::Configuration& committed = core.ConfigurationAt(core.commit());
  return id != NodeId() && id <= committed.removed_up_to && !committed.Contains(id) &&
         core.ProgressOf(id) == nullptr;
}

Result<std::string> Node::Meet(disk::Acquaintances& met, NodeId other, uint64_t incarnation,
                               uint64_t knows_this_as) {
  const auto meeting = met.Meet(other, incarnation, knows_this_as);
  if (!meeting.ok()) return meeting.status();
  const std::string name = "node " + std::to_string(other.value());
  switch (meeting.value()) {
    case disk::Acquaintances::Meeting::kWelcome:
      return std::string();
    case disk::Acquaintances::Meeting::kAnotherDisk:
      return name +
             " with another data directory than before: what it promised under this id is "
             "lost; remove it and start it under a new id";
    case disk::Acquaintances::Meeting::kForgotten:
      break;
  }
  const std::string self = std::to_string(config_.node_id.value());
  const std::string why =
      name + " knows node " + self + " with another data directory: what node " + self +
      " has promised and acknowledged is not in this one, so it must not take part under this id "
      "again. Put its directory back; or RAFT REMOVE " +
      self + " on the leader, and start this one empty with --join and a new id";
  seams_.host.Halt({StatusCode::kInvalid, why});
  return why;
}

bool Node::FarewellOver() const {
  const Micros farewell = 2 * member_.core().election_timeout_us();
  return removed_at_ != 0 && now().boot_us - removed_at_ > farewell;
}

bool Node::PeersChanged() {
  const raft::Core& core = member_.core();
  const PeersStamp stamp{core.configuration_index(), core.configuration_index() <= core.commit(),
                         FarewellOver(), core.progress_count()};
  if (peers_stamp_ == stamp) return false;
  peers_stamp_ = stamp;
  return true;
}

std::vector<NodeAddress> Node::Peers() const {
  std::vector<NodeAddress> peers;
  if (FarewellOver()) return peers;
  const raft::Core& core = member_.core();
  raft::Configuration::Ids ids = core.configuration().Members();
  for (const NodeId id : core.ConfigurationAt(core.commit()).Members()) ids.push_back(id);
  for (const auto& [id, place] : places_) {
    // Who has just left is told so; by the leader alone.
    if (core.ProgressOf(id) != nullptr) ids.push_back(id);
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  for (const NodeId id : ids) {
    const std::optional<NodeAddress> place = PlaceOf(id);
    if (id != config_.node_id && place && place->peer_port != 0) peers.push_back(*place);
  }
  return peers;
}

void Node::LearnPlaces() {
  for (const auto& [id, text] : member_.core().configuration().addresses) {
    if (const std::optional<NodeAddress> place = ParseAddress(id, text)) places_[id] = *place;
  }
}

void Node::NoticeMembership() {
  const raft::Core& core = member_.core();
  const raft::Configuration& configuration = core.configuration();
  if (core.configuration_index() != seen_configuration_) {
    LearnPlaces();
    std::string line;
    List(line, "voters", configuration.voters);
    List(line, "before the change", configuration.old_voters);
    List(line, "learners", configuration.learners);
    seams_.host.Log(
        Host::Level::kNotice,
        "members since index " + std::to_string(core.configuration_index().value()) + ": " + line);
    Happened({"members",
              core.term(),
              {{"index", core.configuration_index().value()}, {"members", std::move(line)}}});
    seen_configuration_ = core.configuration_index();
    Unstall(Stall::kParked);  // where the leader is may be known now
  }
  if (Removed() && removed_at_ == 0) {
    removed_at_ = now().boot_us;
    Happened({"removed", core.term(), {}});
    std::string line =
        "this node was removed from the cluster: it takes part no more and can be stopped; its id "
        "will not be used again";
    if (removed_says_ != NodeId())
      line += " (node " + std::to_string(removed_says_.value()) + " says so)";
    seams_.host.Log(Host::Level::kWarning, line);
    Unstall(Stall::kParked);
  }
}

// ---- clients that wait for a change -------------------------------------------------------------

void Node::BeginChangeWait(Session& session, const raft::Proposed& change, bool mute) {
  const Micros deadline = now().boot_us + Micros{config_.indoubt_timeout_ms} * 1000;
  changes_.push_back({StartWaiting(session, 0, deadline, mute), change.term, change.index});
}

// Nothing: not decided yet. Empty: done.
std::optional<std::string_view> Node::OutcomeOf(const WaitingChange& wait) const {
  const raft::Core& core = member_.core();
  const raft::Log& log = core.log();
  if (core.commit() >= wait.index) {
    if (log.base_index() > wait.index) return kChangeUnknown;
    if (log.TermAt(wait.index) != wait.term) return kChangeLost;
    // A change of voters has two steps, and counts when the second is committed.
    if (!core.ConfigurationAt(core.commit()).IsJoint()) return std::string_view();
  }
  if (now().boot_us >= wait.deadline) return kChangeUnknown;
  return std::nullopt;
}

void Node::CheckChanges() {
  std::erase_if(changes_, [this](const WaitingChange& wait) {
    const std::optional<std::string_view> outcome = OutcomeOf(wait);
    if (!outcome && !wait.session->closed) return false;
    EndWaiting(wait, [&](resp::Reply& reply) {
      if (outcome->empty()) {
        reply.Ok();
      } else {
        reply.Error(*outcome);
      }
    });
    return true;
  });
}

}  // namespace kvorum::server
