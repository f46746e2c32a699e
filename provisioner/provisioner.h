#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/status.h"
#include "kube/client.h"
#include "kube/lease.h"

namespace berth::provisioner {

struct Options {
  // How this replica calls itself in events and, with the driver's name, in volumes; for example
  // the pod's name.
  std::string instance;
  // The event source; the program's name.
  std::string component = "berth-controller";
  // At the same moment, at most:
  int claim_workers = 16;
  int volume_workers = 16;
  int attach_workers = 16;
  int detach_workers = 16;
  absl::Duration csi_call_timeout = absl::Seconds(60);  // then the call is repeated with back-off
  // With a lease: the loops run only while this replica holds it. Its `name` may be empty: then it
  // is the driver's name, and its `identity`: then it is `instance`.
  std::optional<kube::LeaderElector::Options> lease;
};

// The controller loops around a CSI driver: claims to volumes, deletion, attach and detach, with
// their events. It speaks to the driver through CSI alone.
//
//   Start ──► driver's name and capabilities ──► caches synced ──► (lease held) ──► loops run
//                        │ not yet: again, for ever                   │ lost: loops stop
//
// Nothing of it ends the program: what cannot be reached is tried again, and logged.
class Provisioner {
 public:
  // `api` and `clock` outlive the provisioner. Nothing happens before Start.
  Provisioner(kube::ApiClient& api, const Clock& clock,
              const std::shared_ptr<grpc::Channel>& driver, Options options);
  // Stops.
  ~Provisioner();

  // INVALID_ARGUMENT for options that cannot work. Returns at once; all work is on own threads.
  Status Start();
  // Cancels the calls to the driver, waits for the loops, gives the lease back. Start cannot
  // follow.
  void Stop();

  // True while the loops run in this replica. Thread-safe.
  bool leading() const;
  // How many objects wait or are in work.
  size_t backlog() const;

 private:
  class Loops;
  const std::unique_ptr<Loops> loops_;
};

}  // namespace berth::provisioner
