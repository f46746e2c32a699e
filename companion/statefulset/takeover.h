#pragma once

#include <string>

#include "absl/time/time.h"
#include "base/status.h"
#include "kube/cancellation.h"
#include "kube/client.h"
#include "kube/json_object.h"

namespace berth::statefulset {

// Who keeps the sets of apps/v1? Two controllers of one kind would fight over every pod, and
// nothing in the API says which ones run. So before Berth touches any:
//
//   a set without pods is created ──▶ somebody else writes its status? ── yes ──▶ not taken over
//                                          │ no, for as long as it takes to be sure
//                                          ▼
//   taken over ── another manager writes a controller's fields into any status ──▶ given up
//
// Thread-safe.
class Takeover {
 public:
  struct Options {
    std::string ns;  // where the canary is made
    // How long a running controller may take to notice a new set.
    absl::Duration canary_time = absl::Seconds(30);
  };
  // `api` outlives it.
  Takeover(kube::ApiClient& api, Options options) : api_(api), options_(std::move(options)) {}

  // Blocks for canary_time. OK: nobody else keeps sets of apps/v1. FAILED_PRECONDITION: somebody
  // does, named as the API server knows it. CANCELLED; UNAVAILABLE when
  // the watch ended early; the errors of the calls. The canary is
  // removed in every case that reaches the API server.
  Status Check(const kube::Cancellation& cancel);

  // The set that Check makes: nobody's, also while copies show it after its deletion.
  static bool IsCanary(const kube::JsonObject& set);

  // The name of a manager that wrote a controller's part of the set's status since `since`; empty:
  // nobody but us did. `set` still has its managedFields.
  static std::string ForeignController(const kube::JsonObject& set, absl::Time since);

 private:
  kube::ApiClient& api_;
  const Options options_;
};

}  // namespace berth::statefulset
