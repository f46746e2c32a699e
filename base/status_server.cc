#include "base/status_server.h"

#include <civetweb.h>
#include <prometheus/text_serializer.h>
#include <spdlog/fmt/fmt.h>

#include <array>
#include <string_view>
#include <utility>

namespace berth {
namespace {

constexpr char kMetricsType[] = "text/plain; version=0.0.4; charset=utf-8";
constexpr char kTextType[] = "text/plain; charset=utf-8";

int Send(mg_connection* connection, int code, const char* content_type, std::string_view body) {
  const char* reason = code == 200 ? "OK" : "Service Unavailable";
  mg_printf(
      connection,
      "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
      code, reason, content_type, body.size());
  mg_write(connection, body.data(), body.size());
  return code;
}

}  // namespace

StatusOr<std::unique_ptr<StatusServer>> StatusServer::Start(const std::string& address,
                                                            Metrics metrics, Readiness readiness) {
  std::unique_ptr<StatusServer> server(new StatusServer(std::move(metrics), std::move(readiness)));
  const std::array<const char*, 9> options = {"listening_ports",
                                              address.c_str(),
                                              "num_threads",
                                              "2",
                                              "request_timeout_ms",
                                              "5000",
                                              "enable_keep_alive",
                                              "no",
                                              nullptr};
  const mg_callbacks callbacks = {};
  server->context_ = mg_start(&callbacks, nullptr, const_cast<const char**>(options.data()));
  if (server->context_ == nullptr) {
    return absl::FailedPreconditionError(
        fmt::format("cannot serve metrics on \"{}\": is it a free host:port?", address));
  }
  mg_set_request_handler(server->context_, "/metrics$", &StatusServer::OnMetrics, server.get());
  mg_set_request_handler(server->context_, "/livez$", &StatusServer::OnLive, server.get());
  mg_set_request_handler(server->context_, "/readyz$", &StatusServer::OnReady, server.get());
  return server;
}

StatusServer::~StatusServer() {
  if (context_ != nullptr) mg_stop(context_);
}

int StatusServer::port() const {
  mg_server_port port = {};
  return mg_get_server_ports(context_, 1, &port) == 1 ? port.port : 0;
}

int StatusServer::OnMetrics(mg_connection* connection, void* server) {
  std::string text;
  for (const auto& metrics : static_cast<StatusServer*>(server)->metrics_) {
    text += prometheus::TextSerializer().Serialize(metrics->Collect());
  }
  return Send(connection, 200, kMetricsType, text);
}

int StatusServer::OnLive(mg_connection* connection, void*) {
  return Send(connection, 200, kTextType, "ok\n");
}

int StatusServer::OnReady(mg_connection* connection, void* server) {
  const Status status = static_cast<StatusServer*>(server)->readiness_();
  if (status.ok()) return Send(connection, 200, kTextType, "ok\n");
  return Send(connection, 503, kTextType, std::string(status.message()) + "\n");
}

}  // namespace berth
