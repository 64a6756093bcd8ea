// SPDX-License-Identifier: Apache-2.0
//
// Writes the seed corpora from real encodings: fuzz_seeds DIRECTORY. The result is committed; run
// it again when an encoding changes.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/coding.h"
#include "base/rng.h"
#include "raft/codec.h"
#include "server/peer_frame.h"
#include "store/envelope.h"

namespace kvorum::fuzz {
namespace {

using Inputs = std::vector<std::string>;

std::string Random(uint64_t seed, size_t size) {
  Rng rng(seed);
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(rng.Next());
  return bytes;
}

// Inputs that are read as choices: one with each of the first bytes that choose a kind.
void AddRandom(Inputs& inputs, uint64_t kinds, size_t each, size_t size) {
  for (uint64_t kind = 0; kind < kinds; ++kind) {
    for (uint64_t seed = 0; seed < each; ++seed) {
      inputs.push_back(static_cast<char>(kind) + Random(seed * 97 + kind, size + 37 * seed));
    }
  }
}

Inputs Resp() {
  const Inputs streams = {
      "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
      "PING\r\nSET k \"a \\x41\\n b\" 'it\\'s'\r\n\r\n\nGET k\n",
      "*1\r\n$4\r\nPING\r\n*0\r\n*-1\r\n\r\nECHO \"unbalanced\r\n",
      "*2\r\n$4\r\nECHO\r\n$0\r\n\r\n*2\r\n$4\r\nECHO\r\n$3\r\n\r\n\r\r\n",
      "*1\r\n$536870913\r\n",
      "*1048577\r\n",
      "*2\r\n$4\r\nECHO\r\n:5\r\n",
      "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$99999999999999999999\r\n",
      "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
      "POST / HTTP/1.1\r\n",
      "*2\r\n$4\r\nECHO\r\n$5\r\nhelloXX*1\r\n",
      std::string(100, 'x') + "\r\n",
  };
  Inputs inputs;
  for (const std::string& limits : {std::string("\1\0\0\7", 4), std::string("\0\0\3\7", 4),
                                    std::string("\1\1\x20\x08\x20\0\4\0\0", 9)}) {
    for (const std::string& stream : streams) inputs.push_back(limits + stream);
  }
  return inputs;
}

std::string Envelope() {
  store::EnvelopeWriter writer;
  const store::Origin origin{NodeId(2), 7, 9};
  const std::vector<std::string_view> set = {"set", "k", "v", "PX", "100"};
  const std::vector<std::string_view> incr = {"incr", "n"};
  writer.Add(store::Opcode::kSet, 0, &origin, set);
  writer.Add(store::Opcode::kIncr, 1, nullptr, incr);
  return writer.Finish(1'700'000'000'000, 42);
}

Inputs Entry() {
  Inputs inputs;
  AddRandom(inputs, 8, 2, 300);
  const std::string envelope = Envelope();
  inputs.push_back(std::string(1, '\0') + static_cast<char>(envelope.size()) + envelope);
  const std::string pulse = store::EnvelopeWriter().Finish(1, 0);
  inputs.push_back(std::string(1, '\0') + static_cast<char>(pulse.size()) + pulse);
  return inputs;
}

std::vector<raft::Message> Messages() {
  raft::Append append{.term = Term(7), .prev_index = Index(10), .prev_term = Term(6)};
  append.commit = Index(9);
  append.round = Round(99);
  append.entries.push_back({Term(6), Index(11), raft::EntryType::kBatch, Payload(Envelope())});
  append.entries.push_back({Term(7), Index(12), raft::EntryType::kNoop, Payload()});
  return {
      raft::PreVote{Term(3), Index(4), Term(2)},
      raft::PreVoteReply{Term(3), true},
      raft::Vote{Term(3), Index(4), Term(2), true},
      raft::VoteReply{Term(3), false},
      append,
      raft::AppendReply{Term(7), Round(99), true, Index(12), Index(), Index(), Term()},
      raft::AppendReply{Term(7), Round(99), false, Index(), Index(10), Index(8), Term(5)},
      raft::Heartbeat{Term(7), Index(9), Round(100)},
      raft::HeartbeatReply{Term(7), Round(100)},
      raft::InstallSnapshot{Term(7), {Index(5), Term(4), {NodeId(1), NodeId(2)}}, 3, 10, "bytes"},
      raft::InstallSnapshotReply{Term(7), Index(5), 8, true},
      raft::TimeoutNow{Term(7)},
      raft::ReadIndex{Term(7), 3, ReadId(4)},
      raft::ReadIndexReply{Term(7), 3, ReadId(4), Index(9)},
      raft::MatchLost{Term(7), Index(12)}};
}

Inputs Peer() {
  constexpr size_t kHeaderBytes = 8;
  std::vector<server::PeerMessage> messages;
  for (const raft::Message& message : Messages()) messages.emplace_back(message);
  server::Forward forward;
  forward.term = Term(3);
  forward.start = 17;
  forward.commands.push_back({.sequence = 1, .client = 2, .argv = {"SET", "k", "v"}});
  messages.emplace_back(forward);
  server::ForwardReply reply;
  reply.start = 17;
  reply.replies.push_back({.sequence = 1, .bytes = "+OK\r\n"});
  messages.emplace_back(reply);
  messages.emplace_back(server::ForwardClose{5});
  messages.emplace_back(server::FeatureAbility{2});
  messages.emplace_back(server::StateDigest{Index(128), 0x0123456789abcdefULL, true});
  Inputs inputs;
  for (const server::PeerMessage& message : messages) {
    std::string frame;
    server::EncodeFrame(message, frame);
    inputs.push_back("\1" + frame.substr(kHeaderBytes));
    if (inputs.size() == 1) inputs.push_back(std::string(1, '\0') + frame);
  }
  std::string hello;
  server::EncodeHello(
      {server::LinkKind::kBulk, 77, NodeId(1), NodeId(2), "host", 7000, 17000, 5, 6}, hello);
  inputs.push_back(std::string(1, '\0') + hello);
  inputs.push_back("\1" + hello.substr(4 + kHeaderBytes));
  for (uint64_t seed = 0; seed < 10; ++seed) inputs.push_back("\2" + Random(seed, 400));
  return inputs;
}

Inputs Choices(uint64_t kinds, size_t each, size_t size) {
  Inputs inputs;
  AddRandom(inputs, kinds, each, size);
  return inputs;
}

void Write(const std::filesystem::path& dir, const Inputs& inputs) {
  std::filesystem::create_directories(dir);
  for (size_t i = 0; i < inputs.size(); ++i) {
    const std::string name = (i < 10 ? "0" : "") + std::to_string(i);
    std::ofstream(dir / name, std::ios::binary) << inputs[i];
  }
}

}  // namespace
}  // namespace kvorum::fuzz

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: fuzz_seeds DIRECTORY\n");
    return 2;
  }
  const std::filesystem::path root = argv[1];
  kvorum::fuzz::Write(root / "resp", kvorum::fuzz::Resp());
  kvorum::fuzz::Write(root / "wal", kvorum::fuzz::Choices(8, 4, 120));
  kvorum::fuzz::Write(root / "snapshot", kvorum::fuzz::Choices(4, 6, 150));
  kvorum::fuzz::Write(root / "peer", kvorum::fuzz::Peer());
  kvorum::fuzz::Write(root / "entry", kvorum::fuzz::Entry());
  kvorum::fuzz::Write(root / "commands", kvorum::fuzz::Choices(1, 16, 400));
  return 0;
}
