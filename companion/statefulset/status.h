#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "absl/time/time.h"
#include "base/status.h"
#include "companion/statefulset/plan.h"
#include "companion/statefulset/stateful_set.h"

namespace berth::statefulset {

// The status to write for a set once its plan was carried out with `outcome`, as a merge patch of
// its status subresource that is refused when the set has changed since; null when it is there
// already. Beside the numbers, which are those of apps/v1, it carries conditions for `kubectl
// wait`:
//   Available       all replicas are there and available
//   Progressing     something is on its way; the message says what is waited for
//   ReplicaFailure  a call failed; the message is its error
// Conditions of other types are kept.
nlohmann::json StatusPatch(const StatefulSet& set, const Plan& plan, const Status& outcome,
                           absl::Time now);

}  // namespace berth::statefulset
