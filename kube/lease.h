#pragma once

#include <functional>
#include <string>
#include <thread>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/status.h"
#include "kube/cancellation.h"
#include "kube/client.h"
#include "kube/coordination_v1.h"

namespace berth::kube {

// What is known of a Lease: how it looks, and since when (by our own clock) it looks like that.
// Another machine's clock is never compared with ours.
struct ObservedLease {
  coordination::Lease lease;
  absl::Time since;
};

enum class LeaseMove { kWait, kAcquire, kRenew };

// Whether `identity` may write itself into the lease now: it holds it already, nobody does, or the
// holder let its own leaseDurationSeconds pass without a renewal that we saw.
LeaseMove DecideLease(const ObservedLease& observed, const std::string& identity, absl::Time now);

// The lease as `identity` writes it for `move`, which is not kWait.
coordination::Lease WriteLease(const coordination::Lease& seen, LeaseMove move,
                               const std::string& identity, absl::Duration duration,
                               absl::Time now);

// Leader election on a coordination/v1 Lease: at most one of several replicas is leader, but for
// the moment that a call of an old leader is still on its way. Writes are compare-and-set on the
// object's resource version.
class LeaderElector {
 public:
  struct Options {
    std::string ns;
    std::string name;
    std::string identity;  // unique among the replicas, for example the pod's name
    absl::Duration lease_duration = absl::Seconds(4);  // others wait for that long; whole seconds
    absl::Duration renew_deadline = absl::Seconds(3);  // a leader that could not renew steps down
    absl::Duration retry_period = absl::Seconds(1);    // between tries and between renewals
  };
  struct Callbacks {
    // Called by turns from the elector's thread, on_stopped_leading also at Stop. Renewals pause
    // while they run, so they shall return within renew_deadline - retry_period.
    std::function<void()> on_started_leading = {};
    std::function<void()> on_stopped_leading = {};
    // A failed try to read or write the lease.
    std::function<void(const Status&)> on_error = {};
  };

  // `client` and `clock` outlive the elector. INVALID_ARGUMENT for durations that are not
  // lease_duration > renew_deadline > retry_period > 0, or empty names.
  static Status Check(const Options& options);
  LeaderElector(ApiClient& client, const Clock& clock, Options options, Callbacks callbacks);
  ~LeaderElector() { Stop(); }

  void Start();
  // Steps down, gives the lease back so that another replica need not wait, ends the thread.
  void Stop();

 private:
  void Run();
  Status TryToHold(absl::Duration timeout, bool& held);
  void Release();

  ApiClient& client_;
  const Clock& clock_;
  const Options options_;
  const Callbacks callbacks_;
  ObservedLease observed_;
  Cancellation cancel_;
  std::thread thread_;
};

}  // namespace berth::kube
