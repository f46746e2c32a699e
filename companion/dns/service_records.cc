#include "companion/dns/service_records.h"

#include <algorithm>
#include <array>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "companion/dns/ip_address.h"

namespace berth::dns {
namespace {

namespace core = kube::core;
namespace discovery = kube::discovery;

constexpr char kSchemaVersion[] = "1.1.0";
constexpr uint16_t kSrvPriority = 0;
constexpr uint16_t kSrvWeight = 100;

std::string SrvData(int32_t port, std::string_view target) {
  std::string data;
  for (const uint32_t value :
       {uint32_t{kSrvPriority}, uint32_t{kSrvWeight}, static_cast<uint32_t>(port)}) {
    data.push_back(static_cast<char>(value >> 8));
    data.push_back(static_cast<char>(value));
  }
  return data.append(target);
}

// _<port>._<protocol>.<service>; nothing for an unnamed port.
std::optional<Name> PortName(const std::string& port, const std::string& protocol,
                             const Name& service) {
  if (port.empty()) return std::nullopt;
  const std::optional<Name> parent =
      Child(absl::StrCat("_", protocol.empty() ? "tcp" : absl::AsciiStrToLower(protocol)), service);
  return parent ? Child(absl::StrCat("_", port), *parent) : std::nullopt;
}

// The SRV records of one port that leads to `target`: at _<port>._<protocol>.<service>, unless it
// is unnamed, and at the Service's own name. The specification has only the former; the latter is
// what programs ask for that look for their peers without knowing what the port is called.
void AddSrv(const Name& service, const std::string& port_name, const std::string& protocol,
            int32_t port, const Name& target, std::vector<Record>& records) {
  const std::string data = SrvData(port, target);
  if (const auto owner = PortName(port_name, protocol, service)) {
    records.push_back({*owner, type::kSrv, data});
  }
  records.push_back({service, type::kSrv, data});
}

void AddAddress(const Name& owner, const IpAddress& ip, std::vector<Record>& records) {
  records.push_back({owner, ip.v6() ? type::kAaaa : type::kA, std::string(ip.bytes())});
}

std::vector<std::string> ClusterIps(const core::Service& service) {
  const auto& ips = service.spec().clusterips();
  if (!ips.empty()) return {ips.begin(), ips.end()};
  return {service.spec().clusterip()};
}

std::string DashedAddress(std::string address) {
  std::replace(address.begin(), address.end(), '.', '-');
  std::replace(address.begin(), address.end(), ':', '-');
  return address;
}

}  // namespace

bool IsHeadless(const core::Service& service) {
  return service.spec().clusterip() == "None" && service.spec().type() != "ExternalName";
}

bool IsPublished(const core::Service& service, const discovery::Endpoint& endpoint) {
  if (!endpoint.conditions().has_ready() || endpoint.conditions().ready()) return true;
  if (service.spec().publishnotreadyaddresses()) return true;
  const auto& annotations = service.metadata().annotations();
  const auto tolerated = annotations.find(kTolerateUnreadyAnnotation);
  return tolerated != annotations.end() && tolerated->second == "true";
}

Name ServiceName(const core::Service& service, const Name& zone) {
  std::optional<Name> name = Child("svc", zone);
  if (name) name = Child(service.metadata().namespace_(), *name);
  if (name) name = Child(service.metadata().name(), *name);
  return name.value_or("");
}

std::vector<Record> ServiceRecords(const core::Service& service, const Name& zone) {
  std::vector<Record> records;
  const Name name = ServiceName(service, zone);
  if (name.empty() || IsHeadless(service)) return records;
  if (service.spec().type() == "ExternalName") {
    if (StatusOr<Name> target = NameFromText(service.spec().externalname()); target.ok()) {
      records.push_back({name, type::kCname, *std::move(target)});
    }
    return records;
  }
  for (const std::string& text : ClusterIps(service)) {
    const std::optional<IpAddress> ip = IpAddress::Parse(text);
    if (!ip) continue;
    AddAddress(name, *ip, records);
    records.push_back({ReverseName(*ip), type::kPtr, name});
  }
  if (records.empty()) return records;  // the API server has not given it an address yet
  for (const core::ServicePort& port : service.spec().ports()) {
    AddSrv(name, port.name(), port.protocol(), port.port(), name, records);
  }
  return records;
}

std::vector<Record> EndpointRecords(const core::Service& service,
                                    const discovery::EndpointSlice& slice,
                                    const discovery::Endpoint& endpoint, const Name& zone) {
  std::vector<Record> records;
  const Name name = ServiceName(service, zone);
  const bool external = service.spec().type() == "ExternalName";
  if (name.empty() || external || !IsPublished(service, endpoint)) return records;
  const bool headless = IsHeadless(service);
  const std::string& hostname = endpoint.hostname();
  for (const std::string& text : endpoint.addresses()) {
    const std::optional<IpAddress> ip = IpAddress::Parse(text);
    if (!ip) continue;  // of type FQDN
    if (headless) AddAddress(name, *ip, records);
    const std::optional<Name> host = Child(hostname.empty() ? DashedAddress(text) : hostname, name);
    if (!host) continue;
    AddAddress(*host, *ip, records);
    records.push_back({ReverseName(*ip), type::kPtr, *host});
    if (!headless) continue;
    for (const discovery::EndpointPort& port : slice.ports()) {
      AddSrv(name, port.name(), port.protocol(), port.port(), *host, records);
    }
  }
  return records;
}

std::vector<Record> ApexRecords(const Name& zone, const Name& name_server) {
  std::vector<Record> records = {{zone, type::kNs, name_server}};
  if (const std::optional<Name> version = Child("dns-version", zone)) {
    const std::string text = kSchemaVersion;
    records.push_back({*version, type::kTxt, static_cast<char>(text.size()) + text});
  }
  return records;
}

std::string SoaNames(const Name& zone, const Name& name_server) {
  return name_server + Child("hostmaster", zone).value_or(zone);
}

}  // namespace berth::dns
