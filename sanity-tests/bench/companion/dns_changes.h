#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/status.h"
#include "base/synchronized.h"
#include "kube/client.h"
#include "kube/discovery_v1.h"
#include "kube/informer.h"
#include "sanity-tests/dns/generated_cluster.h"

namespace berth::dns {

// What one change of an EndpointSlice took, in milliseconds.
struct ChangeDelay {
  double after_reply_ms = 0;  // from the API server's reply to the new answer
  // From when a watcher that does nothing else was told (or from the reply, where that came later)
  // to the new answer: the server's share, without the API server's.
  double after_event_ms = 0;
};

struct ChangeDelays {
  std::vector<ChangeDelay> changed;  // the address of a pod
  std::vector<ChangeDelay> created;  // a name that was asked for, in vain, just before it existed
};

// A watcher of EndpointSlices that does nothing but note when it is told.
class EventWitness {
 public:
  // `client` outlives it.
  explicit EventWitness(kube::ApiClient& client);
  // Call once. DEADLINE_EXCEEDED when it is not synced within half a minute.
  Status Start();

  // When the event of that resource version came; waits for it. Only the newest is known:
  // DEADLINE_EXCEEDED when it does not come within half a minute, or another came after it.
  StatusOr<absl::Time> SeenAt(const std::string& resource_version);

 private:
  struct Latest {
    std::string resource_version;
    absl::Time at;
  };
  Synchronized<Latest> latest_;
  kube::Informer<kube::discovery::EndpointSlice> slices_;
};

// Changes the EndpointSlices of a cluster that was made by ClusterOfSize, one after the other.
class Changes {
 public:
  // All outlive it; `cluster` is kept as the API server has it.
  Changes(kube::ApiClient& client, EventWitness& witness, GeneratedCluster& cluster)
      : client_(client), witness_(witness), cluster_(cluster) {}

  // `count` changes, every second one a new name, spread over all slices; after each reply the
  // server on `port` is asked again and again. DEADLINE_EXCEEDED when an answer does not come
  // within half a minute.
  StatusOr<ChangeDelays> Measure(size_t count, uint16_t port);

 private:
  StatusOr<ChangeDelay> ChangeAddress(uint16_t port);
  StatusOr<ChangeDelay> CreateName(uint16_t port);
  StatusOr<ChangeDelay> Write(kube::discovery::EndpointSlice& slice, const std::string& hostname,
                              const std::string& address, uint16_t port);
  kube::discovery::EndpointSlice& NextSlice();
  // The one that this change is about.
  kube::discovery::Endpoint& EndpointIn(kube::discovery::EndpointSlice& slice) const;

  kube::ApiClient& client_;
  EventWitness& witness_;
  GeneratedCluster& cluster_;
  size_t made_ = 0;
};

}  // namespace berth::dns
