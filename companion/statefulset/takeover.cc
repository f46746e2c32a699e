#include "companion/statefulset/takeover.h"

#include <spdlog/fmt/fmt.h>

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "companion/statefulset/stateful_set.h"
#include "kube/json_fields.h"

namespace berth::statefulset {
namespace {

using kube::Member;
using kube::TextIn;
using nlohmann::json;

constexpr char kCanary[] = "berth-takeover-canary";
// What only whoever keeps a set writes; a condition may be anybody's.
constexpr std::array<const char*, 9> kControllersFields = {
    "f:observedGeneration", "f:replicas",        "f:readyReplicas",
    "f:availableReplicas",  "f:currentReplicas", "f:updatedReplicas",
    "f:currentRevision",    "f:updateRevision",  "f:collisionCount"};

json Canary(const std::string& ns) {
  const json labels = {{"app.kubernetes.io/name", kCanary}};
  return {{"metadata", {{"name", kCanary}, {"namespace", ns}, {"labels", labels}}},
          {"spec",
           {{"replicas", 0},
            {"serviceName", kCanary},
            {"selector", {{"matchLabels", labels}}},
            {"template",
             {{"metadata", {{"labels", labels}}},
              {"spec", {{"containers", {{{"name", "none"}, {"image", "none"}}}}}}}}}}};
}

// Removes the canary however its watch ends.
class CanaryOwner {
 public:
  CanaryOwner(kube::ApiClient& api, kube::ObjectKey key) : api_(api), key_(std::move(key)) {}
  ~CanaryOwner() { api_.DeleteJson(kAppsStatefulSets, key_).IgnoreError(); }
  CanaryOwner(const CanaryOwner&) = delete;
  CanaryOwner& operator=(const CanaryOwner&) = delete;

 private:
  kube::ApiClient& api_;
  const kube::ObjectKey key_;
};

bool IsControllers(const json& fields) {
  const json& status = Member(fields, "f:status");
  for (const char* field : kControllersFields) {
    if (status.contains(field)) return true;
  }
  return false;
}

absl::Time TimeOf(const json& entry) {
  absl::Time time = absl::InfinitePast();
  absl::ParseTime(absl::RFC3339_full, TextIn(entry, "time"), &time, nullptr);
  return time;
}

}  // namespace

bool Takeover::IsCanary(const kube::JsonObject& set) { return set.metadata().name() == kCanary; }

std::string Takeover::ForeignController(const kube::JsonObject& set, absl::Time since) {
  for (const json& entry : Member(Member(set.body(), "metadata"), "managedFields")) {
    // Times are whole seconds, cut: one of the very second of `since` may be from before it.
    if (TextIn(entry, "manager") != kube::kFieldManager && TimeOf(entry) > since &&
        IsControllers(Member(entry, "fieldsV1"))) {
      return TextIn(entry, "manager");
    }
  }
  return "";
}

Status Takeover::Check(const kube::Cancellation& cancel) {
  const kube::ObjectKey key{options_.ns, kCanary};
  // What an earlier try left, which was ended at once.
  const Status removed = api_.DeleteJson(kAppsStatefulSets, key);
  if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
  BERTH_ASSIGN_OR_RETURN(const kube::JsonObject canary,
                         api_.CreateJson(kAppsStatefulSets, Canary(options_.ns)));
  const CanaryOwner owner(api_, key);

  kube::WatchRequest watch;
  watch.resource = kAppsStatefulSets;
  watch.selector = {.ns = key.ns, .field_selector = "metadata.name=" + key.name};
  watch.resource_version = canary.metadata().resourceversion();
  watch.timeout = options_.canary_time;
  const absl::Time began = absl::Now();
  const Status seen = api_.Watch(
      watch,
      [](const kube::WatchEvent& event) -> Status {
        if (event.type == kube::WatchEvent::Type::kBookmark) return absl::OkStatus();
        BERTH_ASSIGN_OR_RETURN(const auto set, kube::ParseMessage<kube::JsonObject>(event.raw));
        const std::string manager = ForeignController(set, absl::InfinitePast());
        if (manager.empty()) return absl::OkStatus();
        return absl::FailedPreconditionError(fmt::format(
            "apps/v1 StatefulSets are not taken over: {} keeps them; switch that off "
            "(kube-controller-manager: --controllers=*,-statefulset-controller) and start anew",
            manager));
      },
      cancel);
  BERTH_RETURN_IF_ERROR(seen);
  if (absl::Now() - began < options_.canary_time - absl::Seconds(1)) {
    return absl::UnavailableError("the canary's watch ended early, so it proves nothing");
  }
  return absl::OkStatus();
}

}  // namespace berth::statefulset
