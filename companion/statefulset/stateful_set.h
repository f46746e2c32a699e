#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/status.h"
#include "kube/core_v1.h"
#include "kube/json_object.h"
#include "kube/label_selector.h"
#include "kube/resource.h"

namespace berth::statefulset {

// The two kinds that share one schema. JSON, because revisions are made of the API's JSON.
inline constexpr kube::Resource kAppsStatefulSets{"apps",        "v1", "statefulsets",
                                                  "StatefulSet", true, kube::Encoding::kJson};
inline constexpr kube::Resource kBerthStatefulSets{"berth.storage", "v1", "statefulsets",
                                                   "StatefulSet",   true, kube::Encoding::kJson};

// The ordinals that a set wants: `count` of them from `start` upwards, leaving out the reserved.
class Ordinals {
 public:
  Ordinals() = default;
  Ordinals(int start, int count, std::set<int> reserved = {});

  bool contains(int ordinal) const;
  int start() const { return start_; }
  int count() const { return count_; }
  // The first one, and the one after; past the last one: end(). Never runs through all of them, for
  // there may be two thousand million.
  int first() const { return Skip(start_); }
  int next(int ordinal) const { return Skip(ordinal + 1); }
  int end() const { return end_; }

 private:
  int Skip(int ordinal) const;

  int start_ = 0;
  int count_ = 0;
  int end_ = 0;  // one above the last, which is not reserved
  std::set<int> reserved_;
};

enum class PodManagement { kOrderedReady, kParallel };
enum class UpdateStrategy { kRollingUpdate, kOnDelete };

// What becomes of claims: true deletes them with the set, or with the pod that is scaled away.
struct ClaimRetention {
  bool delete_when_deleted = false;
  bool delete_when_scaled = false;
};

struct SetStatus {
  int64_t observed_generation = 0;
  int replicas = 0;
  int ready = 0;
  int available = 0;
  int current = 0;  // pods of the current revision
  int updated = 0;  // pods of the update revision
  std::string current_revision;
  std::string update_revision;
  int collision_count = 0;

  bool operator==(const SetStatus&) const = default;
};

// Berth's own options, annotations of the set.
struct SetOptions {
  bool claims_ahead = false;    // claims of all ordinals are made before the pods
  bool replace_stuck = false;   // an update replaces an unready pod of an older revision
  bool wait_for_names = false;  // a pod's turn ends when every DNS replica serves its name
  std::map<std::string, int64_t> claim_bytes = {};  // by claim template: claims grow to this size
  std::map<int, nlohmann::json> overrides = {};     // by ordinal: what its pod has instead
};

// A StatefulSet of either kind as the plan needs it, defaults filled in.
struct StatefulSet {
  kube::Resource resource{};
  kube::ObjectKey key;
  std::string uid;
  std::string resource_version;
  int64_t generation = 0;
  bool terminating = false;
  std::map<std::string, std::string> annotations;

  kube::LabelSelector selector;
  nlohmann::json conditions;  // of the status, as they were written
  std::string service_name;
  Ordinals ordinals;
  PodManagement pod_management = PodManagement::kOrderedReady;
  UpdateStrategy update_strategy = UpdateStrategy::kRollingUpdate;
  // None: the rolling update has no section of its own, which pods below status.current keep the
  // current revision by.
  std::optional<int> partition;
  int max_unavailable = 1;
  int min_ready_seconds = 0;
  int revision_history_limit = 10;
  ClaimRetention retention;
  SetOptions options;
  nlohmann::json pod_template;
  std::vector<nlohmann::json> claim_templates;

  SetStatus status;

  // A rolling update takes the pods from this ordinal upwards.
  int FirstUpdated() const { return ordinals.start() + partition.value_or(0); }
  std::string PodName(int ordinal) const;
  std::string ClaimName(const nlohmann::json& claim_template, int ordinal) const;
  std::string ApiVersion() const { return resource.ApiVersion(); }
  // The ordinal of a pod that is named as the set's pods are; none for other names.
  std::optional<int> OrdinalOf(const std::string& pod_name) const;
  // For events about it.
  kube::core::ObjectReference Reference() const;
};

// INVALID_ARGUMENT for what the API's schema does not keep out: a selector that cannot be read or
// does not match the template's labels, more pods than ordinals.
StatusOr<StatefulSet> ReadStatefulSet(const kube::Resource& resource,
                                      const kube::JsonObject& object);

}  // namespace berth::statefulset
