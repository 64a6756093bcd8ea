// SPDX-License-Identifier: Apache-2.0
//
// One client: what it sent and has not been executed, what it is owed, and its settings. No socket:
// the reactor reads into `input` and writes `output`, the simulator does the same by hand, and a
// command that another node carries here runs in a session without a socket.
//
// Replies leave in the order of the requests. A session therefore has at any time either writes in
// the log, or reads that wait for a read point, or commands carried to the leader, never a mixture;
// what does not fit waits in `backlog` or unparsed (server/node_dispatch.cc).
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "resp/parser.h"
#include "resp/reply.h"
#include "server/peer_message.h"
#include "store/command.h"

namespace kvorum::server {

enum class PortKind : uint8_t {
  kCluster,  // answers MOVED
  kProxy,    // carries to the leader
  kRemote,   // the client is at another node's proxy port
};

// A request with the settings it was sent under. `argv` is borrowed.
struct Request {
  store::Argv argv;
  uint8_t database = 0;
  resp::Protocol protocol = resp::Protocol::kResp2;
  bool mute = false;      // CLIENT REPLY OFF or SKIP
  uint64_t sequence = 0;  // ascends in a session; of a carried command: its origin's
};

// A request that outlives the bytes it came in; or, without argv, reply bytes that wait their turn.
struct OwnedRequest {
  std::vector<std::string> argv;
  std::string reply;
  uint8_t database = 0;
  resp::Protocol protocol = resp::Protocol::kResp2;
  bool mute = false;
  uint64_t sequence = 0;
};

// The reply to what was not executed because nobody leads.
inline constexpr std::string_view kClusterDown = "CLUSTERDOWN The cluster is down";
inline constexpr std::string_view kRemoved = "CLUSTERDOWN This node was removed from the cluster";

enum class ReplyMode : uint8_t { kOn, kOff, kSkip };

// Why a session does not go on although it has something to execute.
enum class Stall : uint8_t {
  kNone,
  kOrder,   // earlier replies are owed first
  kParked,  // no leader
  kRoom,    // the log takes no more for now
  kWait,    // WAIT
  kPeer,    // kRemote: the link back is full of replies
};

struct Session {
  // ---- set by the reactor ---------------------------------------------------------------------
  uint64_t id = 0;  // unique in the life of the process; CLIENT ID
  PortKind kind = PortKind::kCluster;
  std::string peer_address;  // "127.0.0.1:50000"
  std::string local_address;
  bool from_loopback = true;
  int socket = -1;  // for CLIENT LIST
  Micros opened_at = 0;
  void* owner = nullptr;  // the reactor's connection

  // ---- bytes ----------------------------------------------------------------------------------
  std::string input;
  size_t parsed = 0;  // of input
  std::string output;
  resp::Parser parser;

  // ---- settings -------------------------------------------------------------------------------
  resp::Protocol protocol = resp::Protocol::kResp2;
  uint8_t database = 0;
  bool authenticated = false;
  bool readonly = false;
  ReplyMode reply_mode = ReplyMode::kOn;
  std::string name;
  std::string library_name;
  std::string library_version;
  bool no_evict = false;
  bool no_touch = false;

  // ---- what is owed ---------------------------------------------------------------------------
  uint32_t writes = 0;            // in batches
  uint32_t reads = 0;             // waiting for a read point
  uint32_t forwards = 0;          // carried to the leader
  std::vector<uint64_t> carried;  // by which sequences of the carrier, in order
  bool forwards_write = false;
  Term forwards_term;
  uint64_t batch = 0;                // the newest batch it has a write in
  uint32_t open_writes = 0;          // of `writes`, how many are in that batch
  Term writes_term;                  // of the batches it has writes in
  Index last_write;                  // newest log index of a write of this session; WAIT
  size_t largest_reply = 0;          // to a carried command, lately; 0: none yet
  Position position;                 // of the newest reply from the keyspace
  std::deque<OwnedRequest> backlog;  // to be decided anew, before anything unparsed; by sequence
  uint64_t last_sequence = 0;        // given to a request

  // ---- state ----------------------------------------------------------------------------------
  Stall stall = Stall::kNone;
  Micros parked_at = 0;        // since when; 0 = is not
  bool dirty = false;          // in Node's list to be processed
  bool has_output = false;     // in Node's list to be flushed
  bool in_stalled = false;     // in Node's list of stalled ones
  bool closing = false;        // executes nothing more; closed when everything owed is written
  bool parse_failed = false;   // a protocol error waits for its turn in the backlog
  bool kill_now = false;       // close without waiting for anything
  bool redirect_owed = false;  // this node led, and stops: not told yet who leads now
  bool closed = false;         // the client is gone; freed when nothing refers to it
  NodeId remote_node;          // kRemote
  uint64_t remote_client = 0;
  uint64_t remote_start = 0;
  Term remote_term;       // of the leader that its backlog was carried to
  bool unlinked = false;  // kRemote: its node has lost the link; closed when its backlog is done

  // ---- for CLIENT LIST ------------------------------------------------------------------------
  Micros last_active = 0;
  uint64_t commands = 0;
  const store::CommandRow* last_command = nullptr;
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;

  [[nodiscard]] bool Owed() const { return writes + reads + forwards > 0; }
  [[nodiscard]] std::string_view Unparsed() const { return std::string_view(input).substr(parsed); }
  [[nodiscard]] bool HasWork() const {
    return !closed && !closing && (!backlog.empty() || (!parse_failed && parsed < input.size()));
  }
  // Whether the socket should be read.
  [[nodiscard]] bool WantsInput(size_t stalled_limit) const {
    return !closing && !closed && !parse_failed &&
           (stall == Stall::kNone || input.size() - parsed < stalled_limit);
  }
};

}  // namespace kvorum::server
