#include "programs/berth-companion/dns_role.h"

#include <spdlog/fmt/fmt.h>

#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/str_join.h"
#include "base/log.h"
#include "companion/dns/name.h"
#include "kube/resource.h"

namespace berth {
namespace {

constexpr char kResolvConf[] = "/etc/resolv.conf";
constexpr char kNoUpstream[] = "none";

std::string ReadResolvConf() {
  std::ifstream file(kResolvConf);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

template <typename T, typename Parse>
StatusOr<std::vector<T>> ParseAll(const std::vector<std::string>& texts, std::string_view flag,
                                  Parse parse) {
  std::vector<T> all;
  for (const std::string& text : texts) {
    StatusOr<T> one = parse(text);
    if (!one.ok()) return Annotate(one.status(), flag);
    all.push_back(*std::move(one));
  }
  return all;
}

// <name>.<namespace>.svc.<zone>
StatusOr<dns::Name> NameServer(const std::string& service, const std::string& cluster_domain) {
  const kube::ObjectKey key = kube::ObjectKey::Parse(service);
  if (key.ns.empty() || key.name.empty()) {
    return absl::InvalidArgumentError(
        fmt::format("--dns-service: \"{}\" is no namespace/name", service));
  }
  return dns::NameFromText(fmt::format("{}.{}.svc.{}", key.name, key.ns, cluster_domain));
}

}  // namespace

void DnsRole::AddFlags(CLI::App& app) {
  app.add_option("--dns-address", addresses_,
                 "ip:port to answer DNS on, by UDP and TCP; may be given several times")
      ->capture_default_str();
  app.add_option("--dns-threads", workers_, "threads that answer UDP on each address")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  app.add_option("--reverse-network", reverse_networks_,
                 "addresses of Services or pods, such as 10.96.0.0/12: an unknown one has no name; "
                 "others are asked for upstream; may be given several times");
  app.add_option("--upstream", upstreams_,
                 "ip or ip:port of a resolver for all other names, or none; absent: those of "
                 "/etc/resolv.conf; may be given several times");
  app.add_option("--client-network", client_networks_,
                 "whose questions go upstream; absent: loopback, link-local, private and shared "
                 "addresses; may be given several times");
  app.add_option("--rate-limit", rate_limit_,
                 "UDP answers a second for each /24 (IPv6: /56) outside --client-network; 0: any")
      ->capture_default_str();
  app.add_option("--max-tcp-connections", max_tcp_connections_,
                 "open TCP connections on each address; the idlest makes room")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app.add_option("--shutdown-delay-s", shutdown_delay_s_,
                 "how long DNS is answered after SIGTERM, not ready any more, in seconds")
      ->check(CLI::Range(0, 300))
      ->capture_default_str();
}

StatusOr<dns::Server::Options> DnsRole::ReadFlags(const RoleContext& context) const {
  dns::Server::Options options;
  BERTH_ASSIGN_OR_RETURN(options.addresses,
                         ParseAll<dns::SocketAddress>(addresses_, "--dns-address", [](auto& text) {
                           return dns::SocketAddress::Parse(text);
                         }));
  options.workers = workers_;
  BERTH_ASSIGN_OR_RETURN(options.authority.cluster_zone, dns::NameFromText(context.cluster_domain));
  BERTH_ASSIGN_OR_RETURN(options.authority.name_server,
                         NameServer(context.dns_service, context.cluster_domain));
  BERTH_ASSIGN_OR_RETURN(
      options.authority.reverse_networks,
      ParseAll<dns::IpNetwork>(reverse_networks_, "--reverse-network", dns::IpNetwork::Parse));
  if (!client_networks_.empty()) {
    BERTH_ASSIGN_OR_RETURN(
        options.client_networks,
        ParseAll<dns::IpNetwork>(client_networks_, "--client-network", dns::IpNetwork::Parse));
  }
  if (upstreams_.empty()) {
    options.upstreams = dns::UpstreamsOf(ReadResolvConf());
  } else if (upstreams_ != std::vector<std::string>{kNoUpstream}) {
    BERTH_ASSIGN_OR_RETURN(options.upstreams,
                           ParseAll<dns::SocketAddress>(upstreams_, "--upstream", [](auto& text) {
                             return dns::SocketAddress::Parse(text, 53);
                           }));
  }
  options.answers_per_s = rate_limit_;
  options.max_tcp_connections = max_tcp_connections_;
  return options;
}

Status DnsRole::Start(const RoleContext& context) {
  BERTH_ASSIGN_OR_RETURN(dns::Server::Options options, ReadFlags(context));
  options.on_api_error = [](const Status& error) {
    LogLine("API server: answers stay as they are")
        .Field("error", std::string(error.message()))
        .Write(spdlog::level::warn);
  };
  options.on_sync = [] {
    LogLine("Services and EndpointSlices are known: ready").Write(spdlog::level::info);
  };
  const std::vector<dns::SocketAddress> upstreams = options.upstreams;
  const std::string upstream_text = absl::StrJoin(
      upstreams, ",",
      [](std::string* out, const dns::SocketAddress& upstream) { out->append(upstream.Text()); });
  options.on_loop = [upstream_text] {
    LogLine(
        "forwarding loop: our own probe came back, so other names are answered with SERVFAIL; "
        "give --upstream a resolver that does not ask us")
        .Field("upstream", upstream_text)
        .Write(spdlog::level::err);
  };
  BERTH_ASSIGN_OR_RETURN(server_,
                         dns::Server::Start(context.api, context.clock, std::move(options)));
  for (const dns::SocketAddress& address : server_->addresses()) {
    LogLine("answering DNS")
        .Field("address", address.Text())
        .Field("domain", context.cluster_domain)
        .Field("upstream", upstream_text)
        .Write(spdlog::level::info);
  }
  return absl::OkStatus();
}

}  // namespace berth
