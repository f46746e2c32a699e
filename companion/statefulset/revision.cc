#include "companion/statefulset/revision.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "companion/statefulset/canonical_json.h"
#include "companion/statefulset/labels.h"
#include "kube/json_fields.h"

namespace berth::statefulset {
namespace {

using nlohmann::json;

constexpr char kPatch[] = "$patch";
constexpr size_t kMaxPrefixBytes = 223;
constexpr std::string_view kHashLetters = "bcdfghjklmnpqrstvwxz2456789";

// Null members say nothing, and Kubernetes before 1.34 wrote one ("creationTimestamp": null).
json WithoutNulls(const json& value) {
  if (value.is_array()) {
    json list = json::array();
    for (const json& entry : value) list.push_back(WithoutNulls(entry));
    return list;
  }
  if (!value.is_object()) return value;
  json object = json::object();
  for (const auto& [key, member] : value.items()) {
    if (!member.is_null()) object[key] = WithoutNulls(member);
  }
  return object;
}

}  // namespace

std::string RevisionData(const json& pod_template) {
  json patched = pod_template;
  patched[kPatch] = "replace";
  return CanonicalJson({{"spec", {{"template", std::move(patched)}}}});
}

StatusOr<json> TemplateOf(const ObservedRevision& revision) {
  const json data = json::parse(revision.data, nullptr, /*allow_exceptions=*/false);
  json pod_template = kube::Member(kube::Member(data, "spec"), "template");
  if (!pod_template.is_object()) {
    return absl::DataLossError(
        fmt::format("ControllerRevision {} holds no pod template; delete it if no pod is of it",
                    revision.name));
  }
  pod_template.erase(kPatch);
  return pod_template;
}

bool MeansTheSame(const std::string& data, const std::string& stored) {
  const json a = json::parse(data, nullptr, false);
  const json b = json::parse(stored, nullptr, false);
  return !a.is_discarded() && !b.is_discarded() && WithoutNulls(a) == WithoutNulls(b);
}

std::string RevisionHash(std::string_view data, int collision_count) {
  uint32_t hash = 2166136261U;
  for (const char c : std::string(data) + std::to_string(collision_count)) {
    hash = hash * 16777619U ^ static_cast<unsigned char>(c);
  }
  std::string letters = std::to_string(hash);
  for (char& c : letters) c = kHashLetters[static_cast<unsigned char>(c) % kHashLetters.size()];
  return letters;
}

std::string RevisionName(const std::string& set_name, const std::string& hash) {
  return fmt::format("{}-{}", set_name.substr(0, kMaxPrefixBytes), hash);
}

kube::apps::ControllerRevision BuildRevision(const StatefulSet& set, const std::string& data,
                                             int64_t number, int collision_count) {
  const std::string hash = RevisionHash(data, collision_count);
  kube::apps::ControllerRevision revision;
  kube::meta::ObjectMeta& metadata = *revision.mutable_metadata();
  metadata.set_name(RevisionName(set.key.name, hash));
  metadata.set_namespace_(set.key.ns);
  const json& template_metadata = kube::Member(set.pod_template, "metadata");
  for (const auto& [key, value] : kube::TextsIn(template_metadata, "labels")) {
    (*metadata.mutable_labels())[key] = value;
  }
  (*metadata.mutable_labels())[kHashLabel] = hash;
  for (const auto& [key, value] : set.annotations) (*metadata.mutable_annotations())[key] = value;
  const Owner owner = OwnerReference(set);
  kube::meta::OwnerReference& reference = *metadata.add_ownerreferences();
  reference.set_apiversion(owner.api_version);
  reference.set_kind(owner.kind);
  reference.set_name(owner.name);
  reference.set_uid(owner.uid);
  reference.set_controller(owner.controller);
  reference.set_blockownerdeletion(owner.block_deletion);
  revision.mutable_data()->set_raw(data);
  revision.set_revision(number);
  return revision;
}

RevisionPlan PlanRevisions(const StatefulSet& set, const std::vector<ObservedRevision>& revisions) {
  RevisionPlan plan;
  plan.data = RevisionData(set.pod_template);
  plan.number = revisions.empty() ? 1 : revisions.back().number + 1;
  const auto equal = std::find_if(revisions.rbegin(), revisions.rend(),
                                  [&](const auto& known) { return known.data == plan.data; });
  if (equal != revisions.rend()) {
    plan.update = static_cast<size_t>(revisions.rend() - equal) - 1;
    const bool newest = plan.update + 1 == revisions.size();
    plan.kind = newest ? RevisionPlan::Kind::kKeep : RevisionPlan::Kind::kRenumber;
  } else if (!revisions.empty() && MeansTheSame(plan.data, revisions.back().data)) {
    plan.update = revisions.size() - 1;
  } else {
    plan.kind = RevisionPlan::Kind::kCreate;
  }
  return plan;
}

void SortRevisions(std::vector<ObservedRevision>& revisions) {
  std::stable_sort(revisions.begin(), revisions.end(), [](const auto& a, const auto& b) {
    return std::tie(a.number, a.created, a.name) < std::tie(b.number, b.created, b.name);
  });
}

std::vector<const ObservedRevision*> RevisionsToDelete(
    const StatefulSet& set, const std::vector<ObservedRevision>& revisions,
    const std::vector<ObservedPod>& pods, const std::vector<std::string>& live) {
  std::set<std::string> kept(live.begin(), live.end());
  for (const ObservedPod& pod : pods) kept.insert(pod.revision());
  std::vector<const ObservedRevision*> old;
  for (const ObservedRevision& revision : revisions) {
    if (!kept.contains(revision.name)) old.push_back(&revision);
  }
  if (set.revision_history_limit < 0) return {};
  const auto limit = static_cast<size_t>(set.revision_history_limit);
  old.resize(old.size() > limit ? old.size() - limit : 0);
  return old;
}

}  // namespace berth::statefulset
