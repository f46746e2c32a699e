#pragma once

#include <vector>

#include "base/status.h"
#include "companion/statefulset/environment.h"
#include "companion/statefulset/observed.h"
#include "companion/statefulset/stateful_set.h"

namespace berth::statefulset {

// The pods that are the set's: owned, matching its selector and named as its pods are. Orphans that
// match are adopted, owned ones that match no more are let go; a set that is being deleted does
// neither. The errors of the calls; NOT_FOUND when the set itself is gone.
StatusOr<std::vector<ObservedPod>> ClaimPods(const Environment& environment,
                                             const StatefulSet& set);

// The revisions that are the set's, sorted; orphans are adopted likewise.
StatusOr<std::vector<ObservedRevision>> ClaimRevisions(const Environment& environment,
                                                       const StatefulSet& set);

}  // namespace berth::statefulset
