// SPDX-License-Identifier: Apache-2.0
//
// kvorum-roofline: what a machine allows. Three processes, a file each; see leader.h.
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "benchmark/roofline/follower.h"
#include "benchmark/roofline/leader.h"
#include "benchmark/roofline/sockets.h"

namespace {

namespace roofline = kvorum::roofline;

[[noreturn]] void Usage() {
  std::fputs(R"(usage: all three (followers on the two ports behind P)
  kvorum-roofline --port P --dir D
or each on its own, the followers first
  kvorum-roofline --role follower --port P --file F
  kvorum-roofline --role leader --port P --file F --peers P1,P2    (ports of the two)
)",
             stderr);
  std::exit(2);
}

uint16_t Port(std::string_view text) {
  uint16_t port = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (failure != std::errc() || end != text.data() + text.size() || port == 0) Usage();
  return port;
}

// A follower of its own process, which dies with this one; a connection to it.
int Fork(int port, const std::string& file) {
  const int listening = roofline::Listen(static_cast<uint16_t>(port));
  if (fork() == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    roofline::LogFile log(file);
    roofline::RunFollower(listening, log);
    _exit(0);
  }
  close(listening);
  return roofline::Connect(static_cast<uint16_t>(port));
}

}  // namespace

int main(int argc, char** argv) {
  std::map<std::string_view, std::string> flags;
  for (int i = 1; i + 1 < argc; i += 2) flags[argv[i]] = argv[i + 1];
  const uint16_t port = Port(flags["--port"]);
  std::string file = flags["--file"];
  const std::string role = flags["--role"];
  const std::string dir = flags["--dir"];
  if (role == "follower" && !file.empty()) {
    roofline::LogFile log(file);
    roofline::RunFollower(roofline::Listen(port), log);
    return 0;
  }
  std::array<int, 2> followers{};
  if (role == "leader" && !file.empty()) {
    std::string_view peers = flags["--peers"];
    for (int& follower : followers) {
      const size_t comma = std::min(peers.find(','), peers.size());
      follower = roofline::Connect(Port(peers.substr(0, comma)));
      peers.remove_prefix(std::min(comma + 1, peers.size()));
    }
  } else if (role.empty() && !dir.empty()) {
    followers = {Fork(port + 1, dir + "/follower-1"), Fork(port + 2, dir + "/follower-2")};
    file = dir + "/leader";
  } else {
    Usage();
  }
  roofline::LogFile log(file);
  roofline::Leader(roofline::Listen(port), followers, log).Run();
}
