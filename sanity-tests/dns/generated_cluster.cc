#include "sanity-tests/dns/generated_cluster.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <random>
#include <utility>

#include "companion/dns/service_records.h"

namespace berth::dns {
namespace {

namespace core = kube::core;
namespace discovery = kube::discovery;

constexpr size_t kEndpointsPerSlice = 100;  // as the EndpointSlice controller makes them
constexpr size_t kEndpointsPerService = 10;
constexpr size_t kServices = 60;
constexpr size_t kManySlices = 30;

struct PortSpec {
  std::string name;
  std::string protocol;
  int number;
};

class Generator {
 public:
  explicit Generator(uint32_t seed) : random_(seed) {}

  GeneratedCluster Generate() {
    cluster_.namespaces = {"team-a", "b", "empty"};
    for (size_t i = 0; i < kServices; ++i) AddService(i);
    return std::move(cluster_);
  }

 private:
  size_t Below(size_t limit) { return random_() % limit; }
  bool Chance(size_t percent) { return Below(100) < percent; }
  static core::ServicePort ServicePort(const PortSpec& port) {
    core::ServicePort made;
    made.set_name(port.name);
    made.set_protocol(port.protocol);
    made.set_port(port.number);
    return made;
  }

  // As the API server wants them: named when there are several, no name twice.
  std::vector<PortSpec> Ports() {
    static const std::vector<PortSpec> kAll = {{"http", "TCP", 80},
                                               {"dns", "UDP", 53},
                                               {"dns-tcp", "TCP", 53},
                                               {"assoc", "SCTP", 9000},
                                               {"a-port-of-15-ch", "TCP", 65535}};
    if (Chance(15)) return {{"", "TCP", 8080}};
    std::vector<PortSpec> ports;
    for (const PortSpec& port : kAll) {
      if (Chance(40)) ports.push_back(port);
    }
    if (ports.empty()) ports.push_back(kAll[0]);
    return ports;
  }

  void AddService(size_t i) {
    core::Service service;
    const std::vector<std::string> namespaces = {"default", "team-a", "b"};
    service.mutable_metadata()->set_namespace_(namespaces[Below(namespaces.size())]);
    service.mutable_metadata()->set_name(fmt::format("svc-{}", i));
    // The first one is headless and has many endpoints.
    const size_t kind = i == 0 ? 1 : Below(10);
    if (kind == 0) {
      AddExternal(std::move(service), i);
      return;
    }
    core::ServiceSpec& spec = *service.mutable_spec();
    const std::vector<PortSpec> ports = Ports();
    const bool headless = kind <= 6;
    // A headless Service may have no ports.
    if (!headless || Chance(80)) {
      for (const PortSpec& port : ports) *spec.add_ports() = ServicePort(port);
    }
    if (headless) spec.set_clusterip("None");
    if (kind == 9) spec.set_type("NodePort");
    (*spec.mutable_selector())["app"] = service.metadata().name();
    const bool dual = Chance(40);
    spec.set_ipfamilypolicy(dual ? "RequireDualStack" : "SingleStack");
    if (!dual && Chance(20)) spec.add_ipfamilies("IPv6");
    if (Chance(20)) spec.set_publishnotreadyaddresses(true);
    const std::vector<PortSpec> slice_ports =
        spec.ports().empty() ? std::vector<PortSpec>() : ports;
    const size_t slices = i == 0 ? kManySlices : Below(5);
    for (size_t k = 0; k < slices; ++k) AddSlice(service, k, dual && k % 2 == 1, slice_ports);
    cluster_.services.push_back(std::move(service));
  }

  void AddExternal(core::Service service, size_t i) {
    service.mutable_spec()->set_type("ExternalName");
    const std::vector<std::string> targets = {
        "www.example.com", fmt::format("svc-{}.default.svc.cluster.local", Below(kServices)),
        fmt::format("nobody-{}.default.svc.cluster.local", i), "nobody.example.com"};
    service.mutable_spec()->set_externalname(targets[externals_++ % targets.size()]);
    cluster_.services.push_back(std::move(service));
  }

