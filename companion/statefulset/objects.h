// The objects that a set owns, as they are created.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "companion/statefulset/observed.h"
#include "companion/statefulset/stateful_set.h"

namespace berth::statefulset {

// Pod `ordinal` of the set, from `revised_template`, which the revision named `revision` holds, and
// the override of its ordinal.
nlohmann::json BuildPod(const StatefulSet& set, const nlohmann::json& revised_template,
                        const std::string& revision, int ordinal);

// A hash of what the override of `ordinal` says; empty when there is none.
std::string OverrideHash(const StatefulSet& set, int ordinal);

// `pod_template` with `patch` merged into it (RFC 7386: null removes); lists of objects that have
// names are merged by these.
nlohmann::json MergeTemplate(nlohmann::json pod_template, const nlohmann::json& patch);

// The claim for pod `ordinal` from one of the set's claim templates. Its owners are what the
// retention policy wants of a claim whose pod is within the set's ordinals.
nlohmann::json BuildClaim(const StatefulSet& set, const nlohmann::json& claim_template,
                          int ordinal);

// A pod as the owner of claims; its uid is empty while it does not exist.
struct ClaimPod {
  std::string name;
  std::string uid;
  bool wanted = true;  // its ordinal is one that the set wants
};

// True when the claim belongs to a pod or set of the same name that is gone: it waits for the
// garbage collector.
bool HasStaleOwner(const ObservedClaim& claim, const StatefulSet& set, const ClaimPod& pod);
// True when a third party controls the claim while the policy wants us to.
bool HasForeignController(const ObservedClaim& claim, const StatefulSet& set, const ClaimPod& pod);
// The owners that the claim should have under the set's retention policy; none when it has them,
// or when it must not be touched.
std::optional<std::vector<Owner>> OwnersToSet(const ObservedClaim& claim, const StatefulSet& set,
                                              const ClaimPod& pod);

}  // namespace berth::statefulset
