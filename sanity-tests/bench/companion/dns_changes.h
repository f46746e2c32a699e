#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "kube/client.h"
#include "sanity-tests/dns/generated_cluster.h"

namespace berth::dns {

// How long after the API server's reply to a change of an EndpointSlice a DNS server has the new
// answer, in milliseconds.
struct ChangeDelays {
  std::vector<double> changed_ms;  // the address of a pod
  std::vector<double> created_ms;  // a name that was asked for, in vain, just before it existed
};

// Changes the EndpointSlices of a cluster that was made by ClusterOfSize, one after the other.
class Changes {
 public:
  // Both outlive it; `cluster` is kept as the API server has it.
  Changes(kube::ApiClient& client, GeneratedCluster& cluster)
      : client_(client), cluster_(cluster) {}

  // `count` changes, every second one a new name, spread over all slices; after each reply the
  // server on `port` is asked again and again. DEADLINE_EXCEEDED when an answer does not come
  // within half a minute.
  StatusOr<ChangeDelays> Measure(size_t count, uint16_t port);

 private:
  StatusOr<double> ChangeAddress(uint16_t port);
  StatusOr<double> CreateName(uint16_t port);
  StatusOr<double> Write(kube::discovery::EndpointSlice& slice, const std::string& hostname,
                         const std::string& address, uint16_t port);
  kube::discovery::EndpointSlice& NextSlice();
  // The one that this change is about.
  kube::discovery::Endpoint& EndpointIn(kube::discovery::EndpointSlice& slice) const;

  kube::ApiClient& client_;
  GeneratedCluster& cluster_;
  size_t made_ = 0;
};

}  // namespace berth::dns