  void AddSlice(const core::Service& service, size_t number, bool v6,
                const std::vector<PortSpec>& ports) {
    discovery::EndpointSlice slice;
    slice.mutable_metadata()->set_namespace_(service.metadata().namespace_());
    slice.mutable_metadata()->set_name(fmt::format("{}-{}", service.metadata().name(), number));
    (*slice.mutable_metadata()->mutable_labels())[kServiceNameLabel] = service.metadata().name();
    slice.set_addresstype(v6 ? "IPv6" : "IPv4");
    for (size_t i = Below(8); i > 0; --i) {
      discovery::Endpoint& endpoint = *slice.add_endpoints();
      const size_t id = ++endpoints_;
      endpoint.add_addresses(v6 ? fmt::format("fd00:1::{:x}", id)
                                : fmt::format("10.1.{}.{}", id / 250, 1 + id % 250));
      if (Chance(70)) endpoint.set_hostname(fmt::format("pod-{}", Below(12)));
      // The EndpointSlice controller calls all endpoints ready where unready ones are published.
      const bool all_ready = service.spec().publishnotreadyaddresses();
      if (Chance(75)) endpoint.mutable_conditions()->set_ready(all_ready || Chance(75));
    }
    for (const PortSpec& port : ports) {
      discovery::EndpointPort& made = *slice.add_ports();
      made.set_name(port.name);
      made.set_protocol(port.protocol);
      made.set_port(port.number);
    }
    cluster_.slices.push_back(std::move(slice));
  }

  std::mt19937 random_;
  GeneratedCluster cluster_;
  size_t endpoints_ = 0;
  size_t externals_ = 0;
};

core::Service PlainService(const std::string& name, const std::string& cluster_ip) {
  core::Service service;
  service.mutable_metadata()->set_namespace_("default");
  service.mutable_metadata()->set_name(name);
  service.mutable_spec()->set_clusterip(cluster_ip);
  core::ServicePort& port = *service.mutable_spec()->add_ports();
  port.set_name("sql");
  port.set_protocol("TCP");
  port.set_port(5432);
  return service;
}

// Endpoints `first` up to `end`, without the latter.
discovery::EndpointSlice PlainSlice(const std::string& service, size_t first, size_t end) {
  discovery::EndpointSlice slice;
  slice.mutable_metadata()->set_namespace_("default");
  slice.mutable_metadata()->set_name(fmt::format("{}-{}", service, first));
  (*slice.mutable_metadata()->mutable_labels())[kServiceNameLabel] = service;
  slice.set_addresstype("IPv4");
  for (size_t i = first; i < end; ++i) {
    discovery::Endpoint& endpoint = *slice.add_endpoints();
    endpoint.add_addresses(AddressOf(i));
    endpoint.set_hostname(fmt::format("pod-{}", i));
    endpoint.set_nodename(fmt::format("node-{}", i % 100));
    endpoint.mutable_conditions()->set_ready(true);
    endpoint.mutable_targetref()->set_kind("Pod");
    endpoint.mutable_targetref()->set_name(fmt::format("pod-{}", i));
  }
  discovery::EndpointPort& port = *slice.add_ports();
  port.set_name("sql");
  port.set_protocol("TCP");
  port.set_port(5432);
  return slice;
}

}  // namespace

GeneratedCluster GeneratedCluster::FromSeed(uint32_t seed) { return Generator(seed).Generate(); }

std::string AddressOf(size_t i, size_t version) {
  return fmt::format("10.{}.{}.{}", 128 + version % 128, i / 250, 1 + i % 250);
}

GeneratedCluster ClusterOfSize(size_t count) {
  GeneratedCluster cluster;
  const size_t in_big = count / 2;
  cluster.services.push_back(PlainService("big", "None"));
  for (size_t first = 0; first < in_big; first += kEndpointsPerSlice) {
    cluster.slices.push_back(
        PlainSlice("big", first, std::min(in_big, first + kEndpointsPerSlice)));
  }
  for (size_t first = in_big; first < count; first += kEndpointsPerService) {
    const std::string service = ServiceOf(first, count);
    cluster.services.push_back(PlainService(service, "None"));
    cluster.slices.push_back(
        PlainSlice(service, first, std::min(count, first + kEndpointsPerService)));
  }
  return cluster;
}

std::string ServiceOf(size_t i, size_t count) {
  if (i < count / 2) return "big";
  return fmt::format("set-{}", (i - count / 2) / kEndpointsPerService);
}

std::string PodName(size_t i, size_t count) {
  return fmt::format("pod-{}.{}.default.svc.cluster.local", i, ServiceOf(i, count));
}

Status CreateObjects(kube::ApiClient& client, GeneratedCluster& cluster) {
  for (const std::string& name : cluster.namespaces) {
    core::Namespace made;
    made.mutable_metadata()->set_name(name);
    BERTH_RETURN_IF_ERROR(client.Create(made).status());
  }
  for (core::Service& service : cluster.services) {
    BERTH_ASSIGN_OR_RETURN(service, client.Create(service));
  }
  for (discovery::EndpointSlice& slice : cluster.slices) {
    BERTH_ASSIGN_OR_RETURN(slice, client.Create(slice));
  }
  return absl::OkStatus();
}

}  // namespace berth::dns
