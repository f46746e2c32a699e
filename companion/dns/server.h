#pragma once

#include <prometheus/collectable.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "companion/dns/catalog.h"
#include "companion/dns/forwarder.h"
#include "companion/dns/loop_probe.h"
#include "companion/dns/rate_limit.h"
#include "companion/dns/responder.h"
#include "companion/dns/source.h"
#include "companion/dns/tcp_server.h"
#include "companion/dns/udp_server.h"
#include "companion/dns/zone.h"
#include "kube/client.h"

namespace berth::dns {

// The whole DNS server: API objects ─▶ catalog ─▶ zone ─▶ responder ─▶ UDP and TCP, and upstream
// for other names. It serves from its start, with SERVFAIL until the API's objects are known.
class Server {
 public:
  struct Options {
    std::vector<SocketAddress> addresses;
    size_t workers = 1;  // threads a UDP address
    Authority authority;
    std::vector<IpNetwork> client_networks = PrivateNetworks();
    std::vector<SocketAddress> upstreams;  // empty: other names are refused
    uint32_t answers_per_s = 200;          // see RateLimiter
    size_t max_tcp_connections = 256;
    std::function<void(const Status&)> on_api_error = {};
    std::function<void()> on_sync = {};
    std::function<void()> on_loop = {};
  };
  // `api` and `clock` outlive the server. The errors of bind and of libunbound.
  static StatusOr<std::unique_ptr<Server>> Start(kube::ApiClient& api, const Clock& clock,
                                                 Options options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // OK once every Service and EndpointSlice has been seen; also later, when the API server is away.
  Status Ready();
  // As bound.
  std::vector<SocketAddress> addresses() const;

  // A snapshot for metrics; see metrics.cc for what they mean.
  struct Figures {
    std::vector<std::pair<const char*, const Counters*>> workers;  // "udp" or "tcp"
    size_t tcp_connections = 0;
    size_t names = 0;
    uint32_t serial = 0;
    Catalog::Size catalog;
    bool synced = false;
    absl::Duration api_failing_for;  // zero: it is not
    uint64_t api_errors = 0;
    bool forwards = false;
    bool looped = false;
    uint64_t forwarded = 0;
    uint64_t forward_failures = 0;
    uint64_t forwards_refused = 0;
    size_t forwards_in_flight = 0;
  };
  Figures figures();

 private:
  Server(kube::ApiClient& api, const Clock& clock, const Options& options);
  Status Listen(const Options& options);

  const Clock& clock_;
  Zone zone_;
  Catalog catalog_;
  Source source_;
  RateLimiter limiter_;
  LoopProbe probe_;
  Responder responder_;
  std::vector<std::unique_ptr<UdpServer>> udp_;
  std::vector<std::unique_ptr<TcpServer>> tcp_;
  // Ends before the servers, whose sockets it answers through.
  std::unique_ptr<Forwarder> forwarder_;
};

// The server's figures as Prometheus reads them. The server outlives it.
std::shared_ptr<prometheus::Collectable> MetricsOf(Server& server);

}  // namespace berth::dns
