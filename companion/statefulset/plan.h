// What to do next for one set: a pure function of what was observed.
//
//   replicas in order ──all fine──► surplus pods from the top ──none left──► rolling update from
//   the top
//        │ OrderedReady: the first one that is not Running, Ready and Available ends the plan
//        ▼
//   create, remake or repair it
//
// The semantics are those of Kubernetes' StatefulSet controller. The partition counts from
// ordinals.start, as there: with a start of 5, a partition of 2 keeps 5 and 6.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "companion/statefulset/observed.h"
#include "companion/statefulset/stateful_set.h"

namespace berth::statefulset {

struct Action {
  enum class Kind {
    kCreateClaim,  // `claim_template` for `ordinal`
    kGrowClaim,    // `claim` to `bytes`
    kSetOwners,    // of `claim` to `owners`
    kCreatePod,    // `ordinal` of `revision`
    kRelabelPod,   // `pod`'s identity labels were changed: write them again
    kOpenGate,     // of `pod`: its turn has come
    kDeletePod,    // `pod`, for `reason`
    kReport,       // nothing can be done: an event of `message`
  };
  enum class Reason { kFailed, kSucceeded, kScaledDown, kUpdate, kStuck };

  Kind kind;
  int ordinal = 0;
  std::string claim_template = {};  // its name
  std::string claim = {};
  std::vector<Owner> owners = {};
  int64_t bytes = 0;
  std::string revision = {};
  std::string pod = {};
  std::string uid = {};  // of the pod or claim; an object of another uid is not touched
  std::string resource_version = {};  // of kSetOwners: not when it has changed since
  Reason reason = Reason::kFailed;
  std::string message = {};
};

// Actions about one pod, in order; the first that fails ends it.
using Work = std::vector<Action>;

// Parallel work may be done at once (Kubernetes starts with one and doubles); other work in order.
// A failure ends the plan after the work that was begun.
struct Stage {
  bool parallel = false;
  std::vector<Work> work;
};

struct Plan {
  std::vector<Stage> stages;
  // As observed, before the actions; pods that the update deletes are no longer current.
  SetStatus status;
  // With the pods that the plan creates: what will be observed once it is carried out. Written at
  // once, it saves a second write when they show.
  SetStatus status_after;
  // Look again at this time, when a pod will have been ready for long enough.
  absl::Time again = absl::InfiniteFuture();
  // What OrderedReady waits for, for people; empty when it waits for nothing.
  std::string waiting_for;
};

// The revisions that pods are made of: names of ControllerRevisions.
struct PlanRevisionNames {
  std::string current;
  std::string update;
};

// `pods` are the set's own, one per name. `claims` are those of its namespace.
Plan PlanPods(const StatefulSet& set, const PlanRevisionNames& revisions, int collision_count,
              const std::vector<ObservedPod>& pods, const ClaimsByName& claims, absl::Time now);

// What Berth adds to a set that another controller runs: claims made ahead, claims that grow, stuck
// pods replaced, gates opened in turn. Its revisions are those of the set's status.
Plan PlanBeside(const StatefulSet& set, const std::vector<ObservedPod>& pods,
                const ClaimsByName& claims, absl::Time now);

// At most so many pods or claims are created by one plan; the next one goes on.
inline constexpr int kMaxCreatedPerPlan = 1000;

}  // namespace berth::statefulset
