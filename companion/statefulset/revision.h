// ControllerRevisions: what pod templates a set had. Names, data and numbers are what Kubernetes'
// own controller writes, byte for byte, so that either can go on where the other stopped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "companion/statefulset/observed.h"
#include "companion/statefulset/stateful_set.h"

namespace berth::statefulset {

// {"spec":{"template":{"$patch":"replace",...}}}
std::string RevisionData(const nlohmann::json& pod_template);
// The pod template that the data restores. DATA_LOSS for data of another shape.
StatusOr<nlohmann::json> TemplateOf(const ObservedRevision& revision);

// Whether two data restore equal templates, though their bytes may differ.
bool MeansTheSame(const std::string& data, const std::string& stored);

// FNV-1 (32 bits) over the data and the collision count in decimal, in letters that spell no words.
std::string RevisionHash(std::string_view data, int collision_count);
// "<set>-<hash>", the set's name cut at 223 bytes.
std::string RevisionName(const std::string& set_name, const std::string& hash);
// The object to create. A message and no JSON, so that the API server stores the data's very bytes.
kube::apps::ControllerRevision BuildRevision(const StatefulSet& set, const std::string& data,
                                             int64_t number, int collision_count);

// What must happen to the revisions before pods are looked at. `revisions` are the set's own.
struct RevisionPlan {
  enum class Kind {
    kKeep,      // revisions[update] is the set's template
    kRenumber,  // ... once its number is `number`: the template is that of an older revision
    kCreate,    // a revision with `data` and `number` must be made
  };
  Kind kind = Kind::kKeep;
  size_t update = 0;
  std::string data;
  int64_t number = 0;
};
RevisionPlan PlanRevisions(const StatefulSet& set, const std::vector<ObservedRevision>& revisions);

// By number, then age, then name: how Kubernetes lines them up.
void SortRevisions(std::vector<ObservedRevision>& revisions);

// The revisions above the set's limit that neither its status nor a pod stands for, oldest first.
// `live` are the names of the current and the update revision; `revisions` are sorted.
std::vector<const ObservedRevision*> RevisionsToDelete(
    const StatefulSet& set, const std::vector<ObservedRevision>& revisions,
    const std::vector<ObservedPod>& pods, const std::vector<std::string>& live);

}  // namespace berth::statefulset
