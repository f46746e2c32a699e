#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/time/time.h"
#include "base/synchronized.h"
#include "companion/dns/service_records.h"
#include "companion/dns/zone.h"
#include "kube/core_v1.h"
#include "kube/discovery_v1.h"
#include "kube/resource.h"

namespace berth::dns {

// What the API says of Services and their EndpointSlices, kept in the zone as records. A change
// costs in proportion to its slice, and never touches another Service. Thread-safe.
//
// An endpoint moves to another slice in two writes with a moment in between where none carries it.
// So an endpoint that was published and is carried no more lingers for at most a second: until any
// slice of its Service says something of its address, ready or not, or a published endpoint of
// another address has taken over its hostname. It does not linger when its slice changed and was
// the only one of its kind: there is nowhere that it could have moved to. A Service that is
// deleted, or is of another kind now, takes what lingers with it at once.
class Catalog {
 public:
  using Service = std::shared_ptr<const kube::core::Service>;
  using Slice = std::shared_ptr<const kube::discovery::EndpointSlice>;

  static constexpr absl::Duration kLinger = absl::Seconds(1);

  // `zone` outlives the catalog; `cluster_zone` is the name of the cluster's zone.
  Catalog(Zone& zone, Name cluster_zone) : zone_(zone), cluster_zone_(std::move(cluster_zone)) {}

  // Null means that the object is gone. Slices may come before their Service, and the other way
  // round.
  void SetService(const kube::ObjectKey& key, Service service);
  // `before` is what was set for `key` last, or null; `now` starts the time of what lingers. True
  // when something lingers since: Expire is due later.
  bool SetSlice(const kube::ObjectKey& key, const Slice& before, const Slice& after,
                absl::Time now);

  // Drops what lingered long enough. When the next one is due: InfiniteFuture when none lingers.
  absl::Time Expire(absl::Time now);

  struct Size {
    size_t services = 0;
    size_t slices = 0;
    size_t endpoints = 0;
  };
  Size size();

 private:
  struct Lingering {
    std::string address;
    std::string hostname;
    std::string address_type;
    std::vector<Record> records;
    absl::Time until;
  };
  struct Entry {
    Service service;
    std::map<std::string, Slice> slices;  // by name
    std::vector<Lingering> lingering;
  };
  using Entries = std::unordered_map<std::string, Entry>;  // by namespace/name of the Service
  struct Changes {
    std::vector<Record> removed;
    std::vector<Record> added;
  };
  struct State {
    Entries entries;
    Size size;
  };

  void Add(State& state, const std::string& service, const kube::ObjectKey& key, const Slice& slice,
           const Slice& before, Changes& changes);
  bool Remove(State& state, const std::string& service, const kube::ObjectKey& key,
              const Slice& slice, const Slice& after, absl::Time now, Changes& changes);
  // What was published of `slice` and is not in `after` as it was.
  std::vector<Lingering> Leaving(const kube::core::Service& service,
                                 const kube::discovery::EndpointSlice& slice,
                                 const kube::discovery::EndpointSlice* after, absl::Time now) const;
  static void EraseIfEmpty(State& state, const std::string& service);
  std::vector<Record> AllRecords(const Entry& entry) const;

  Zone& zone_;
  const Name cluster_zone_;
  Synchronized<State> state_;
};

}  // namespace berth::dns
