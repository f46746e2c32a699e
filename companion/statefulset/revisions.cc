#include "companion/statefulset/revisions.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "kube/json_patch.h"

namespace berth::statefulset {
namespace {

using Revision = kube::apps::ControllerRevision;

// Two templates with one hash are rare; so many of them are a mistake of ours.
constexpr int kMaxCollisions = 20;

Write Stored(const Revision& revision) {
  return {Write::Object::kRevision, Write::Kind::kStored, revision.metadata().name(),
          revision.metadata().uid(), revision.metadata().resourceversion()};
}

// The revision of that data, made or found; a name that another template has is passed over.
StatusOr<Revision> CreateRevision(const Environment& environment, const StatefulSet& set,
                                  const RevisionPlan& plan, int& collision_count) {
  for (int tries = 0; tries < kMaxCollisions; ++tries) {
    const Revision wanted = BuildRevision(set, plan.data, plan.number, collision_count);
    StatusOr<Revision> created = environment.api.Create(wanted);
    if (!absl::IsAlreadyExists(created.status())) return created;
    BERTH_ASSIGN_OR_RETURN(Revision found, environment.api.Get<Revision>(kube::KeyOf(wanted)));
    if (found.data().raw() == plan.data) return found;
    ++collision_count;
  }
  return absl::InternalError(fmt::format("{}: no free name for a ControllerRevision in {} tries",
                                         set.key.String(), kMaxCollisions));
}

StatusOr<Revision> Renumber(const Environment& environment, const StatefulSet& set,
                            const ObservedRevision& revision, int64_t number) {
  kube::JsonPatch patch;
  patch.Test("/metadata/uid", revision.uid).Add("/revision", number);
  return environment.api.Patch<Revision>({set.key.ns, revision.name}, patch);
}

const ObservedRevision* Find(const std::vector<ObservedRevision>& all, const std::string& name) {
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const auto& known) { return known.name == name; });
  return found == all.end() ? nullptr : &*found;
}

// The name of the revision that the set's template is.
StatusOr<std::string> UpdateRevision(const Environment& environment, const StatefulSet& set,
                                     Revisions& revisions,
                                     Synchronized<Expectations>& expectations) {
  const RevisionPlan plan = PlanRevisions(set, revisions.all);
  if (plan.kind == RevisionPlan::Kind::kKeep) return revisions.all[plan.update].name;
  if (plan.kind == RevisionPlan::Kind::kRenumber) {
    ObservedRevision& known = revisions.all[plan.update];
    std::string name = known.name;
    BERTH_ASSIGN_OR_RETURN(const Revision renumbered,
                           Renumber(environment, set, known, plan.number));
    known.number = plan.number;
    expectations.Lock()->Add(Stored(renumbered));
    SortRevisions(revisions.all);
    return name;
  }
  BERTH_ASSIGN_OR_RETURN(const Revision created,
                         CreateRevision(environment, set, plan, revisions.collision_count));
  expectations.Lock()->Add(Stored(created));
  revisions.all.push_back(Observe(created));
  return created.metadata().name();
}

}  // namespace

StatusOr<Revisions> SyncRevisions(const Environment& environment, const StatefulSet& set,
                                  std::vector<ObservedRevision> known,
                                  Synchronized<Expectations>& expectations) {
  Revisions revisions;
  revisions.all = std::move(known);
  revisions.collision_count = set.status.collision_count;
  BERTH_ASSIGN_OR_RETURN(revisions.names.update,
                         UpdateRevision(environment, set, revisions, expectations));
  const bool has_current = Find(revisions.all, set.status.current_revision) != nullptr;
  revisions.names.current = has_current ? set.status.current_revision : revisions.names.update;
  for (const std::string& name : {revisions.names.current, revisions.names.update}) {
    BERTH_ASSIGN_OR_RETURN(revisions.templates[name], TemplateOf(*Find(revisions.all, name)));
  }
  return revisions;
}

Status TruncateHistory(const Environment& environment, const StatefulSet& set,
                       const Revisions& revisions, const std::vector<ObservedPod>& pods,
                       Synchronized<Expectations>& expectations) {
  const std::vector<std::string> live = {revisions.names.current, revisions.names.update};
  for (const ObservedRevision* old : RevisionsToDelete(set, revisions.all, pods, live)) {
    const Status deleted =
        environment.api.Delete<Revision>({set.key.ns, old->name}, {.uid = old->uid});
    if (!deleted.ok() && !absl::IsNotFound(deleted)) return deleted;
    expectations.Lock()->Add(
        {Write::Object::kRevision, Write::Kind::kDeleted, old->name, old->uid, ""});
  }
  return absl::OkStatus();
}

}  // namespace berth::statefulset
