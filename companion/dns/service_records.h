#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "companion/dns/rr_set.h"
#include "kube/core_v1.h"
#include "kube/discovery_v1.h"

// The records that the Kubernetes DNS specification 1.1.0 demands, as pure functions of API
// objects. Section numbers are the specification's. What cannot be a name or an address gives no
// record.
namespace berth::dns {

// The label by which an EndpointSlice says which Service it is a part of.
inline constexpr char kServiceNameLabel[] = "kubernetes.io/service-name";
// The annotation of a Service that asked for unready endpoints before there was a field for it.
inline constexpr char kTolerateUnreadyAnnotation[] =
    "service.alpha.kubernetes.io/tolerate-unready-endpoints";

// No cluster IP, and no external name: all of its names come from its EndpointSlices.
bool IsHeadless(const kube::core::Service& service);

// True for an endpoint that belongs into answers: it is ready, or its Service publishes endpoints
// that are not.
bool IsPublished(const kube::core::Service& service, const kube::discovery::Endpoint& endpoint);

// <service>.<namespace>.svc.<zone>; empty when it would be longer than a name may be.
Name ServiceName(const kube::core::Service& service, const Name& zone);

// What a Service has by itself: 2.3 (cluster IPs) or 2.5 (an external name); nothing when headless.
std::vector<Record> ServiceRecords(const kube::core::Service& service, const Name& zone);

// 2.4: what one endpoint of `slice` adds to its headless Service; nothing when it is not published.
// An endpoint without a hostname is named by its address with dashes. A normal Service's endpoints
// have such names too, and nothing else; not by the specification, but by Kubernetes' documentation
// of pods' names.
std::vector<Record> EndpointRecords(const kube::core::Service& service,
                                    const kube::discovery::EndpointSlice& slice,
                                    const kube::discovery::Endpoint& endpoint, const Name& zone);

// 2.2 and the zone's own: NS, the name server being <name>.<namespace>.svc.<zone> of its Service.
std::vector<Record> ApexRecords(const Name& zone, const Name& name_server);

// The data of a SOA record up to its numbers: name server and mailbox.
std::string SoaNames(const Name& zone, const Name& name_server);

}  // namespace berth::dns
