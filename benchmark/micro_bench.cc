// SPDX-License-Identifier: Apache-2.0
//
// The parts a command passes through, one by one: parser, reply, envelope, apply, log append, core
// and sockets. For finding what to look at; claims are made by side_by_side.py.
#include <benchmark/benchmark.h>

#include <sys/socket.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "base/crc32c.h"
#include "raft/core.h"
#include "resp/parser.h"
#include "resp/reply.h"
#include "server/io_threads.h"
#include "store/envelope.h"
#include "store/families.h"
#include "store/machine.h"

namespace kvorum {
namespace {

std::string SetRequest(int64_t key) {
  const std::string name = "key:" + std::to_string(1'000'000'000 + key);
  return "*3\r\n$3\r\nSET\r\n$" + std::to_string(name.size()) + "\r\n" + name + "\r\n$64\r\n" +
         std::string(64, 'v') + "\r\n";
}

void ParsePipelineOfSets(benchmark::State& state) {
  std::string input;
  for (int64_t i = 0; i < 16; ++i) input += SetRequest(i);
  for (auto _ : state) {
    resp::Parser parser;
    size_t at = 0;
    while (at < input.size()) {
      const resp::ParseResult result = parser.Next(std::string_view(input).substr(at));
      benchmark::DoNotOptimize(result.argv.data());
      at += result.consumed;
    }
  }
  state.SetItemsProcessed(state.iterations() * 16);
}
BENCHMARK(ParsePipelineOfSets);

void WriteBulkReply(benchmark::State& state) {
  std::string out;
  const std::string value(64, 'v');
  for (auto _ : state) {
    out.clear();
    resp::Reply(&out).Bulk(value);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(WriteBulkReply);

// Of `keys` keys, in an order that has nothing to do with where they lie.
std::string Envelope(int64_t first_key, int commands, int64_t keys) {
  store::EnvelopeWriter writer;
  const std::string value(64, 'v');
  const store::CommandRow* set = store::StoreIndex().Find("set");
  for (int i = 0; i < commands; ++i) {
    const int64_t number = (first_key + i) * 7'368'787 % keys;
    const std::string key = "key:" + std::to_string(1'000'000'000 + number);
    const std::vector<std::string_view> argv{"set", key, value};
    writer.Add(set->opcode, 0, nullptr, argv);
  }
  return writer.Finish(1, 1);
}

void ApplySets(benchmark::State& state) {
  store::Machine machine;
  std::vector<std::string> envelopes;
  const int64_t keys = state.range(0);
  for (int64_t i = 0; i < keys / 50; ++i) envelopes.push_back(Envelope(i * 50, 50, keys));
  Index index;
  for (auto _ : state) {
    machine.Apply(++index, envelopes[index.value() % envelopes.size()], nullptr);
  }
  state.SetItemsProcessed(state.iterations() * 50);
}
BENCHMARK(ApplySets)->Arg(50'000)->Arg(1'000'000);

void Checksum(benchmark::State& state) {
  const std::string bytes(4096, 'x');
  for (auto _ : state) benchmark::DoNotOptimize(Crc32c(0, bytes));
  state.SetBytesProcessed(state.iterations() * 4096);
}
BENCHMARK(Checksum);

// One proposal on the leader of three: propose, take, two acknowledgements, commit.
void CoreCommitsOneProposal(benchmark::State& state) {
  const NodeId one(1);
  const NodeId two(2);
  const NodeId three(3);
  raft::Core core({.id = one, .bootstrap = {one, two, three}, .election_timeout_us = 1'000'000}, {},
                  0);
  raft::Output output;
  Micros now = core.NextWakeup();
  core.Tick(now);
  core.Take(output);
  core.Step(two, raft::PreVoteReply{Term(1), true});
  core.Take(output);
  core.Step(two, raft::VoteReply{Term(1), true});
  const Payload payload(Envelope(0, 1, 1));
  for (auto _ : state) {
    core.Tick(++now);
    benchmark::DoNotOptimize(core.Propose(payload));
    core.Take(output);
    const Index last = core.log().last_index();
    core.Persisted(output.save.number);
    core.Step(two, raft::AppendReply{Term(1), Round(1), true, last, Index(), Index(), Term()});
    core.Step(three, raft::AppendReply{Term(1), Round(1), true, last, Index(), Index(), Term()});
    core.Applied(core.commit());
    if (last.value() % 4096 == 0) {
      core.SnapshotSaved({core.applied(), Term(1), {one, two, three}}, core.applied());
    }
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(CoreCommitsOneProposal);

// What helpers save the reactor of a turn's replies. Wants more processors than threads, all idle:
// elsewhere helpers sleep, and are woken.
void SendToFiftyClients(benchmark::State& state) {
  using boost::asio::ip::tcp;
  boost::asio::io_context context;
  tcp::acceptor acceptor(context, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0));
  std::vector<tcp::socket> clients;
  std::vector<tcp::socket> served;
  for (int i = 0; i < 50; ++i) {
    clients.emplace_back(context);
    clients.back().connect(acceptor.local_endpoint());
    served.push_back(acceptor.accept());
    served.back().set_option(tcp::no_delay(true));
  }
  server::IoThreads io(static_cast<size_t>(state.range(0)));
  std::array<char, 70> reply{};
  for (auto _ : state) {
    const auto started = std::chrono::steady_clock::now();
    io.ForEach(served.size(), [&](size_t item, size_t /*thread*/) {
      benchmark::DoNotOptimize(
          ::send(served[item].native_handle(), reply.data(), reply.size(), MSG_NOSIGNAL));
    });
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
    state.SetIterationTime(took.count());
    for (tcp::socket& client : clients) client.receive(boost::asio::buffer(reply));
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(served.size()));
}
BENCHMARK(SendToFiftyClients)->Arg(1)->Arg(2)->UseManualTime();

}  // namespace
}  // namespace kvorum

BENCHMARK_MAIN();
