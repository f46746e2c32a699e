#include "companion/statefulset/status.h"

#include <spdlog/fmt/fmt.h>

#include <array>

#include "kube/json_fields.h"
#include "kube/time.h"

namespace berth::statefulset {
namespace {

using kube::TextIn;
using nlohmann::json;

constexpr size_t kMaxMessageBytes = 512;

struct Condition {
  const char* type;
  bool holds;
  std::string reason;
  std::string message;
};

bool IsComplete(const StatefulSet& set, const SetStatus& status) {
  const int wanted = set.ordinals.count();
  return status.replicas == wanted && status.available == wanted &&
         (status.updated == wanted || set.update_strategy == UpdateStrategy::kOnDelete ||
          set.FirstUpdated() > set.ordinals.start());
}

std::array<Condition, 3> ConditionsOf(const StatefulSet& set, const Plan& plan,
                                      const Status& outcome) {
  const int wanted = set.ordinals.count();
  const bool available = plan.status.available >= wanted;
  const bool complete = plan.waiting_for.empty() && IsComplete(set, plan.status);
  // Who lost a race looks again at once.
  const bool failed = !outcome.ok() && !absl::IsAborted(outcome);
  const std::string counts =
      fmt::format("{} of {} pods are available", plan.status.available, wanted);
  return {{{"Available", available, available ? "AllPodsAvailable" : "PodsUnavailable", counts},
           {"Progressing", !complete, complete ? "Complete" : "Waiting",
            complete                   ? "the set is as its specification says"
            : plan.waiting_for.empty() ? "pods are on their way"
                                       : "waiting for " + plan.waiting_for},
           {"ReplicaFailure", failed, failed ? "CallFailed" : "NoFailure",
            failed ? std::string(outcome.message().substr(0, kMaxMessageBytes)) : ""}}};
}

bool IsOneOf(const std::array<Condition, 3>& conditions, const std::string& type) {
  for (const Condition& condition : conditions) {
    if (type == condition.type) return true;
  }
  return false;
}

const json& Find(const json& conditions, const char* type) {
  static const json kNone;
  for (const json& condition : conditions) {
    if (TextIn(condition, "type") == type) return condition;
  }
  return kNone;
}

// Of apps/v1's fields: a field that the API server drops would be written again and again.
json ToJson(const Condition& condition, const json& before, absl::Time now) {
  const std::string status = condition.holds ? "True" : "False";
  const bool same = TextIn(before, "status") == status;
  return {
      {"type", condition.type},
      {"status", status},
      {"reason", condition.reason},
      {"message", condition.message},
      {"lastTransitionTime", same ? TextIn(before, "lastTransitionTime") : kube::ToJsonTime(now)}};
}

json Conditions(const StatefulSet& set, const Plan& plan, const Status& outcome, absl::Time now) {
  const auto conditions = ConditionsOf(set, plan, outcome);
  json list = json::array();
  for (const json& known : set.conditions) {
    if (!IsOneOf(conditions, TextIn(known, "type"))) list.push_back(known);
  }
  for (const Condition& condition : conditions) {
    // A failure that never was needs no condition.
    const json& before = Find(set.conditions, condition.type);
    if (std::string_view(condition.type) == "ReplicaFailure" && !condition.holds &&
        before.is_null()) {
      continue;
    }
    list.push_back(ToJson(condition, before, now));
  }
  return list;
}

json Numbers(const StatefulSet& set, const SetStatus& status) {
  json numbers = {{"observedGeneration", status.observed_generation},
                  {"replicas", status.replicas},
                  {"readyReplicas", status.ready},
                  {"availableReplicas", status.available},
                  {"currentReplicas", status.current},
                  {"updatedReplicas", status.updated},
                  {"currentRevision", status.current_revision},
                  {"updateRevision", status.update_revision},
                  {"collisionCount", status.collision_count}};
  // The scale subresource of a custom resource reads it from here.
  if (set.resource.group == kBerthStatefulSets.group) numbers["selector"] = set.selector.Text();
  return numbers;
}

}  // namespace

json StatusPatch(const StatefulSet& set, const Plan& plan, const Status& outcome, absl::Time now) {
  json conditions = Conditions(set, plan, outcome, now);
  const SetStatus& numbers = outcome.ok() ? plan.status_after : plan.status;
  if (numbers == set.status && conditions == set.conditions) return nullptr;
  json status = Numbers(set, numbers);
  status["conditions"] = std::move(conditions);
  return {{"metadata", {{"uid", set.uid}, {"resourceVersion", set.resource_version}}},
          {"status", std::move(status)}};
}

}  // namespace berth::statefulset
