// SPDX-License-Identifier: Apache-2.0
#include "metrics/http_endpoint.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>

namespace kvorum::metrics {
namespace {

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

// A TCP socket of 127.0.0.1 that is closed at the end.
class Socket {
 public:
  Socket() : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    const timeval patience{.tv_sec = 10, .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  }
  ~Socket() { close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  // Binds to a free port and tells which.
  uint16_t Bind() {
    sockaddr_in address = Loopback(0);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    socklen_t length = sizeof(address);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length), 0);
    return ntohs(address.sin_port);
  }
  void Listen() { EXPECT_EQ(listen(fd_, 1), 0); }
  bool Connect(uint16_t port) {
    const sockaddr_in address = Loopback(port);
    return connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  }
  std::string Talk(const std::string& request) {
    EXPECT_EQ(send(fd_, request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
    std::string reply;
    char buffer[4096];
    for (ssize_t n; (n = recv(fd_, buffer, sizeof(buffer), 0)) > 0;) {
      reply.append(buffer, static_cast<size_t>(n));
    }
    return reply;
  }

 private:
  int fd_;
};

uint16_t FreePort() { return Socket().Bind(); }

// One server for all tests: CivetWeb takes two seconds to stop once it has served somebody.
class HttpEndpointTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    endpoint_ = std::make_unique<HttpEndpoint>();
    endpoint_->Handle("/livez", [] {
      ++calls_;
      return HttpReply{200, "ok\n"};
    });
    endpoint_->Handle("/readyz", [] { return HttpReply{503, "no leader is known\n"}; });
    endpoint_->Handle("/version", [] { return HttpReply{200, "{}\n", "application/json"}; });
    port_ = FreePort();
    const Status status = endpoint_->Start("127.0.0.1", port_);
    EXPECT_TRUE(status.ok()) << status.message();
  }
  static void TearDownTestSuite() { endpoint_.reset(); }
  HttpEndpointTest() { calls_ = 0; }

  // The reply to "METHOD path": head and body.
  std::pair<std::string, std::string> Ask(const std::string& what) {
    Socket socket;
    if (!socket.Connect(port_)) return {"cannot connect", ""};
    const std::string reply = socket.Talk(what + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const size_t end = reply.find("\r\n\r\n");
    if (end == std::string::npos) return {reply, ""};
    return {reply.substr(0, end + 2), reply.substr(end + 4)};
  }

  static inline std::atomic<int> calls_{0};
  static inline std::unique_ptr<HttpEndpoint> endpoint_;
  static inline uint16_t port_ = 0;
};

TEST_F(HttpEndpointTest, APageIsServed) {
  const auto [head, body] = Ask("GET /livez");
  EXPECT_TRUE(head.starts_with("HTTP/1.1 200 OK\r\n")) << head;
  EXPECT_NE(head.find("Content-Type: text/plain; charset=utf-8\r\n"), std::string::npos) << head;
  EXPECT_NE(head.find("Content-Length: 3\r\n"), std::string::npos) << head;
  EXPECT_EQ(body, "ok\n");
  EXPECT_EQ(calls_, 1);
}

TEST_F(HttpEndpointTest, TheHandlerSaysCodeAndType) {
  EXPECT_TRUE(Ask("GET /readyz").first.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
  EXPECT_NE(Ask("GET /version").first.find("Content-Type: application/json\r\n"),
            std::string::npos);
}

TEST_F(HttpEndpointTest, AQueryDoesNotChangeThePage) {
  EXPECT_TRUE(Ask("GET /livez?verbose=1").first.starts_with("HTTP/1.1 200 "));
}

TEST_F(HttpEndpointTest, HeadHasNoBody) {
  const auto [head, body] = Ask("HEAD /livez");
  EXPECT_TRUE(head.starts_with("HTTP/1.1 200 OK\r\n")) << head;
  EXPECT_NE(head.find("Content-Length: 3\r\n"), std::string::npos) << head;
  EXPECT_EQ(body, "");
}

TEST_F(HttpEndpointTest, OtherPathsAre404) {
  for (const char* path : {"/", "/livez/", "/LIVEZ", "/../etc/passwd", "/metrics"}) {
    EXPECT_TRUE(Ask(std::string("GET ") + path).first.starts_with("HTTP/1.1 404 ")) << path;
  }
}

TEST_F(HttpEndpointTest, OtherMethodsAre405) {
  for (const char* method : {"POST", "PUT", "DELETE"}) {
    EXPECT_TRUE(Ask(std::string(method) + " /livez").first.starts_with("HTTP/1.1 405 ")) << method;
  }
  EXPECT_EQ(calls_, 0);
}

TEST_F(HttpEndpointTest, JunkAndGiantsAreRefusedAndTheServerLives) {
  Socket junk;
  ASSERT_TRUE(junk.Connect(port_));
  EXPECT_FALSE(junk.Talk("*1\r\n$4\r\nPING\r\n\r\n").starts_with("HTTP/1.1 200 "));
  const auto [head, body] = Ask("GET /" + std::string(64 * 1024, 'x'));
  EXPECT_FALSE(head.starts_with("HTTP/1.1 200 "));
  EXPECT_TRUE(Ask("GET /livez").first.starts_with("HTTP/1.1 200 "));
}

TEST_F(HttpEndpointTest, ATakenPortIsAnErrorThatNamesIt) {
  Socket holder;
  const uint16_t port = holder.Bind();
  holder.Listen();
  HttpEndpoint second;
  const Status status = second.Start("127.0.0.1", port);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.code(), StatusCode::kBusy);
  EXPECT_NE(status.message().find("127.0.0.1:" + std::to_string(port)), std::string::npos);
}

TEST_F(HttpEndpointTest, StopFreesThePort) {
  const uint16_t port = FreePort();
  HttpEndpoint first;
  ASSERT_TRUE(first.Start("127.0.0.1", port).ok());
  first.Stop();
  first.Stop();
  EXPECT_FALSE(Socket().Connect(port));
  HttpEndpoint second;
  EXPECT_TRUE(second.Start("127.0.0.1", port).ok());
}

}  // namespace
}  // namespace kvorum::metrics
