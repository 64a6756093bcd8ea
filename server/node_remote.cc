// SPDX-License-Identifier: Apache-2.0
//
// The leader's end of carried commands, and what else comes from peers.
#include <utility>

#include "server/node.h"

namespace kvorum::server {

void Node::OnPeer(NodeId from, PeerMessage message, Now arrived) {
  TellTime(arrived);
  if (auto* raft = std::get_if<raft::Message>(&message)) {
    member_.Receive(from, std::move(*raft));
  } else if (auto* forward = std::get_if<Forward>(&message)) {
    OnForward(from, std::move(*forward));
  } else if (auto* reply = std::get_if<ForwardReply>(&message)) {
    carrier_.OnReply(from, *reply);
  } else {
    const auto it = remotes_.find({from, std::get<ForwardClose>(message).client});
    if (it != remotes_.end()) Closed(it->second);
  }
}

void Node::OnForward(NodeId from, Forward forward) {
  RemoteReplies& replies = remote_replies_[from];
  replies.start = forward.start;
  const raft::Core& core = member_.core();
  if (!core.IsLeader() || core.term() != forward.term) {
    // What is repeated after a lost link may have been taken on before, by this process or by one
    // that has died since, and be in the log: refused now, it could be executed twice.
    if (forward.repeated) return;
    for (const ForwardedCommand& command : forward.commands) {
      replies.replies.push_back({.sequence = command.sequence, .refused = true});
    }
    return;
  }
  // Leadership does not survive the process, so neither need this.
  RemoteProgress& progress = remote_progress_[from];
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
    session->remote_start = forward.start;
    PutBack(*session, {.argv = std::move(command.argv),
                       .database = command.database,
                       .protocol = command.protocol,
                       .sequence = command.sequence});
  }
}

void Node::RefuseRemote(Session& session, uint64_t sequence) {
  if (session.closed) return;
  remote_replies_[session.remote_node].replies.push_back({.sequence = sequence, .refused = true});
}

void Node::SendRemoteReplies() {
  for (auto& [node, replies] : remote_replies_) {
    if (replies.replies.empty()) continue;
    seams_.wire.SendToPeer(node, ForwardReply{replies.start, std::exchange(replies.replies, {})});
  }
}

void Node::OnLinkReset(NodeId peer) {
  carrier_.OnLinkReset(peer);
  // Its clients' replies cannot reach it; what they wrote is found in its log.
  for (auto it = remotes_.lower_bound({peer, 0});
       it != remotes_.end() && it->first.first == peer;) {
    Session* session = it->second;
    ++it;
    Closed(session);
  }
  remote_replies_.erase(peer);
}

void Node::OnLinkUp(NodeId peer) {
  if (member_.core().leader() == peer) carrier_.OnLinkUp(peer, member_.core().term());
}

}  // namespace kvorum::server
