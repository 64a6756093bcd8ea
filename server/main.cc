// SPDX-License-Identifier: Apache-2.0
//
// kvorum-server: configuration, recovery, threads, the loop, and the way out.
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "disk/posix_files.h"
#include "server/boot.h"
#include "server/clocks.h"
#include "server/config_load.h"
#include "server/event_file.h"
#include "server/exporter.h"
#include "server/join.h"
#include "server/reactor.h"
#include "server/version.h"
#include "server/wal_thread.h"
#include "server/worker_thread.h"

// What this release can. Tests build another server with less: the release before.
#ifndef KVORUM_LEVELS_LESS
#define KVORUM_LEVELS_LESS 0
#endif

extern char** environ;

// Read by jemalloc before main (its manual, TUNING): a thread of its own gives back what has not
// been used for five seconds. Otherwise that is done by who allocates, and an idle node keeps it
// all.
extern "C" {
extern const char* malloc_conf;
const char* malloc_conf = "background_thread:true,max_background_threads:1,dirty_decay_ms:5000";
}

namespace kvorum::server {
namespace {

class BootStopwatch final : public replica::Stopwatch {
 public:
  Micros Read() override { return BootMicros(); }
};

void StartLogging(const Config& config) {
  auto logger = config.logfile.empty() ? spdlog::stdout_logger_st("kvorum")
                                       : spdlog::basic_logger_st("kvorum", config.logfile);
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e %L %v");
  const bool chatty = config.loglevel == "debug" || config.loglevel == "verbose";
  logger->set_level(chatty                         ? spdlog::level::debug
                    : config.loglevel == "warning" ? spdlog::level::warn
                                                   : spdlog::level::info);
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(logger);
}

int Fail(const Status& status) {
  std::fprintf(stderr, "kvorum-server: %s\n", status.message().c_str());
  return 1;
}

void Welcome(const Config& config, const Booted& booted) {
  const NodeAddress* self = config.Find(config.node_id);
  spdlog::info("Kvorum {} (Redis {} commands), pid {}", kVersion, kRedisVersion, getpid());
  spdlog::info("node {} of {}, data in {}{}", config.node_id.value(), config.cluster_nodes.size(),
               std::filesystem::absolute(config.dir).lexically_normal().string(),
               booted.fresh ? " (new)" : "");
  if (!booted.note.empty()) spdlog::warn("recovery: {}", booted.note);
  spdlog::info("state at index {}, log to index {}, term {}", booted.machine->applied().value(),
               (booted.restart.base_index + booted.restart.entries.size()).value(),
               booted.restart.hard_state.term.value());
  spdlog::info("ready for clients: redis-cli -h {} -p {}", self->host, config.port);
}

// A write or sync that failed leaves nothing to be trusted: the process ends at once, and what was
// not acknowledged stays so.
void DiskFailed(const Status& status) {
  std::fprintf(stderr, "kvorum-server: the disk has failed, stopping: %s\n",
               status.message().c_str());
  std::fflush(stderr);
  std::_Exit(3);
}

int Serve(Config& config, disk::Files& files, Booted& booted) {
  Reactor reactor(config, ClusterIdOf(config));
  WalThread wal(*booted.wal, {.persisted =
                                  [&reactor](BatchNumber number) {
                                    reactor.Post([&reactor, number] { reactor.Persisted(number); });
                                  },
                              .failed = DiskFailed});
  disk::PosixFiles event_files(config.dir);
  EventFile event_file(event_files);
  WorkerThread worker(
      [&reactor](std::function<void()> function) { reactor.Post(std::move(function)); });
  BootStopwatch stopwatch;
  std::random_device entropy;
  const uint64_t seed = (uint64_t{entropy()} << 32) | entropy();
  const uint64_t start = static_cast<uint64_t>(ReadClocks().wall_ms) << 20 | (entropy() & 0xFFFFF);
  Node node(config, std::move(booted.restart), *booted.machine, *booted.snapshots,
            {wal, worker, stopwatch, reactor.links(), reactor}, start, seed, ReadClocks());
  reactor.SetNode(&node, &*booted.acquaintances);
  reactor.OnRecord([&](std::string_view line) {
    event_file.Add(line);
    worker.Run([&event_file] { (void)event_file.Write(); }, [] {});
  });
  const raft::Core& core = node.member().core();
  replica::Event starts{
      "starts",
      core.term(),
      {{"version", std::string(kVersion)}, {"last_index", core.log().last_index().value()}}};
  if (!booted.note.empty()) starts.details.emplace_back("recovery", booted.note);
  node.Happened(std::move(starts));
  if (Status status = reactor.Listen(); !status.ok()) return Fail(status);
  Exporter exporter(config, node, wal, *booted.wal, reactor.links());
  if (Status status = exporter.Start(); !status.ok()) return Fail(status);
  reactor.OnCron([&] {
    exporter.Publish();
    const Result<uint64_t> free = files.FreeBytes("");
    if (free.ok()) node.SetDiskFull(free.value() < config.min_free_disk_bytes);
  });
  const int code = reactor.Run();
  worker.Stop();
  wal.Stop();
  (void)event_file.Write();
  exporter.Stop();
  spdlog::info("bye");
  return code;
}

int Main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  std::vector<std::string> environment;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    environment.emplace_back(*variable);
  }
  Config config;
  config.feature_level_known = kvorum::store::kFeatureLevel - KVORUM_LEVELS_LESS;
  CommandLine line;
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (Status status = LoadConfig(arguments, environment, &config, &line); !status.ok()) {
    return Fail(status);
  }
  if (line.help) {
    std::fputs(Usage().c_str(), stdout);
    return 0;
  }
  if (line.version) {
    std::printf("kvorum-server %s\n", std::string(kVersion).c_str());
    return 0;
  }
  StartLogging(config);
  disk::PosixFiles files(config.dir);
  bool returning = true;
  if (!config.join.empty()) {
    if (Status status = LearnCluster(files, config, &returning); !status.ok()) return Fail(status);
  }
  // A newcomer is taken in before it leaves anything on its disk: whoever was refused once is new
  // again the next time.
  if (!returning) {
    if (Status status = AskToJoin(config, returning); !status.ok()) return Fail(status);
  }
  std::random_device entropy;
  Result<Booted> booted = Boot(files, config, (uint64_t{entropy()} << 32) | entropy() | 1);
  if (!booted.ok()) return Fail(booted.status());
  Welcome(config, booted.value());
  if (!config.join.empty() && returning && !HoldsConfiguration(booted.value().restart)) {
    if (Status status = AskToJoin(config, returning); !status.ok()) return Fail(status);
  }
  return Serve(config, files, booted.value());
}

}  // namespace
}  // namespace kvorum::server

int main(int argc, char** argv) { return kvorum::server::Main(argc, argv); }
