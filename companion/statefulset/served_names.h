#pragma once

#include <cstdint>
#include <functional>
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

// Where one replica of the cluster's DNS answers.
struct DnsReplica {
  std::string address;
  uint16_t port;
};

// The ready endpoints of the DNS Service. Errors as ApiClient's.
StatusOr<std::vector<DnsReplica>> ListDnsReplicas(kube::ApiClient& api,
                                                  const kube::ObjectKey& service);

// Asks every replica of the cluster's DNS for pods' names. Thread-safe.
class ServedNames {
 public:
  struct Options {
    std::function<StatusOr<std::vector<DnsReplica>>()> replicas;  // as they are now
    std::string cluster_domain;                                   // "cluster.local"
    absl::Duration timeout = absl::Milliseconds(500);             // of one question
  };
  explicit ServedNames(Options options) : options_(std::move(options)) {}

  // True when each replica, of which there is at least one, answers for
  // <pod>.<service>.<namespace>.svc.<domain> with all of the pod's addresses. Once true it stays so
  // for that pod: its turn is over. Blocks for at most `timeout` a replica and address family.
  bool IsServed(const StatefulSet& set, const ObservedPod& pod);

 private:
  bool Answers(const DnsReplica& replica, const std::string& name,
               const std::vector<std::string>& addresses) const;

  const Options options_;
  Synchronized<std::set<std::string>> served_;  // pods' uids
};

}  // namespace berth::statefulset
