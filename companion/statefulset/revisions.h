#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "base/synchronized.h"
#include "companion/statefulset/actor.h"
#include "companion/statefulset/environment.h"
#include "companion/statefulset/plan.h"
#include "companion/statefulset/revision.h"

namespace berth::statefulset {

// A set's revisions once its template is one of them.
struct Revisions {
  std::vector<ObservedRevision> all;  // sorted
  PlanRevisionNames names;
  TemplatesByRevision templates;  // of the current and the update revision
  int collision_count = 0;
};

// Brings the set's template among its revisions `known`, by calls to the API server; what was
// written goes to `expectations`. DATA_LOSS when the current revision cannot be read.
StatusOr<Revisions> SyncRevisions(const Environment& environment, const StatefulSet& set,
                                  std::vector<ObservedRevision> known,
                                  Synchronized<Expectations>& expectations);

// Deletes the revisions above the set's limit.
Status TruncateHistory(const Environment& environment, const StatefulSet& set,
                       const Revisions& revisions, const std::vector<ObservedPod>& pods,
                       Synchronized<Expectations>& expectations);

}  // namespace berth::statefulset
