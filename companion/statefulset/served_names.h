#pragma once

#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/status.h"
#include "base/synchronized.h"
#include "companion/statefulset/observed.h"
#include "companion/statefulset/stateful_set.h"
#include "kube/client.h"

namespace berth::statefulset {

// Asks every replica of the cluster's DNS for pods' names. Thread-safe.
class ServedNames {
 public:
  struct Options {
    kube::ObjectKey dns_service;                       // whose endpoints are the replicas
    std::string cluster_domain;                        // "cluster.local"
    absl::Duration timeout = absl::Milliseconds(500);  // of one question
  };
  // `api` outlives it.
  ServedNames(kube::ApiClient& api, Options options) : api_(api), options_(std::move(options)) {}

  // True when each replica, of which there is at least one, answers for
  // <pod>.<service>.<namespace>.svc.<domain> with all of the pod's addresses. Once true it stays so
  // for that pod: its turn is over. Blocks for at most `timeout` a replica and address family.
  bool IsServed(const StatefulSet& set, const ObservedPod& pod);

 private:
  struct Replica {
    std::string address;
    uint16_t port;
  };
  StatusOr<std::vector<Replica>> Replicas();
  bool Answers(const Replica& replica, const std::string& name,
               const std::vector<std::string>& addresses) const;

  kube::ApiClient& api_;
  const Options options_;
  Synchronized<std::set<std::string>> served_;  // pods' uids
};

}  // namespace berth::statefulset
