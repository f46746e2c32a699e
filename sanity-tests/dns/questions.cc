#include "sanity-tests/dns/questions.h"

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "companion/dns/ip_address.h"
#include "companion/dns/name.h"
#include "companion/dns/service_records.h"

namespace berth::dns {
namespace {

constexpr char kZone[] = "cluster.local";

std::string ServiceText(const std::string& ns, const std::string& name) {
  return name + "." + ns + ".svc." + kZone;
}

std::string OddCase(std::string name) {
  for (size_t i = 0; i < name.size(); i += 2) {
    name[i] = absl::ascii_toupper(static_cast<unsigned char>(name[i]));
  }
  return name;
}

void AddPort(const std::string& service, const std::string& name, const std::string& protocol,
             std::set<std::string>& names) {
  const std::string below = "_" + absl::AsciiStrToLower(protocol) + "." + service;
  names.insert(below);
  names.insert("_nothing." + below);
  if (!name.empty()) names.insert("_" + name + "." + below);
}

void AddAddress(const std::string& address, std::set<std::string>& names) {
  names.insert(NameToText(ReverseName(*IpAddress::Parse(address))));
}

void AddSlice(const kube::discovery::EndpointSlice& slice, std::set<std::string>& names) {
  const std::string service =
      ServiceText(slice.metadata().namespace_(), slice.metadata().labels().at(kServiceNameLabel));
  for (const auto& endpoint : slice.endpoints()) {
    std::string dashed = endpoint.addresses(0);
    std::replace(dashed.begin(), dashed.end(), '.', '-');
    std::replace(dashed.begin(), dashed.end(), ':', '-');
    names.insert(dashed + "." + service);
    if (!endpoint.hostname().empty()) names.insert(endpoint.hostname() + "." + service);
    AddAddress(endpoint.addresses(0), names);
  }
}

}  // namespace

std::vector<std::string> QuestionNames(const GeneratedCluster& cluster) {
  std::set<std::string> names = {kZone,
                                 "dns-version.cluster.local",
                                 "svc.cluster.local",
                                 "default.svc.cluster.local",
                                 "empty.svc.cluster.local",
                                 "nowhere.svc.cluster.local",
                                 "nobody.nowhere.svc.cluster.local",
                                 "nobody.cluster.local",
                                 "kubernetes.default.svc.cluster.local",
                                 "_https._tcp.kubernetes.default.svc.cluster.local",
                                 "1.0.96.10.in-addr.arpa",
                                 "0.96.10.in-addr.arpa",
                                 "9.9.9.10.in-addr.arpa",
                                 "www.example.com",
                                 "nobody.example.com"};
  for (const auto& service : cluster.services) {
    const std::string name =
        ServiceText(service.metadata().namespace_(), service.metadata().name());
    names.insert({name, "nobody." + name, "a.b." + name, OddCase(name)});
    for (const auto& port : service.spec().ports()) {
      AddPort(name, port.name(), port.protocol(), names);
    }
    for (const std::string& ip : service.spec().clusterips()) {
      if (ip != "None") AddAddress(ip, names);
    }
  }
  for (const auto& slice : cluster.slices) AddSlice(slice, names);
  return {names.begin(), names.end()};
}

}  // namespace berth::dns
