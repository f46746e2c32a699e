#pragma once

#include <prometheus/collectable.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/status.h"
#include "companion/statefulset/observed.h"
#include "companion/statefulset/stateful_set.h"
#include "kube/client.h"
#include "kube/lease.h"

namespace berth::statefulset {

// Keeps StatefulSets: those of berth.storage/v1 always; those of apps/v1 either whole (taken over,
// see takeover.h) or beside the built-in controller, as their annotations ask. Of several replicas
// the one that holds the Lease works; the others keep their copies up to date.
class Ordering {
 public:
  struct Options {
    kube::LeaderElector::Options lease;  // ns, name and identity set
    bool take_over_apps_v1 = false;
    absl::Duration canary_time = absl::Seconds(30);
    int workers = 4;  // sets of one kind that are reconciled at one moment
    // See SetLoop::Options.
    std::function<bool(const StatefulSet&, const ObservedPod&)> name_is_served = {};
  };
  // `api` and `clock` outlive it.
  Ordering(kube::ApiClient& api, const Clock& clock, Options options);
  ~Ordering();

  // INVALID_ARGUMENT for options that cannot work. Does not block: what the API server does not
  // answer yet is tried again.
  Status Start();
  // Gives the Lease back once no change is under way any more.
  void Stop();

  // OK once the copies are complete, leading or not.
  Status Ready() const;
  bool leading() const;
  // Sets of apps/v1 are kept by us now.
  bool owns_apps_v1() const;
  std::shared_ptr<prometheus::Collectable> metrics() const;

 private:
  class Loops;
  const std::shared_ptr<Loops> loops_;
};

}  // namespace berth::statefulset
