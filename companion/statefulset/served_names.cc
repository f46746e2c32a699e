#include "companion/statefulset/served_names.h"

#include <ldns/ldns.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <memory>

#include "kube/discovery_v1.h"

namespace berth::statefulset {
namespace {

constexpr char kServiceNameLabel[] = "kubernetes.io/service-name";
constexpr char kDnsPort[] = "dns";
// More pods than one process will ever hold back; what is forgotten is asked for again.
constexpr size_t kMaxRemembered = 100'000;

struct LdnsDeleter {
  void operator()(ldns_resolver* resolver) const { ldns_resolver_deep_free(resolver); }
  void operator()(ldns_pkt* packet) const { ldns_pkt_free(packet); }
  void operator()(ldns_rdf* data) const { ldns_rdf_deep_free(data); }
};
using Resolver = std::unique_ptr<ldns_resolver, LdnsDeleter>;
using Packet = std::unique_ptr<ldns_pkt, LdnsDeleter>;
using Rdata = std::unique_ptr<ldns_rdf, LdnsDeleter>;

bool IsV6(const std::string& address) { return address.find(':') != std::string::npos; }

Rdata AddressData(const std::string& address) {
  return Rdata(
      ldns_rdf_new_frm_str(IsV6(address) ? LDNS_RDF_TYPE_AAAA : LDNS_RDF_TYPE_A, address.c_str()));
}

// Asks that one server, once, without recursion.
Resolver ResolverOf(const std::string& address, uint16_t port, absl::Duration timeout) {
  Resolver resolver(ldns_resolver_new());
  const Rdata server = AddressData(address);
  if (resolver == nullptr || server == nullptr ||
      ldns_resolver_push_nameserver(resolver.get(), server.get()) != LDNS_STATUS_OK) {
    return nullptr;
  }
  ldns_resolver_set_port(resolver.get(), port);
  ldns_resolver_set_timeout(resolver.get(), absl::ToTimeval(timeout));
  ldns_resolver_set_retry(resolver.get(), 1);
  return resolver;
}

bool Holds(const ldns_rr_list& answers, ldns_rr_type type, const ldns_rdf& address) {
  for (size_t i = 0; i < ldns_rr_list_rr_count(&answers); ++i) {
    const ldns_rr* record = ldns_rr_list_rr(&answers, i);
    if (ldns_rr_get_type(record) == type && ldns_rr_rd_count(record) == 1 &&
        ldns_rdf_compare(ldns_rr_rdf(record, 0), &address) == 0) {
      return true;
    }
  }
  return false;
}

}  // namespace

StatusOr<std::vector<DnsReplica>> ListDnsReplicas(kube::ApiClient& api,
                                                  const kube::ObjectKey& service) {
  std::vector<DnsReplica> replicas;
  const kube::Selector slices = {
      .ns = service.ns, .label_selector = fmt::format("{}={}", kServiceNameLabel, service.name)};
  const auto listed = api.ForEach<kube::discovery::EndpointSlice>(
      slices, [&](const kube::discovery::EndpointSlice& slice) {
        uint16_t port = 0;
        for (const auto& known : slice.ports()) {
          if (known.name() == kDnsPort) port = static_cast<uint16_t>(known.port());
        }
        for (const auto& endpoint : slice.endpoints()) {
          // One that is not ready is asked by nobody.
          if (port == 0 || (endpoint.conditions().has_ready() && !endpoint.conditions().ready())) {
            continue;
          }
          for (const std::string& address : endpoint.addresses()) {
            replicas.push_back({address, port});
          }
        }
        return absl::OkStatus();
      });
  BERTH_RETURN_IF_ERROR(listed.status());
  return replicas;
}

bool ServedNames::IsServed(const StatefulSet& set, const ObservedPod& pod) {
  if (served_.Lock()->contains(pod.uid)) return true;
  if (pod.addresses.empty()) return false;
  const StatusOr<std::vector<DnsReplica>> replicas = options_.replicas();
  if (!replicas.ok() || replicas->empty()) return false;
  const std::string name = fmt::format("{}.{}.{}.svc.{}.", pod.name, set.service_name, set.key.ns,
                                       options_.cluster_domain);
  const bool everywhere =
      std::all_of(replicas->begin(), replicas->end(),
                  [&](const DnsReplica& replica) { return Answers(replica, name, pod.addresses); });
  if (!everywhere) return false;
  auto served = served_.Lock();
  if (served->size() >= kMaxRemembered) served->clear();
  served->insert(pod.uid);
  return true;
}

bool ServedNames::Answers(const DnsReplica& replica, const std::string& name,
                          const std::vector<std::string>& addresses) const {
  const Resolver resolver = ResolverOf(replica.address, replica.port, options_.timeout);
  const Rdata owner(ldns_dname_new_frm_str(name.c_str()));
  if (resolver == nullptr || owner == nullptr) return false;
  return std::all_of(addresses.begin(), addresses.end(), [&](const std::string& address) {
    const ldns_rr_type type = IsV6(address) ? LDNS_RR_TYPE_AAAA : LDNS_RR_TYPE_A;
    const Rdata wanted = AddressData(address);
    const Packet reply(ldns_resolver_query(resolver.get(), owner.get(), type, LDNS_RR_CLASS_IN, 0));
    return wanted != nullptr && reply != nullptr &&
           Holds(*ldns_pkt_answer(reply.get()), type, *wanted);
  });
}

}  // namespace berth::statefulset
