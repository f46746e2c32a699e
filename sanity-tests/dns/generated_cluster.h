#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "kube/client.h"
#include "kube/core_v1.h"
#include "kube/discovery_v1.h"

namespace berth::dns {

// API objects that names are made of, chosen by a seed: normal, headless and external Services, of
// one and of both address families, with ready, unready and unsaid endpoints in none to many
// slices, with and without hostnames, ports with and without names.
struct GeneratedCluster {
  std::vector<std::string> namespaces;  // besides "default"
  std::vector<kube::core::Service> services;
  std::vector<kube::discovery::EndpointSlice> slices;

  static GeneratedCluster FromSeed(uint32_t seed);
};

// `count` ready endpoints pod-0, pod-1, ... of headless Services in "default": half of them of one
// Service `big`, the others ten a Service.
GeneratedCluster ClusterOfSize(size_t count);
// Which Service endpoint `i` of such a cluster is in, and its full name.
std::string ServiceOf(size_t i, size_t count);
std::string PodName(size_t i, size_t count);
// Its `version`th address: below 10.128.0.0/9.
std::string AddressOf(size_t i, size_t version = 0);

// Creates all of it; what the API server adds (cluster addresses, versions) is put into `cluster`.
// The first error of the API server's.
Status CreateObjects(kube::ApiClient& client, GeneratedCluster& cluster);

}  // namespace berth::dns
