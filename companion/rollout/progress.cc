#include "companion/rollout/progress.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <map>
#include <optional>

#include "absl/strings/str_join.h"
#include "companion/statefulset/labels.h"
#include "companion/statefulset/observed.h"

namespace berth::rollout {
namespace {

using statefulset::StatefulSet;
using statefulset::UpdateStrategy;

constexpr size_t kMaxLaggards = 3;

Progress PartitionedProgress(const StatefulSet& set) {
  const int wanted = std::max(0, set.ordinals.count() - set.partition.value_or(0));
  const int updated = set.status.updated;
  if (updated < wanted) {
    return {false, fmt::format("waiting for the partitioned rollout: {} of {} pods have the new "
                               "revision {}",
                               updated, wanted, set.status.update_revision)};
  }
  return {true, fmt::format("partitioned rollout complete: {} pods have the new revision {}",
                            updated, set.status.update_revision)};
}

const kube::core::PodCondition* Condition(const kube::core::Pod& pod, std::string_view type) {
  for (const kube::core::PodCondition& condition : pod.status().conditions()) {
    if (condition.type() == type) return &condition;
  }
  return nullptr;
}

// Why one of the pod's containers does not run; empty when all do.
std::string ContainerTrouble(const kube::core::Pod& pod) {
  for (const auto* statuses :
       {&pod.status().initcontainerstatuses(), &pod.status().containerstatuses()}) {
    for (const kube::core::ContainerStatus& container : *statuses) {
      if (!container.state().has_waiting()) continue;
      const std::string& reason = container.state().waiting().reason();
      // It waits its turn, which says nothing.
      if (!reason.empty() && reason != "PodInitializing") return reason;
    }
  }
  return "";
}

std::string TroubleOf(const kube::core::Pod& pod) {
  if (pod.metadata().has_deletiontimestamp()) return "ending";
  const kube::core::PodCondition* scheduled = Condition(pod, "PodScheduled");
  if (scheduled != nullptr && scheduled->status() == "False") {
    return scheduled->message().empty() ? scheduled->reason() : scheduled->message();
  }
  if (std::string trouble = ContainerTrouble(pod); !trouble.empty()) return trouble;
  if (pod.status().phase() != "Running") return pod.status().phase();
  return "not ready";
}

// Empty for a pod that is ready; `pod` is null for one that does not exist.
std::string WhyNotReady(const kube::core::Pod* pod) {
  if (pod == nullptr) return "does not exist";
  const bool ready = statefulset::Observe(*pod, /*ordinal=*/0).running_and_ready();
  return ready && !pod->metadata().has_deletiontimestamp() ? "" : TroubleOf(*pod);
}

bool IsOutdated(const StatefulSet& set, int ordinal, const kube::core::Pod& pod) {
  return !set.status.update_revision.empty() && ordinal >= set.FirstUpdated() &&
         statefulset::Observe(pod, ordinal).revision() != set.status.update_revision;
}

}  // namespace

StatusOr<Progress> ProgressOf(const StatefulSet& set) {
  if (set.update_strategy == UpdateStrategy::kOnDelete) {
    return absl::FailedPreconditionError(
        "its update strategy is OnDelete: a pod gets the new revision when somebody deletes it, so "
        "there is no rollout to follow");
  }
  const statefulset::SetStatus& status = set.status;
  if (status.observed_generation == 0 || set.generation > status.observed_generation) {
    return Progress{false, "waiting for the controller to see the set's newest spec"};
  }
  const int wanted = set.ordinals.count();
  if (status.ready < wanted) {
    return Progress{
        false, fmt::format("waiting for pods to be ready: {} of {} are", status.ready, wanted)};
  }
  if (set.partition.value_or(0) > 0) return PartitionedProgress(set);
  if (status.update_revision != status.current_revision) {
    return Progress{false, fmt::format("waiting for the rolling update: {} of {} pods have the new "
                                       "revision {}",
                                       status.updated, wanted, status.update_revision)};
  }
  return Progress{true, fmt::format("rollout complete: {} pods have revision {}", status.current,
                                    status.current_revision)};
}

std::string Laggards(const StatefulSet& set, const std::vector<kube::core::Pod>& pods) {
  std::map<int, const kube::core::Pod*> by_ordinal;
  for (const kube::core::Pod& pod : pods) {
    const std::optional<int> ordinal = set.OrdinalOf(pod.metadata().name());
    if (ordinal && set.ordinals.contains(*ordinal)) by_ordinal[*ordinal] = &pod;
  }
  // Where pods are not ready, those of an older revision only wait for them.
  std::vector<std::string> unready;
  std::vector<std::string> outdated;
  for (int ordinal = set.ordinals.first();
       ordinal < set.ordinals.end() && unready.size() < kMaxLaggards;
       ordinal = set.ordinals.next(ordinal)) {
    const auto found = by_ordinal.find(ordinal);
    const kube::core::Pod* pod = found == by_ordinal.end() ? nullptr : found->second;
    if (const std::string why = WhyNotReady(pod); !why.empty()) {
      unready.push_back(fmt::format("{} ({})", set.PodName(ordinal), why));
    } else if (outdated.size() < kMaxLaggards && IsOutdated(set, ordinal, *pod)) {
      outdated.push_back(fmt::format("{} (has the old revision)", set.PodName(ordinal)));
    }
  }
  return absl::StrJoin(unready.empty() ? outdated : unready, ", ");
}

}  // namespace berth::rollout
