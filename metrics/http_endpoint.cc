// SPDX-License-Identifier: Apache-2.0
#include "metrics/http_endpoint.h"

#include <civetweb.h>

#include <utility>
#include <vector>

namespace kvorum::metrics {
namespace {

const char* Reason(int code) {
  switch (code) {
    case 200:
      return "OK";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    default:
      return "Service Unavailable";
  }
}

int OnRequest(mg_connection* connection) {
  const mg_request_info* request = mg_get_request_info(connection);
  const auto* endpoint = static_cast<const HttpEndpoint*>(request->user_data);
  const std::string method = request->request_method;
  const HttpReply reply = endpoint->Answer(method, request->local_uri);
  mg_printf(
      connection,
      "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
      reply.code, Reason(reply.code), reply.type.c_str(), reply.body.size());
  if (method != "HEAD") mg_write(connection, reply.body.data(), reply.body.size());
  return reply.code;
}

int Silent(const mg_connection* /*connection*/, const char* /*message*/) { return 1; }

}  // namespace

struct HttpEndpoint::Server {
  mg_context* context = nullptr;
};

HttpEndpoint::HttpEndpoint() = default;
HttpEndpoint::~HttpEndpoint() { Stop(); }

void HttpEndpoint::Handle(const std::string& path, std::function<HttpReply()> handler) {
  handlers_[path] = std::move(handler);
}

HttpReply HttpEndpoint::Answer(const std::string& method, const std::string& path) const {
  if (method != "GET" && method != "HEAD") return {405, "only GET and HEAD\n"};
  const auto it = handlers_.find(path);
  return it == handlers_.end() ? HttpReply{404, "no such page\n"} : it->second();
}

Status HttpEndpoint::Start(const std::string& address, uint16_t port) {
  const std::string where = address + ":" + std::to_string(port);
  const std::vector<const char*> options = {"listening_ports",
                                            where.c_str(),
                                            "num_threads",
                                            "2",
                                            "request_timeout_ms",
                                            "4000",
                                            "max_request_size",
                                            "16384",
                                            "enable_keep_alive",
                                            "no",
                                            nullptr};
  mg_callbacks callbacks{};
  callbacks.begin_request = OnRequest;
  callbacks.log_message = Silent;
  mg_context* context = mg_start(&callbacks, this, const_cast<const char**>(options.data()));
  if (context == nullptr) {
    return {StatusCode::kBusy, "cannot serve metrics on " + where + " (is the port taken?)"};
  }
  server_ = std::make_unique<Server>(Server{context});
  return Status::Ok();
}

void HttpEndpoint::Stop() {
  if (server_ == nullptr) return;
  mg_stop(server_->context);
  server_.reset();
}

}  // namespace kvorum::metrics
