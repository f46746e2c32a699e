#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/status.h"
#include "companion/dns/server.h"
#include "programs/berth-companion/role.h"

namespace berth {

// The role `dns`: names for Services and pods.
class DnsRole final : public Role {
 public:
  void AddFlags(CLI::App& app) override;
  Status Start(const RoleContext& context) override;
  void Stop() override { server_.reset(); }
  Status Ready() override { return server_->Ready(); }
  std::shared_ptr<prometheus::Collectable> metrics() override { return dns::MetricsOf(*server_); }
  // Nodes still direct questions to a pod that was told to end.
  absl::Duration shutdown_delay() const override { return absl::Seconds(shutdown_delay_s_); }

 private:
  StatusOr<dns::Server::Options> ReadFlags(const RoleContext& context) const;

  std::vector<std::string> addresses_ = {"[::]:53"};
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
