#pragma once

#include <prometheus/collectable.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"

struct mg_connection;
struct mg_context;

namespace berth {

// What a program says of itself over HTTP: /metrics in Prometheus' text format, /livez (200 while
// the process answers at all) and /readyz (200, or 503 with the reason). Two threads, so that a
// client that hangs does not hide it from the others. Thread-safe.
class StatusServer {
 public:
  // OK: ready. Else the message says what is missing.
  using Readiness = std::function<Status()>;
  // Their figures one after the other.
  using Metrics = std::vector<std::shared_ptr<prometheus::Collectable>>;

  // `address` is host:port, [host]:port or port. `metrics` is asked at each scrape.
  // FAILED_PRECONDITION when it cannot be listened on.
  static StatusOr<std::unique_ptr<StatusServer>> Start(const std::string& address, Metrics metrics,
                                                       Readiness readiness);
  ~StatusServer();
  StatusServer(const StatusServer&) = delete;
  StatusServer& operator=(const StatusServer&) = delete;

  // As bound: useful when port 0 was asked for.
  int port() const;

 private:
  StatusServer(Metrics metrics, Readiness readiness)
      : metrics_(std::move(metrics)), readiness_(std::move(readiness)) {}
  static int OnMetrics(mg_connection* connection, void* server);
  static int OnLive(mg_connection* connection, void* server);
  static int OnReady(mg_connection* connection, void* server);

  const Metrics metrics_;
  const Readiness readiness_;
  mg_context* context_ = nullptr;
};

}  // namespace berth
