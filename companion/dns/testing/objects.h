#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "companion/dns/catalog.h"
#include "kube/core_v1.h"
#include "kube/discovery_v1.h"

namespace berth::dns {

// API objects for tests, as kube-apiserver and the EndpointSlice controller make them.

struct Port {
  std::string name;
  std::string protocol;
  int number;
};

inline kube::core::Service MakeService(const std::string& name,
                                       const std::vector<std::string>& cluster_ips,
                                       const std::vector<Port>& ports = {}) {
  kube::core::Service service;
  service.mutable_metadata()->set_namespace_("default");
  service.mutable_metadata()->set_name(name);
  service.mutable_spec()->set_type("ClusterIP");
  service.mutable_spec()->set_clusterip(cluster_ips[0]);
  for (const std::string& ip : cluster_ips) service.mutable_spec()->add_clusterips(ip);
  for (const Port& port : ports) {
    auto& added = *service.mutable_spec()->add_ports();
    added.set_name(port.name);
    added.set_protocol(port.protocol);
    added.set_port(port.number);
  }
  return service;
}

inline kube::core::Service MakeHeadless(const std::string& name) {
  return MakeService(name, {"None"});
}

inline kube::core::Service MakeExternal(const std::string& name, const std::string& target) {
  kube::core::Service service;
  service.mutable_metadata()->set_namespace_("default");
  service.mutable_metadata()->set_name(name);
  service.mutable_spec()->set_type("ExternalName");
  service.mutable_spec()->set_externalname(target);
  return service;
}

struct EndpointSpec {
  std::string address;
  std::string hostname = {};
  bool ready = true;
};

inline kube::discovery::EndpointSlice MakeSlice(const std::string& name, const std::string& service,
                                                const std::vector<EndpointSpec>& endpoints,
                                                const std::vector<Port>& ports = {}) {
  kube::discovery::EndpointSlice slice;
  slice.mutable_metadata()->set_namespace_("default");
  slice.mutable_metadata()->set_name(name);
  (*slice.mutable_metadata()->mutable_labels())["kubernetes.io/service-name"] = service;
  const bool v6 = !endpoints.empty() && endpoints[0].address.find(':') != std::string::npos;
  slice.set_addresstype(v6 ? "IPv6" : "IPv4");
  for (const EndpointSpec& spec : endpoints) {
    auto& endpoint = *slice.add_endpoints();
    endpoint.add_addresses(spec.address);
    if (!spec.hostname.empty()) endpoint.set_hostname(spec.hostname);
    endpoint.mutable_conditions()->set_ready(spec.ready);
  }
  for (const Port& port : ports) {
    auto& added = *slice.add_ports();
    added.set_name(port.name);
    added.set_protocol(port.protocol);
    added.set_port(port.number);
  }
  return slice;
}

// A catalog that is changed as an informer would: it remembers what it said last.
class CatalogWriter {
 public:
  explicit CatalogWriter(Catalog& catalog) : catalog_(catalog) {}

  void Set(const kube::core::Service& service) {
    catalog_.SetService(kube::KeyOf(service), std::make_shared<const kube::core::Service>(service));
  }
  bool Set(const kube::discovery::EndpointSlice& slice, absl::Time now = absl::UnixEpoch()) {
    auto after = std::make_shared<const kube::discovery::EndpointSlice>(slice);
    Catalog::Slice& stored = slices_[slice.metadata().name()];
    return catalog_.SetSlice(kube::KeyOf(slice), std::exchange(stored, after), after, now);
  }
  void RemoveService(const std::string& name) { catalog_.SetService({"default", name}, nullptr); }
  bool RemoveSlice(const std::string& name, absl::Time now = absl::UnixEpoch()) {
    const Catalog::Slice before = std::exchange(slices_[name], nullptr);
    return catalog_.SetSlice({"default", name}, before, nullptr, now);
  }

 private:
  Catalog& catalog_;
  std::map<std::string, Catalog::Slice> slices_;
};

}  // namespace berth::dns
