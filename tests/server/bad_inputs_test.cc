// SPDX-License-Identifier: Apache-2.0
//
// What hostile or broken bytes get; the numbers are those of the list of bad inputs. Those that
// need a socket or a timer of the reactor are tested with real processes.
#include <gtest/gtest.h>

#include <string>

#include "tests/server/node_fixture.h"

namespace kvorum::server {
namespace {

class BadInputs : public ::testing::Test {
 protected:
  // A fresh connection for each, as most are closed.
  std::string Send(std::string_view bytes) { return node_.Send(node_.Connect(), bytes); }
  static std::string ProtocolError(const std::string& what) {
    return "-ERR Protocol error: " + what + "\r\n(closed)";
  }

  OneNode node_;
};

class BadInputsBeforeAuth : public BadInputs {
 protected:
  BadInputsBeforeAuth() { node_.node().config().requirepass = "secret"; }
};

const std::string kPing = "*1\r\n$4\r\nPING\r\n";

TEST_F(BadInputs, Line01EmptyLine) { EXPECT_EQ(Send("\r\n" + kPing), "+PONG\r\n"); }

TEST_F(BadInputs, Line02EmptyMultibulk) {
  for (const char* header : {"*0\r\n", "*-1\r\n", "*-10\r\n"}) {
    EXPECT_EQ(Send(header + std::string("PING\r\n") + kPing), "+PONG\r\n+PONG\r\n") << header;
  }
}

TEST_F(BadInputs, Line03MultibulkLength) {
  for (const char* count : {"3000000000", "2147483648", "abc", "+1", "99999999999999999999"}) {
    EXPECT_EQ(Send("*" + std::string(count) + "\r\n"), ProtocolError("invalid multibulk length"))
        << count;
  }
}

TEST_F(BadInputs, Line04NoDollar) {
  EXPECT_EQ(Send("*1\r\nfoo\r\n"), ProtocolError("expected '$', got 'f'"));
}

TEST_F(BadInputs, Line05BulkLength) {
  node_.node().config().proto_max_bulk_len = 1 << 20;
  for (const char* size : {"-10", "blabla", "2000000000", "1048577"}) {
    EXPECT_EQ(Send("*2\r\n$3\r\nGET\r\n$" + std::string(size) + "\r\n"),
              ProtocolError("invalid bulk length"))
        << size;
  }
  EXPECT_EQ(Send("*2\r\n$3\r\nGET\r\n$1048576\r\n"), "");
}

TEST_F(BadInputs, Line06LongMultibulkCount) {
  EXPECT_EQ(Send("*" + std::string(65 << 10, '1')), ProtocolError("too big mbulk count string"));
}

TEST_F(BadInputs, Line07LongBulkCount) {
  EXPECT_EQ(Send("*1\r\n$" + std::string(65 << 10, '1')),
            ProtocolError("too big bulk count string"));
}

TEST_F(BadInputs, Line08LongInline) {
  EXPECT_EQ(Send(std::string(65 << 10, 'a')), ProtocolError("too big inline request"));
}

TEST_F(BadInputs, Line09UnbalancedQuotes) {
  EXPECT_EQ(Send("set \"\"\"k\"\"\" v\r\n"), ProtocolError("unbalanced quotes in request"));
}

TEST_F(BadInputs, Line10EndlessBytesBehindNul) {
  for (const std::string& start :
       {std::string("\0", 1), std::string("*\0", 2), std::string("*1\r\n$\0", 6)}) {
    const std::string reply = Send(start + std::string(65 << 10, 'A'));
    EXPECT_TRUE(reply.starts_with("-ERR Protocol error: ")) << reply;
    EXPECT_TRUE(reply.ends_with("(closed)")) << reply;
  }
}

TEST_F(BadInputsBeforeAuth, Line11ManyArguments) {
  EXPECT_EQ(Send("*100\r\n"), ProtocolError("unauthenticated multibulk length"));
}

TEST_F(BadInputsBeforeAuth, Line12LongBulk) {
  EXPECT_EQ(Send("*2\r\n$4\r\nAUTH\r\n$100000000\r\n"),
            ProtocolError("unauthenticated bulk length"));
}

// The client that reads nothing: its replies stop where the soft limit is, and the rest of its
// pipeline waits. (The reactor closes it when it stays so.)
TEST_F(BadInputs, Line15ClientThatDoesNotRead) {
  node_.node().config().output_soft_limit = 4 << 20;
  TestClient& client = node_.Connect();
  EXPECT_EQ(node_.Send(client, Multibulk({"SET", "k", std::string(1 << 20, 'v')})), "+OK\r\n");
  client.reads = false;
  std::string gets;
  for (int i = 0; i < 500; ++i) gets += Multibulk({"GET", "k"});
  node_.Send(client, gets);
  EXPECT_LT(client.session->output.size(), size_t{6} << 20);
  // It was only slow: everything arrives.
  client.reads = true;
  std::string received = std::exchange(client.session->output, {});
  node_.node().node().Touch(client.session);
  received += node_.Send(client, "");
  EXPECT_EQ(received.size(), 500 * ((1 << 20) + std::string("$1048576\r\n\r\n").size()));
}

// Behind a write the reads are executed in one go, when it is applied: the hard limit ends that.
TEST_F(BadInputs, Line15ReadsThatRideBehindAWriteAreBoundedToo) {
  node_.node().config().output_hard_limit = 4 << 20;
  TestClient& client = node_.Connect();
  client.reads = false;
  std::string pipeline = Multibulk({"SET", "k", std::string(1 << 20, 'v')});
  for (int i = 0; i < 500; ++i) pipeline += Multibulk({"GET", "k"});
  node_.node().Push(client, pipeline);
  node_.group().Settle();
  EXPECT_TRUE(client.closed);
  EXPECT_EQ(Send(kPing), "+PONG\r\n");
}

TEST_F(BadInputs, Line16AMillionArguments) {
  std::string bytes = "*1048576\r\n";
  for (int i = 0; i < 1 << 20; ++i) bytes += "$1\r\na\r\n";
  const std::string reply = Send(bytes);
  EXPECT_TRUE(reply.starts_with("-ERR ")) << reply.substr(0, 100);
}

TEST_F(BadInputs, Line17AnnouncedAndSilent) {
  node_.node().config().proto_max_bulk_len = 512 << 20;
  TestClient& client = node_.Connect();
  EXPECT_EQ(node_.Send(client, "*2\r\n$3\r\nGET\r\n$536870912\r\nabc"), "");
  EXPECT_LE(client.session->parser.WantedBytes(), size_t{64} << 10);
  EXPECT_LE(client.session->input.capacity(), size_t{64} << 10);
}

TEST_F(BadInputs, Line19PayloadWithoutCrlf) {
  EXPECT_EQ(Send("*1\r\n$4\r\nPINGxx"), ProtocolError("expected CRLF after bulk"));
}

TEST_F(BadInputs, Line20BytesAreKept) {
  const std::string bytes("\r\n\0\xff", 4);
  EXPECT_EQ(Send(Multibulk({"SET", bytes, bytes}) + Multibulk({"GET", bytes})),
            "+OK\r\n$4\r\n" + bytes + "\r\n");
  EXPECT_EQ(Send(Multibulk({"ECHO", bytes})), "$4\r\n" + bytes + "\r\n");
}

TEST_F(BadInputs, Line21UnknownCommand) {
  EXPECT_EQ(Send("FOO a b\r\n"),
            "-ERR unknown command 'FOO', with args beginning with: 'a' 'b' \r\n");
  const std::string longer(200, 'x');
  EXPECT_EQ(Send(Multibulk({longer, longer, "b"})),
            "-ERR unknown command '" + longer.substr(0, 128) + "', with args beginning with: '" +
                longer.substr(0, 128) + "' \r\n");
}

TEST_F(BadInputs, Line22LineEndInName) {
  const std::string reply = Send(Multibulk({"a\r\n+OK\r\n"}));
  EXPECT_EQ(reply, "-ERR unknown command 'a  +OK  ', with args beginning with: \r\n");
}

TEST_F(BadInputs, Line23WrongArity) {
  EXPECT_EQ(Send("GET\r\n"), "-ERR wrong number of arguments for 'get' command\r\n");
  EXPECT_EQ(Send("CONFIG GET\r\n"), "-ERR wrong number of arguments for 'config|get' command\r\n");
}

TEST_F(BadInputs, Line24UnknownSubcommand) {
  EXPECT_EQ(Send("CONFIG FOO\r\n"), "-ERR unknown subcommand 'FOO'. Try CONFIG HELP.\r\n");
  EXPECT_EQ(Send("CLIENT TRACKING ON\r\n"),
            "-ERR unknown subcommand 'TRACKING'. Try CLIENT HELP.\r\n");
}

TEST_F(BadInputs, Line39DatabaseRange) {
  for (const char* number : {"99", "-1", "16"}) {
    EXPECT_EQ(Send(Multibulk({"SELECT", number})), "-ERR DB index is out of range\r\n");
  }
  EXPECT_EQ(Send("SELECT abc\r\n"), "-ERR value is not an integer or out of range\r\n");
}

TEST_F(BadInputsBeforeAuth, Line40CommandBeforeAuth) {
  const std::string noauth = "-NOAUTH Authentication required.\r\n";
  EXPECT_EQ(Send("PING\r\nGET k\r\nSET k v\r\nCONFIG GET *\r\n"),
            noauth + noauth + noauth + noauth);
  EXPECT_EQ(Send("QUIT\r\n"), "+OK\r\n(closed)");
  EXPECT_EQ(Send("HELLO 3\r\n"),
            "-NOAUTH HELLO must be called with the client already authenticated, otherwise the "
            "HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and "
            "select the RESP protocol version at the same time\r\n");
}

TEST_F(BadInputsBeforeAuth, Line41WrongPassword) {
  const std::string wrong = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
  for (const std::string password : {"", "secre", "secrets", "secretsecret", "Secret"}) {
    EXPECT_EQ(Send(Multibulk({"AUTH", password}) + "PING\r\n"),
              wrong + "-NOAUTH Authentication required.\r\n")
        << password;
  }
  EXPECT_EQ(Send(Multibulk({"AUTH", "nobody", "secret"})), wrong);
  EXPECT_EQ(Send(Multibulk({"HELLO", "3", "AUTH", "default", "wrong"})), wrong);
  EXPECT_EQ(Send(Multibulk({"AUTH", std::string(16 << 10, 's')})), wrong);
  EXPECT_EQ(Send(Multibulk({"AUTH", "secret"}) + Multibulk({"AUTH", std::string(1 << 20, 's')}) +
                 "PING\r\n"),
            "+OK\r\n" + wrong + "+PONG\r\n");
  EXPECT_EQ(Send(Multibulk({"AUTH", "default", "secret"}) + "PING\r\n"), "+OK\r\n+PONG\r\n");
}

// The limits for strangers end with the authentication, within the same read.
TEST_F(BadInputsBeforeAuth, Line41LimitsEndWithAuthentication) {
  const std::string big(100 << 10, 'v');
  EXPECT_EQ(Send(Multibulk({"AUTH", "secret"}) + Multibulk({"SET", "k", big})), "+OK\r\n+OK\r\n");
}

TEST_F(BadInputs, Line42AuthWithoutPassword) {
  EXPECT_EQ(Send("AUTH x\r\n"),
            "-ERR AUTH <password> called without any password configured for the default user. "
            "Are you sure your configuration is correct?\r\n");
  EXPECT_EQ(Send("AUTH default x\r\n"), "+OK\r\n");
}

TEST_F(BadInputs, Line44Hello) {
  EXPECT_EQ(Send("HELLO 99\r\n"), "-NOPROTO unsupported protocol version\r\n");
  EXPECT_EQ(Send("HELLO 4\r\nPING\r\n"), "-NOPROTO unsupported protocol version\r\n+PONG\r\n");
  EXPECT_EQ(Send("HELLO abc\r\n"), "-ERR Protocol version is not an integer or out of range\r\n");
  EXPECT_EQ(Send("HELLO 3 FOO\r\n"), "-ERR Syntax error in HELLO option 'FOO'\r\n");
}

TEST_F(BadInputs, Line48Http) {
  for (const char* request : {"POST / HTTP/1.1\r\n", "Host: x\r\n"}) {
    EXPECT_EQ(Send(request), "(closed)") << request;
    ASSERT_FALSE(node_.node().logged().empty());
    EXPECT_TRUE(node_.node().logged().back().starts_with("Possible SECURITY ATTACK"));
  }
}

TEST_F(BadInputs, Line49ClientName) {
  const std::string error =
      "-ERR Client names cannot contain spaces, newlines or special characters.\r\n";
  for (const char* name : {"a b", "a\nb", "\x7f", "\xc3\xa4"}) {
    EXPECT_EQ(Send(Multibulk({"CLIENT", "SETNAME", name})), error);
    EXPECT_EQ(Send(Multibulk({"HELLO", "3", "SETNAME", name})), error);
    EXPECT_EQ(Send(Multibulk({"CLIENT", "SETINFO", "lib-name", name})),
              "-ERR lib-name cannot contain spaces, newlines or special characters.\r\n");
  }
}

TEST_F(BadInputs, Line52MaxmemoryIsDecidedBeforeProposing) {
  EXPECT_EQ(Send("SET other v\r\n"), "+OK\r\n");
  node_.node().config().maxmemory = 1;
  const Index before = node_.node().node().member().core().log().last_index();
  EXPECT_EQ(Send("SET k v\r\nGET k\r\nDEL k\r\n"),
            "-OOM command not allowed when used memory > 'maxmemory'.\r\n$-1\r\n:0\r\n");
  EXPECT_EQ(node_.node().node().member().core().log().last_index(), before + 1);
}

TEST_F(BadInputs, Line53FullDisk) {
  node_.node().node().SetDiskFull(true);
  EXPECT_EQ(Send("SET k v\r\nGET k\r\n"),
            "-MISCONF Errors writing to the AOF file: No space left on device\r\n$-1\r\n");
}

}  // namespace
}  // namespace kvorum::server
