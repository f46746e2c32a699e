#include "companion/dns/server.h"

#include <random>
#include <utility>

#include "absl/time/clock.h"
#include "companion/dns/service_records.h"

namespace berth::dns {
namespace {

uint64_t Random() {
  std::random_device device;
  return static_cast<uint64_t>(device()) << 32 | device();
}

}  // namespace

StatusOr<std::unique_ptr<Server>> Server::Start(kube::ApiClient& api, const Clock& clock,
                                                Options options) {
  std::unique_ptr<Server> server(new Server(api, clock, options));
  server->zone_.Apply({},
                      ApexRecords(options.authority.cluster_zone, options.authority.name_server));
  if (!options.upstreams.empty()) {
    Forwarder::Options forwarding;
    forwarding.upstreams = options.upstreams;
    forwarding.on_loop = options.on_loop;
    BERTH_ASSIGN_OR_RETURN(server->forwarder_,
                           Forwarder::Start(std::move(forwarding), server->probe_));
  }
  BERTH_RETURN_IF_ERROR(server->Listen(options));
  server->source_.Start();
  return server;
}

Server::Server(kube::ApiClient& api, const Clock& clock, const Options& options)
    : clock_(clock),
      zone_(static_cast<uint32_t>(absl::ToUnixSeconds(clock.Now()))),
      catalog_(zone_, options.authority.cluster_zone),
      source_(api, catalog_, clock, {options.on_api_error, options.on_sync}),
      limiter_(options.answers_per_s, clock),
      probe_(Random()),
      responder_(zone_, source_.synced(), limiter_, probe_,
                 {options.authority, options.client_networks, !options.upstreams.empty()}) {}

Status Server::Listen(const Options& options) {
  for (const SocketAddress& address : options.addresses) {
    BERTH_ASSIGN_OR_RETURN(udp_.emplace_back(), UdpServer::Start({address, options.workers},
                                                                 responder_, forwarder_.get()));
    // The same port, also when any was asked for.
    BERTH_ASSIGN_OR_RETURN(tcp_.emplace_back(),
                           TcpServer::Start({udp_.back()->address(), options.max_tcp_connections},
                                            responder_, forwarder_.get()));
  }
  return absl::OkStatus();
}

Server::~Server() {
  // Queries end first, then what waits for upstream, then the sockets.
  for (const auto& server : udp_) server->Stop();
  for (const auto& server : tcp_) server->Stop();
  forwarder_.reset();
  source_.Stop();
}

Status Server::Ready() {
  if (source_.synced()) return absl::OkStatus();
  return absl::UnavailableError("Services and EndpointSlices are not known yet");
}

std::vector<SocketAddress> Server::addresses() const {
  std::vector<SocketAddress> all;
  for (const auto& server : udp_) all.push_back(server->address());
  return all;
}

Server::Figures Server::figures() {
  Figures figures;
  for (const auto& server : udp_) {
    for (const Counters* counters : server->counters()) {
      figures.workers.emplace_back("udp", counters);
    }
  }
  for (const auto& server : tcp_) {
    figures.workers.emplace_back("tcp", &server->counters());
    figures.tcp_connections += server->connections();
  }
  figures.names = zone_.names();
  figures.serial = zone_.serial();
  figures.catalog = catalog_.size();
  figures.synced = source_.synced();
  const absl::Time failing_since = source_.failing_since();
  figures.api_failing_for =
      failing_since == absl::InfiniteFuture() ? absl::ZeroDuration() : clock_.Now() - failing_since;
  figures.api_errors = source_.errors();
  figures.forwards = forwarder_ != nullptr;
  figures.looped = probe_.looped();
  if (forwarder_ != nullptr) {
    figures.forwarded = forwarder_->forwarded();
    figures.forward_failures = forwarder_->failed();
    figures.forwards_refused = forwarder_->refused_as_full();
    figures.forwards_in_flight = forwarder_->in_flight();
  }
  return figures;
}

}  // namespace berth::dns
