#include "companion/statefulset/ownership.h"

#include <optional>

#include "companion/statefulset/revision.h"
#include "kube/json_patch.h"

namespace berth::statefulset {
namespace {

// Adopts for one set. The set is looked up at the API server before the first adoption: the copy
// may be of a set that is being deleted, whose orphans are meant to stay.
class Adopter {
 public:
  Adopter(const Environment& environment, const StatefulSet& set)
      : environment_(environment), set_(set) {}

  template <typename T>
  StatusOr<T> Adopt(const T& orphan) {
    if (!confirmed_) BERTH_RETURN_IF_ERROR(Confirm());
    std::vector<Owner> owners = OwnersOf(orphan.metadata());
    owners.push_back(OwnerReference(set_));
    return PatchOwners(orphan, owners);
  }

  template <typename T>
  Status Release(const T& object) {
    std::vector<Owner> owners = OwnersOf(object.metadata());
    std::erase_if(owners, [&](const Owner& owner) { return owner.uid == set_.uid; });
    const Status released = PatchOwners(object, owners).status();
    return absl::IsNotFound(released) ? absl::OkStatus() : released;
  }

 private:
  Status Confirm() {
    BERTH_ASSIGN_OR_RETURN(const kube::JsonObject now,
                           environment_.api.GetJson(set_.resource, set_.key));
    if (now.metadata().uid() != set_.uid || now.metadata().has_deletiontimestamp()) {
      return absl::NotFoundError(set_.key.String() + " is being deleted: nothing is adopted");
    }
    confirmed_ = true;
    return absl::OkStatus();
  }

  template <typename T>
  StatusOr<T> PatchOwners(const T& object, const std::vector<Owner>& owners) {
    kube::JsonPatch patch;
    patch.Test("/metadata/uid", object.metadata().uid())
        .Test("/metadata/resourceVersion", object.metadata().resourceversion())
        .Add("/metadata/ownerReferences", OwnersJson(owners));
    return environment_.api.Patch<T>(kube::KeyOf(object), patch);
  }

  const Environment& environment_;
  const StatefulSet& set_;
  bool confirmed_ = false;
};

kube::Labels LabelsOf(const kube::meta::ObjectMeta& metadata) {
  return {metadata.labels().begin(), metadata.labels().end()};
}

// Somebody else was faster, or the object is gone: there is nothing to claim.
bool IsLost(const Status& status) { return absl::IsNotFound(status); }

}  // namespace

StatusOr<std::vector<ObservedPod>> ClaimPods(const Environment& environment,
                                             const StatefulSet& set) {
  Adopter adopter(environment, set);
  std::vector<ObservedPod> claimed;
  for (const Caches::Pod& pod : environment.caches.PodsOf(set.uid)) {
    const std::optional<int> ordinal = set.OrdinalOf(pod->metadata().name());
    if (!ordinal) continue;
    if (set.selector.Matches(LabelsOf(pod->metadata()))) {
      claimed.push_back(Observe(*pod, *ordinal));
    } else if (!set.terminating) {
      BERTH_RETURN_IF_ERROR(adopter.Release(*pod));
    }
  }
  if (set.terminating) return claimed;
  for (const Caches::Pod& pod : environment.caches.OrphanedPods(set.key.ns)) {
    const std::optional<int> ordinal = set.OrdinalOf(pod->metadata().name());
    if (!ordinal || pod->metadata().has_deletiontimestamp() ||
        !set.selector.Matches(LabelsOf(pod->metadata()))) {
      continue;
    }
    const StatusOr<kube::core::Pod> adopted = adopter.Adopt(*pod);
    if (IsLost(adopted.status())) continue;
    BERTH_RETURN_IF_ERROR(adopted.status());
    claimed.push_back(Observe(*adopted, *ordinal));
  }
  return claimed;
}

StatusOr<std::vector<ObservedRevision>> ClaimRevisions(const Environment& environment,
                                                       const StatefulSet& set) {
  Adopter adopter(environment, set);
  std::vector<ObservedRevision> claimed;
  for (const Caches::Revision& revision : environment.caches.RevisionsOf(set.uid)) {
    claimed.push_back(Observe(*revision));
  }
  if (!set.terminating) {
    for (const Caches::Revision& revision : environment.caches.OrphanedRevisions(set.key.ns)) {
      if (!set.selector.Matches(LabelsOf(revision->metadata()))) continue;
      const StatusOr<kube::apps::ControllerRevision> adopted = adopter.Adopt(*revision);
      if (IsLost(adopted.status())) continue;
      BERTH_RETURN_IF_ERROR(adopted.status());
      claimed.push_back(Observe(*adopted));
    }
  }
  SortRevisions(claimed);
  return claimed;
}

}  // namespace berth::statefulset
