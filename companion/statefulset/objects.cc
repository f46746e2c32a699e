#include "companion/statefulset/objects.h"

#include <algorithm>
#include <set>
#include <utility>

#include "companion/statefulset/canonical_json.h"
#include "companion/statefulset/labels.h"
#include "companion/statefulset/revision.h"
#include "kube/json_fields.h"
#include "kube/quantity.h"

namespace berth::statefulset {
namespace {

using nlohmann::json;

constexpr char kPodKind[] = "Pod";
constexpr char kPodApiVersion[] = "v1";

bool Names(const Owner& owner, const StatefulSet& set) {
  return owner.api_version == set.ApiVersion() && owner.kind == set.resource.kind &&
         owner.name == set.key.name;
}
bool Names(const Owner& owner, const ClaimPod& pod) {
  return owner.api_version == kPodApiVersion && owner.kind == kPodKind && owner.name == pod.name;
}

bool HasOwner(const ObservedClaim& claim, const std::string& uid) {
  return std::any_of(claim.owners.begin(), claim.owners.end(),
                     [&](const Owner& owner) { return owner.uid == uid; });
}

// Who shall own a claim.
struct WantedOwners {
  bool set = false;
  bool pod = false;
};
WantedOwners Want(const StatefulSet& set, const ClaimPod& pod) {
  const ClaimRetention& retention = set.retention;
  WantedOwners want;
  // A claim that goes with its pod must not wait for the set.
  want.pod = retention.delete_when_scaled && !pod.wanted;
  want.set = retention.delete_when_deleted && !want.pod;
  return want;
}

// Claims of templates come first; they replace volumes of the same name.
json Volumes(const StatefulSet& set, const json& spec, int ordinal) {
  json volumes = json::array();
  std::set<std::string> claimed;
  for (const json& claim : set.claim_templates) {
    const std::string name = kube::TextIn(kube::Member(claim, "metadata"), "name");
    claimed.insert(name);
    volumes.push_back({{"name", name},
                       {"persistentVolumeClaim", {{"claimName", set.ClaimName(claim, ordinal)}}}});
  }
  for (const json& volume : kube::Member(spec, "volumes")) {
    if (!claimed.contains(kube::TextIn(volume, "name"))) volumes.push_back(volume);
  }
  return volumes;
}

bool HaveNames(const json& list) {
  return list.is_array() && std::all_of(list.begin(), list.end(), [](const json& entry) {
           return entry.is_object() && entry.contains("name");
         });
}

// The template's spec, asking for the size that the set's claims have grown to.
json ClaimSpec(const StatefulSet& set, const json& claim_template) {
  json spec = kube::Member(claim_template, "spec");
  const auto grown =
      set.options.claim_bytes.find(kube::TextIn(kube::Member(claim_template, "metadata"), "name"));
  if (grown == set.options.claim_bytes.end()) return spec;
  const json& requests = kube::Member(kube::Member(spec, "resources"), "requests");
  const StatusOr<int64_t> asked = kube::ParseQuantity(kube::TextIn(requests, "storage"));
  if (!asked.ok() || *asked < grown->second) {
    spec["resources"]["requests"]["storage"] = kube::FormatQuantity(grown->second);
  }
  return spec;
}

}  // namespace

std::string OverrideHash(const StatefulSet& set, int ordinal) {
  const auto found = set.options.overrides.find(ordinal);
  return found == set.options.overrides.end() ? "" : RevisionHash(CanonicalJson(found->second), 0);
}

json MergeTemplate(json pod_template, const json& patch) {
  if (patch.is_array() && HaveNames(pod_template) && HaveNames(patch)) {
    for (const json& entry : patch) {
      const auto same =
          std::find_if(pod_template.begin(), pod_template.end(),
                       [&](const json& known) { return known.at("name") == entry.at("name"); });
      if (same == pod_template.end()) {
        pod_template.push_back(entry);
      } else {
        *same = MergeTemplate(*same, entry);
      }
    }
    return pod_template;
  }
  if (!patch.is_object()) return patch;
  if (!pod_template.is_object()) pod_template = json::object();
  for (const auto& [key, value] : patch.items()) {
    if (value.is_null()) {
      pod_template.erase(key);
    } else {
      pod_template[key] = MergeTemplate(kube::Member(pod_template, key), value);
    }
  }
  return pod_template;
}

json BuildPod(const StatefulSet& set, const json& revised_template, const std::string& revision,
              int ordinal) {
  const std::string name = set.PodName(ordinal);
  const auto override = set.options.overrides.find(ordinal);
  const json pod_template = override == set.options.overrides.end()
                                ? revised_template
                                : MergeTemplate(revised_template, override->second);
  const json& wanted = kube::Member(pod_template, "metadata");
  json metadata = {{"name", name},
                   {"namespace", set.key.ns},
                   {"generateName", set.key.name + "-"},
                   {"ownerReferences", OwnersJson({OwnerReference(set)})}};
  for (const char* field : {"labels", "annotations", "finalizers"}) {
    if (const json& value = kube::Member(wanted, field); !value.is_null()) metadata[field] = value;
  }
  metadata["labels"][kPodNameLabel] = name;
  metadata["labels"][kPodIndexLabel] = std::to_string(ordinal);
  metadata["labels"][kRevisionLabel] = revision;
  if (const std::string hash = OverrideHash(set, ordinal); !hash.empty()) {
    metadata["labels"][kOverrideLabel] = hash;
  }

  json spec = kube::Member(pod_template, "spec");
  spec["hostname"] = name;
  if (!set.service_name.empty()) spec["subdomain"] = set.service_name;
  json volumes = Volumes(set, spec, ordinal);
  if (!volumes.empty()) spec["volumes"] = std::move(volumes);
  return {{"metadata", std::move(metadata)}, {"spec", std::move(spec)}};
}

json BuildClaim(const StatefulSet& set, const json& claim_template, int ordinal) {
  const json& wanted = kube::Member(claim_template, "metadata");
  json metadata = {{"name", set.ClaimName(claim_template, ordinal)}, {"namespace", set.key.ns}};
  for (const char* field : {"labels", "annotations", "finalizers"}) {
    if (const json& value = kube::Member(wanted, field); !value.is_null()) metadata[field] = value;
  }
  for (const auto& [key, value] : set.selector.match_labels()) metadata["labels"][key] = value;
  if (Want(set, {}).set) metadata["ownerReferences"] = OwnersJson({OwnerReference(set)});
  return {{"metadata", std::move(metadata)}, {"spec", ClaimSpec(set, claim_template)}};
}

bool HasStaleOwner(const ObservedClaim& claim, const StatefulSet& set, const ClaimPod& pod) {
  return std::any_of(claim.owners.begin(), claim.owners.end(), [&](const Owner& owner) {
    return (Names(owner, set) && owner.uid != set.uid) ||
           (Names(owner, pod) && owner.uid != pod.uid);
  });
}

bool HasForeignController(const ObservedClaim& claim, const StatefulSet& set, const ClaimPod& pod) {
  if (!set.retention.delete_when_deleted && !set.retention.delete_when_scaled) return false;
  return std::any_of(claim.owners.begin(), claim.owners.end(), [&](const Owner& owner) {
    return owner.controller && !Names(owner, set) && !Names(owner, pod);
  });
}

std::optional<std::vector<Owner>> OwnersToSet(const ObservedClaim& claim, const StatefulSet& set,
                                              const ClaimPod& pod) {
  if (HasStaleOwner(claim, set, pod)) return std::nullopt;
  const WantedOwners want = HasForeignController(claim, set, pod) ? WantedOwners{} : Want(set, pod);
  const bool ours_control =
      std::all_of(claim.owners.begin(), claim.owners.end(), [&](const Owner& owner) {
        return owner.controller || (owner.uid != set.uid && owner.uid != pod.uid);
      });
  if (HasOwner(claim, set.uid) == want.set && HasOwner(claim, pod.uid) == want.pod &&
      ours_control) {
    return std::nullopt;
  }
  std::vector<Owner> owners = claim.owners;
  std::erase_if(owners, [&](const Owner& owner) { return Names(owner, set) || Names(owner, pod); });
  if (want.set) owners.push_back(OwnerReference(set));
  if (want.pod) owners.push_back({kPodApiVersion, kPodKind, pod.name, pod.uid, true, true});
  return owners;
}

}  // namespace berth::statefulset
