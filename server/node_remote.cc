// SPDX-License-Identifier: Apache-2.0
//
// The leader's end of carried commands, and what else comes from peers.
#include <algorithm>
#include <utility>

#include "server/limits.h"
#include "server/node.h"

namespace kvorum::server {

void Node::OnPeer(NodeId from, PeerMessage message, Now arrived) {
  TellTime(arrived);
  if (auto* raft = std::get_if<raft::Message>(&message)) {
    member_.Receive(from, std::move(*raft));
  } else if (auto* forward = std::get_if<Forward>(&message)) {
    OnForward(from, std::move(*forward));
  } else if (auto* reply = std::get_if<ForwardReply>(&message)) {
    carrier_.OnReply(from, std::move(*reply));
  } else if (auto* digest = std::get_if<StateDigest>(&message)) {
    watch_.OnDigest(from, *digest);
  } else if (auto* ability = std::get_if<FeatureAbility>(&message)) {
    member_.PeerCan(from, ability->level);
  } else {
    const auto it = remotes_.find({from, std::get<ForwardClose>(message).client});
    if (it != remotes_.end()) Closed(it->second);
  }
}

// `visit` may close the session.
template <class Visit>
void Node::VisitRemotes(NodeId node, Visit visit) {
  for (auto it = remotes_.lower_bound({node, 0});
       it != remotes_.end() && it->first.first == node;) {
    Session& session = *it->second;
    ++it;
    visit(session);
  }
}

void Node::OnForward(NodeId from, Forward forward) {
  const raft::Core& core = member_.core();
  if (!core.IsLeader() || core.term() != forward.term) {
    // What is repeated after a lost link may have been taken on before, by this process or by one
    // that has died since, and be in the log: refused now, it could be executed twice.
    if (forward.repeated) return;
    RemoteReplies& replies = RepliesFor(from, forward.start);
    for (const ForwardedCommand& command : forward.commands) {
      replies.replies.push_back({.sequence = command.sequence, .refused = true});
    }
    return;
  }
  // Leadership does not survive the process, so neither need this.
  RemoteProgress& progress = remote_progress_[from];
  if (progress.start != forward.start) {
    VisitRemotes(from, [this](Session& session) { Closed(&session); });
  }
  if (progress.start != forward.start || progress.term != forward.term) {
    progress = {forward.start, 0, forward.term};
  }
  for (ForwardedCommand& command : forward.commands) {
    if (command.sequence <= progress.sequence || command.argv.empty()) continue;
    progress.sequence = command.sequence;
    Session*& session = remotes_[{from, command.client}];
    if (session == nullptr) {
      session = Open(PortKind::kRemote);
      session->remote_node = from;
      session->remote_client = command.client;
    }
    // Of the rest its node knows that it was never executed, and has carried it anew.
    if (session->remote_term != forward.term) session->backlog.clear();
    session->remote_start = forward.start;
    session->remote_term = forward.term;
    session->unlinked = false;
    PutBack(*session, {.argv = std::move(command.argv),
                       .database = command.database,
                       .protocol = command.protocol,
                       .sequence = command.sequence});
  }
}

// Of the process of that node that carries now: an earlier one reads nothing any more.
Node::RemoteReplies& Node::RepliesFor(NodeId node, uint64_t start) {
  RemoteReplies& replies = remote_replies_[node];
  if (replies.start != start) replies = {.start = start};
  return replies;
}

void Node::ReplyRemote(const Session& session, ForwardedReply reply) {
  if (session.closed) return;
  RemoteReplies& replies = RepliesFor(session.remote_node, session.remote_start);
  replies.bytes += reply.bytes.size();
  replies.replies.push_back(std::move(reply));
}

void Node::RefuseRemote(const Session& session, uint64_t sequence) {
  ReplyRemote(session, {.sequence = sequence, .refused = true});
}

// What the link does not take yet stays here, where it is counted.
void Node::SendRemoteReplies() {
  for (auto& [node, replies] : remote_replies_) {
    std::vector<ForwardedReply>& list = replies.replies;
    size_t sent = 0;
    while (sent < list.size() && seams_.wire.QueuedBytes(node) < kRemoteReplyBytes) {
      ForwardReply message{.start = replies.start};
      for (size_t bytes = 0; sent < list.size() && bytes < kForwardReplyBytes; ++sent) {
        bytes += list[sent].bytes.size();
        replies.bytes -= list[sent].bytes.size();
        message.replies.push_back(std::move(list[sent]));
      }
      seams_.wire.SendToPeer(node, std::move(message));
    }
    list.erase(list.begin(), list.begin() + static_cast<ptrdiff_t>(sent));
  }
}

bool Node::TakesReplies(NodeId node) const {
  const auto it = remote_replies_.find(node);
  const size_t waiting = it == remote_replies_.end() ? 0 : it->second.bytes;
  return waiting + seams_.wire.QueuedBytes(node) < kRemoteReplyBytes;
}

// How large the replies are is known only at the leader, and what it has sent must be taken: no
// more is asked for than there is room for, as far as one can tell.
size_t Node::ForwardsAllowed(const Session& session) const {
  if (session.largest_reply == 0) return kFirstForwards;
  return std::clamp<size_t>(config_.output_soft_limit / session.largest_reply, 1,
                            kForwardsPerSession);
}

// What was taken on and not executed yet still is, or its node would wait for it in vain; what was
// executed is found in the log.
void Node::OnLinkReset(NodeId peer) {
  member_.PeerLost(peer);
  carrier_.OnLinkReset(peer);
  VisitRemotes(peer, [this](Session& session) {
    session.unlinked = true;
    CloseIfUnlinked(session);
  });
  remote_replies_.erase(peer);
}

void Node::CloseIfUnlinked(Session& session) {
  if (session.unlinked && !session.Owed() && session.backlog.empty()) Closed(&session);
}

}  // namespace kvorum::server
