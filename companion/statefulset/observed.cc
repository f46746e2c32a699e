#include "companion/statefulset/observed.h"

#include <algorithm>

#include "companion/statefulset/labels.h"
#include "kube/quantity.h"

namespace berth::statefulset {
namespace {

constexpr char kStorage[] = "storage";

PodPhase PhaseOf(const std::string& phase) {
  if (phase == "Running") return PodPhase::kRunning;
  if (phase == "Succeeded") return PodPhase::kSucceeded;
  if (phase == "Failed") return PodPhase::kFailed;
  if (phase == "Pending" || phase.empty()) return PodPhase::kPending;
  return PodPhase::kUnknown;
}

}  // namespace

std::vector<Owner> OwnersOf(const kube::meta::ObjectMeta& metadata) {
  std::vector<Owner> owners;
  for (const kube::meta::OwnerReference& reference : metadata.ownerreferences()) {
    owners.push_back({reference.apiversion(), reference.kind(), reference.name(), reference.uid(),
                      reference.controller(), reference.blockownerdeletion()});
  }
  return owners;
}

const Owner* ControllerOf(const std::vector<Owner>& owners) {
  const auto found = std::find_if(owners.begin(), owners.end(),
                                  [](const Owner& owner) { return owner.controller; });
  return found == owners.end() ? nullptr : &*found;
}

nlohmann::json OwnersJson(const std::vector<Owner>& owners) {
  nlohmann::json list = nlohmann::json::array();
  for (const Owner& owner : owners) {
    nlohmann::json entry = {{"apiVersion", owner.api_version},
                            {"kind", owner.kind},
                            {"name", owner.name},
                            {"uid", owner.uid}};
    if (owner.controller) entry["controller"] = true;
    if (owner.block_deletion) entry["blockOwnerDeletion"] = true;
    list.push_back(std::move(entry));
  }
  return list;
}

Owner OwnerReference(const StatefulSet& set) {
  return {set.ApiVersion(), std::string(set.resource.kind), set.key.name, set.uid, true, true};
}

std::string ObservedPod::revision() const {
  const auto label = labels.find(kRevisionLabel);
  return label == labels.end() ? "" : label->second;
}

std::string ObservedPod::override_hash() const {
  const auto label = labels.find(kOverrideLabel);
  return label == labels.end() ? "" : label->second;
}

absl::Time ObservedPod::AvailableAt(const StatefulSet& set) const {
  if (!ready) return absl::InfiniteFuture();
  if (set.min_ready_seconds == 0) return absl::InfinitePast();
  if (ready_since == absl::InfinitePast()) return absl::InfiniteFuture();
  return ready_since + absl::Seconds(set.min_ready_seconds);
}

ObservedPod Observe(const kube::core::Pod& pod, int ordinal) {
  ObservedPod observed;
  observed.name = pod.metadata().name();
  observed.uid = pod.metadata().uid();
  observed.ordinal = ordinal;
  observed.phase = PhaseOf(pod.status().phase());
  for (const kube::core::PodCondition& condition : pod.status().conditions()) {
    if (condition.type() != "Ready") continue;
    observed.ready = condition.status() == "True";
    if (condition.has_lasttransitiontime()) {
      observed.ready_since = absl::FromUnixSeconds(condition.lasttransitiontime().seconds());
    }
  }
  observed.terminating = pod.metadata().has_deletiontimestamp();
  observed.labels = {pod.metadata().labels().begin(), pod.metadata().labels().end()};
  observed.owners = OwnersOf(pod.metadata());
  for (const kube::core::PodIP& ip : pod.status().podips()) observed.addresses.push_back(ip.ip());
  for (const kube::core::PodSchedulingGate& gate : pod.spec().schedulinggates()) {
    observed.gated = observed.gated || gate.name() == kTurnGate;
  }
  observed.only_gate = observed.gated && pod.spec().schedulinggates_size() == 1;
  for (const kube::core::Volume& volume : pod.spec().volumes()) {
    if (!volume.volumesource().has_persistentvolumeclaim()) continue;
    observed.claim_of_volume[volume.name()] =
        volume.volumesource().persistentvolumeclaim().claimname();
  }
  return observed;
}

ObservedClaim Observe(const kube::core::PersistentVolumeClaim& claim) {
  ObservedClaim observed;
  observed.name = claim.metadata().name();
  observed.uid = claim.metadata().uid();
  observed.resource_version = claim.metadata().resourceversion();
  observed.terminating = claim.metadata().has_deletiontimestamp();
  observed.owners = OwnersOf(claim.metadata());
  const auto& requests = claim.spec().resources().requests();
  if (const auto request = requests.find(kStorage); request != requests.end()) {
    observed.requested_bytes = kube::ParseQuantity(request->second.string()).value_or(0);
  }
  return observed;
}

ObservedRevision Observe(const kube::apps::ControllerRevision& revision) {
  return {revision.metadata().name(),
          revision.metadata().uid(),
          revision.metadata().resourceversion(),
          revision.revision(),
          absl::FromUnixSeconds(revision.metadata().creationtimestamp().seconds()),
          revision.data().raw(),
          OwnersOf(revision.metadata())};
}

void Trim(kube::core::Pod& pod) {
  pod.mutable_metadata()->clear_annotations();
  pod.mutable_metadata()->clear_finalizers();
  const std::string phase = pod.status().phase();
  std::vector<kube::core::PodCondition> ready;
  std::vector<kube::core::Volume> claims;
  std::vector<kube::core::PodSchedulingGate> gates;
  std::vector<kube::core::PodIP> addresses;
  const std::vector<Owner> owners = OwnersOf(pod.metadata());
  const Owner* controller = ControllerOf(owners);
  if (controller != nullptr && controller->kind != kAppsStatefulSets.kind) {
    pod.mutable_metadata()->clear_labels();
  } else {
    for (const kube::core::PodCondition& condition : pod.status().conditions()) {
      if (condition.type() == "Ready") ready.push_back(condition);
    }
    for (const kube::core::Volume& volume : pod.spec().volumes()) {
      if (volume.volumesource().has_persistentvolumeclaim()) claims.push_back(volume);
    }
    gates.assign(pod.spec().schedulinggates().begin(), pod.spec().schedulinggates().end());
    addresses.assign(pod.status().podips().begin(), pod.status().podips().end());
  }
  pod.mutable_spec()->Clear();
  pod.mutable_status()->Clear();
  pod.mutable_status()->set_phase(phase);
  for (const auto& condition : ready) *pod.mutable_status()->add_conditions() = condition;
  for (const auto& volume : claims) *pod.mutable_spec()->add_volumes() = volume;
  for (const auto& gate : gates) *pod.mutable_spec()->add_schedulinggates() = gate;
  for (const auto& address : addresses) *pod.mutable_status()->add_podips() = address;
}

void Trim(kube::core::PersistentVolumeClaim& claim) {
  claim.mutable_metadata()->clear_annotations();
  claim.mutable_metadata()->clear_labels();
  claim.mutable_metadata()->clear_finalizers();
  claim.mutable_status()->Clear();
  kube::core::PersistentVolumeClaimSpec spec;
  *spec.mutable_resources()->mutable_requests() = claim.spec().resources().requests();
  claim.mutable_spec()->Swap(&spec);
}

}  // namespace berth::statefulset
