#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "companion/statefulset/stateful_set.h"
#include "kube/apps_v1.h"
#include "kube/core_v1.h"

namespace berth::statefulset {

struct Owner {
  std::string api_version;
  std::string kind;
  std::string name;
  std::string uid;
  bool controller = false;
  bool block_deletion = false;

  bool operator==(const Owner&) const = default;
};
std::vector<Owner> OwnersOf(const kube::meta::ObjectMeta& metadata);
// Null when no owner is the controller.
const Owner* ControllerOf(const std::vector<Owner>& owners);
nlohmann::json OwnersJson(const std::vector<Owner>& owners);
// The set as a controlling owner.
Owner OwnerReference(const StatefulSet& set);

// A scheduling gate in a pod template: Berth takes it off each pod when its turn has come.
inline constexpr char kTurnGate[] = "berth.storage/in-turn";

enum class PodPhase { kPending, kRunning, kSucceeded, kFailed, kUnknown };

// A pod as the plan looks at it.
struct ObservedPod {
  std::string name;
  std::string uid;
  int ordinal = 0;
  PodPhase phase = PodPhase::kPending;
  bool ready = false;
  absl::Time ready_since = absl::InfinitePast();
  bool terminating = false;
  std::map<std::string, std::string> labels;
  std::vector<Owner> owners;
  std::map<std::string, std::string> claim_of_volume;  // claim names by volume name

  std::vector<std::string> addresses;
  bool gated = false;       // it has kTurnGate
  bool only_gate = false;   // ... and no other
  bool name_served = true;  // or nobody waits for that

  std::string revision() const;
  std::string override_hash() const;
  bool ended() const { return phase == PodPhase::kFailed || phase == PodPhase::kSucceeded; }
  bool running_and_ready() const { return phase == PodPhase::kRunning && ready; }
  // When it has been, or will have been, ready for long enough; never while it is not ready.
  absl::Time AvailableAt(const StatefulSet& set) const;
  bool available(const StatefulSet& set, absl::Time now) const { return AvailableAt(set) <= now; }
};
// `ordinal` is the pod's in `set`.
ObservedPod Observe(const kube::core::Pod& pod, int ordinal);

struct ObservedClaim {
  std::string name;
  std::string uid;
  std::string resource_version;
  bool terminating = false;
  std::vector<Owner> owners;
  int64_t requested_bytes = 0;  // 0: no request, or one that cannot be read
};
ObservedClaim Observe(const kube::core::PersistentVolumeClaim& claim);
using ClaimsByName = std::map<std::string, ObservedClaim>;

struct ObservedRevision {
  std::string name;
  std::string uid;
  std::string resource_version;
  int64_t number = 0;
  absl::Time created;
  std::string data;  // the JSON as it is stored, byte for byte
  std::vector<Owner> owners;
};
ObservedRevision Observe(const kube::apps::ControllerRevision& revision);

// Cut from cached objects what is not observed. Pods of other controllers keep their names only.
void Trim(kube::core::Pod& pod);
void Trim(kube::core::PersistentVolumeClaim& claim);

}  // namespace berth::statefulset
