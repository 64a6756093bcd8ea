// SPDX-License-Identifier: Apache-2.0
//
// A small HTTP server for scrapes and probes, on CivetWeb's own threads. Only GET and HEAD of the
// paths that were added; everything else is a 4xx. Slow or oversized requests are cut off by
// CivetWeb's limits.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/status.h"

namespace kvorum::metrics {

struct HttpReply {
  int code = 200;
  std::string body;
  std::string type = "text/plain; charset=utf-8";
};

class HttpEndpoint {
 public:
  HttpEndpoint();
  ~HttpEndpoint();
  HttpEndpoint(const HttpEndpoint&) = delete;
  HttpEndpoint& operator=(const HttpEndpoint&) = delete;

  // Before Start. The handler is called on CivetWeb's threads.
  void Handle(const std::string& path, std::function<HttpReply()> handler);
  Status Start(const std::string& address, uint16_t port);
  void Stop();

  // For the C callback.
  [[nodiscard]] HttpReply Answer(const std::string& method, const std::string& path) const;

 private:
  struct Server;
  std::map<std::string, std::function<HttpReply()>> handlers_;
  std::unique_ptr<Server> server_;
};

}  // namespace kvorum::metrics
