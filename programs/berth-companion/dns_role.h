#pragma once

#include <CLI/App.hpp>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/status.h"
#include "companion/dns/server.h"
#include "kube/client.h"

namespace berth {

// The role `dns`: names for Services and pods.
class DnsRole {
 public:
  // Adds the role's flags.
  void AddFlags(CLI::App& app);
  // Reads what the flags say and serves; `api` and `clock` outlive the role. INVALID_ARGUMENT names
  // a flag that cannot be read; else the errors of dns::Server::Start.
  Status Start(kube::ApiClient& api, const Clock& clock);

  void Stop() { server_.reset(); }

  // Between Start and Stop.
  Status Ready() { return server_->Ready(); }
  // How long to go on answering after SIGTERM, when nobody new should come.
  absl::Duration shutdown_delay() const { return absl::Seconds(shutdown_delay_s_); }
  std::shared_ptr<prometheus::Collectable> metrics() { return dns::MetricsOf(*server_); }

 private:
  StatusOr<dns::Server::Options> ReadFlags() const;

  std::vector<std::string> addresses_ = {"[::]:53"};
  std::string cluster_domain_ = "cluster.local";
  std::string service_ = "kube-system/kube-dns";
  std::vector<std::string> reverse_networks_;
  std::vector<std::string> client_networks_;
  std::vector<std::string> upstreams_;
  size_t workers_ = 1;
  uint32_t rate_limit_ = 200;
  size_t max_tcp_connections_ = 256;
  int shutdown_delay_s_ = 5;

  std::unique_ptr<dns::Server> server_;
};

}  // namespace berth
