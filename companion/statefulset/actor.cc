#include "companion/statefulset/actor.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "companion/statefulset/labels.h"
#include "companion/statefulset/objects.h"
#include "kube/json_fields.h"
#include "kube/json_patch.h"
#include "kube/quantity.h"

namespace berth::statefulset {
namespace {

using kube::EventType;
using nlohmann::json;

// JSON, because they are made of templates that came as JSON.
constexpr kube::Resource kPods{"", "v1", "pods", "Pod", true, kube::Encoding::kJson};
constexpr kube::Resource kClaims{
    "", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", true, kube::Encoding::kJson};

// Calls that run side by side at most, as Kubernetes' own controller has it.
constexpr size_t kMaxBatch = 500;

std::string_view ReasonOfDeletion(Action::Reason reason) {
  switch (reason) {
    case Action::Reason::kFailed:
      return "RecreatingFailedPod";
    case Action::Reason::kSucceeded:
      return "RecreatingTerminatedPod";
    case Action::Reason::kStuck:
      return "ReplacingStuckPod";
    case Action::Reason::kScaledDown:
    case Action::Reason::kUpdate:
      break;
  }
  return "";
}

// The work of one batch that has not ended, and the first error of what has.
struct Batch {
  size_t open = 0;
  Status result;
};

}  // namespace

Status Actor::CarryOut(const Plan& plan) {
  for (const Stage& stage : plan.stages) BERTH_RETURN_IF_ERROR(DoStage(stage));
  return absl::OkStatus();
}

// Parallel work starts with one and doubles, so that what cannot work fails once and not a thousand
// times.
Status Actor::DoStage(const Stage& stage) {
  std::span<const Work> left(stage.work);
  for (size_t size = 1; !left.empty(); size = std::min(2 * size, kMaxBatch)) {
    if (!stage.parallel) size = 1;
    const auto batch = left.first(std::min(size, left.size()));
    left = left.subspan(batch.size());
    BERTH_RETURN_IF_ERROR(DoBatch(batch));
  }
  return absl::OkStatus();
}

Status Actor::DoBatch(std::span<const Work> batch) {
  if (batch.size() == 1) return DoWork(batch.front());
  Synchronized<Batch> state(Batch{batch.size(), absl::OkStatus()});
  for (const Work& work : batch) {
    const auto run = [this, &state, &work] {
      const Status done = DoWork(work);
      auto locked = state.Lock();
      if (locked->result.ok()) locked->result = done;
      --locked->open;
      locked.NotifyAll();
    };
    if (!environment_.calls.Submit(run).ok()) run();
  }
  auto locked = state.Lock();
  locked.WaitUntil(absl::InfiniteFuture(), [&] { return locked->open == 0; });
  return locked->result;
}

Status Actor::DoWork(const Work& work) {
  for (const Action& action : work) BERTH_RETURN_IF_ERROR(Do(action));
  return absl::OkStatus();
}

Status Actor::Do(const Action& action) {
  switch (action.kind) {
    case Action::Kind::kCreateClaim:
      return CreateClaim(action);
    case Action::Kind::kGrowClaim:
      return GrowClaim(action);
    case Action::Kind::kSetOwners:
      return SetOwners(action);
    case Action::Kind::kCreatePod:
      return CreatePod(action);
    case Action::Kind::kRelabelPod:
      return RelabelPod(action);
    case Action::Kind::kOpenGate:
      return OpenGate(action);
    case Action::Kind::kDeletePod:
      return DeletePod(action);
    case Action::Kind::kReport:
      return Report(action);
  }
  return absl::OkStatus();
}

Status Actor::CreateClaim(const Action& action) {
  const auto claim_template = std::find_if(
      set_.claim_templates.begin(), set_.claim_templates.end(), [&](const json& known) {
        return kube::TextIn(kube::Member(known, "metadata"), "name") == action.claim_template;
      });
  if (claim_template == set_.claim_templates.end()) return absl::OkStatus();
  const StatusOr<kube::JsonObject> created =
      environment_.api.CreateJson(kClaims, BuildClaim(set_, *claim_template, action.ordinal));
  const std::string what =
      fmt::format("claim {} for pod {}", action.claim, set_.PodName(action.ordinal));
  if (absl::IsAlreadyExists(created.status())) {
    // The copy is older than the claim, or an earlier reply was lost.
    BERTH_ASSIGN_OR_RETURN(
        const auto claim,
        environment_.api.Get<kube::core::PersistentVolumeClaim>({set_.key.ns, action.claim}));
    ExpectStored(Write::Object::kClaim, claim.metadata());
    return absl::OkStatus();
  }
  if (!created.ok()) {
    Tell(EventType::kWarning, "FailedCreate",
         fmt::format("{} was not created: {}", what, std::string(created.status().message())));
    return created.status();
  }
  ExpectStored(Write::Object::kClaim, created->metadata());
  Tell(EventType::kNormal, "SuccessfulCreate", what + " created");
  return absl::OkStatus();
}

Status Actor::CreatePod(const Action& action) {
  const auto pod_template = templates_.find(action.revision);
  if (pod_template == templates_.end()) {
    return absl::InternalError("no template of revision " + action.revision);
  }
  const StatusOr<kube::JsonObject> created = environment_.api.CreateJson(
      kPods, BuildPod(set_, pod_template->second, action.revision, action.ordinal));
  if (absl::IsAlreadyExists(created.status())) return AcceptExistingPod(action);
  if (!created.ok()) {
    Tell(EventType::kWarning, "FailedCreate",
         fmt::format("pod {} was not created: {}", action.pod,
                     std::string(created.status().message())));
    return created.status();
  }
  ExpectStored(Write::Object::kPod, created->metadata());
  Tell(EventType::kNormal, "SuccessfulCreate", fmt::format("pod {} created", action.pod));
  return absl::OkStatus();
}

Status Actor::AcceptExistingPod(const Action& action) {
  BERTH_ASSIGN_OR_RETURN(const auto pod,
                         environment_.api.Get<kube::core::Pod>({set_.key.ns, action.pod}));
  for (const kube::meta::OwnerReference& owner : pod.metadata().ownerreferences()) {
    if (!owner.controller() || owner.uid() != set_.uid) continue;
    ExpectStored(Write::Object::kPod, pod.metadata());
    return absl::OkStatus();
  }
  const std::string message = fmt::format(
      "pod {} was not created: there is a pod of that name which is not this set's; delete it, or "
      "let it match spec.selector so that it can be adopted",
      action.pod);
  Tell(EventType::kWarning, "FailedCreate", message);
  return absl::FailedPreconditionError(message);
}

Status Actor::DeletePod(const Action& action) {
  if (const std::string_view reason = ReasonOfDeletion(action.reason); !reason.empty()) {
    const EventType type =
        action.reason == Action::Reason::kSucceeded ? EventType::kNormal : EventType::kWarning;
    Tell(type, reason, fmt::format("pod {} is deleted, so that it is made anew", action.pod));
  }
  const Status deleted =
      environment_.api.Delete<kube::core::Pod>({set_.key.ns, action.pod}, {.uid = action.uid});
  if (!deleted.ok() && !absl::IsNotFound(deleted)) {
    Tell(EventType::kWarning, "FailedDelete",
         fmt::format("pod {} was not deleted: {}", action.pod, std::string(deleted.message())));
    return deleted;
  }
  Expect({Write::Object::kPod, Write::Kind::kDeleted, action.pod, action.uid, ""});
  if (deleted.ok()) {
    Tell(EventType::kNormal, "SuccessfulDelete", fmt::format("pod {} deleted", action.pod));
  }
  return absl::OkStatus();
}

Status Actor::OpenGate(const Action& action) {
  const kube::ObjectKey key{set_.key.ns, action.pod};
  // Which place the gate has in its list, only the object itself says.
  BERTH_ASSIGN_OR_RETURN(const kube::core::Pod pod, environment_.api.Get<kube::core::Pod>(key));
  for (int i = 0; i < pod.spec().schedulinggates_size(); ++i) {
    if (pod.spec().schedulinggates(i).name() != kTurnGate) continue;
    const std::string path = fmt::format("/spec/schedulingGates/{}", i);
    kube::JsonPatch patch;
    patch.Test("/metadata/uid", action.uid).Test(path + "/name", kTurnGate).Remove(path);
    BERTH_ASSIGN_OR_RETURN(const kube::core::Pod opened,
                           environment_.api.Patch<kube::core::Pod>(key, patch));
    ExpectStored(Write::Object::kPod, opened.metadata());
    Tell(EventType::kNormal, "TurnHasCome", fmt::format("pod {} may start", action.pod));
  }
  return absl::OkStatus();
}

// What cannot grow must not hold up the pods: the event is all that comes of it.
Status Actor::GrowClaim(const Action& action) {
  const json patch = {
      {"metadata", {{"uid", action.uid}}},
      {"spec", {{"resources", {{"requests", {{"storage", kube::FormatQuantity(action.bytes)}}}}}}}};
  const auto grown = environment_.api.Patch<kube::core::PersistentVolumeClaim>(
      {set_.key.ns, action.claim}, kube::PatchType::kMerge, patch.dump());
  if (!grown.ok()) {
    Tell(EventType::kWarning, "FailedResize",
         fmt::format("claim {} does not grow to {}: {}", action.claim,
                     kube::FormatQuantity(action.bytes), std::string(grown.status().message())));
    return absl::OkStatus();
  }
  ExpectStored(Write::Object::kClaim, grown->metadata());
  Tell(EventType::kNormal, "ClaimGrows",
       fmt::format("claim {} asks for {} now", action.claim, kube::FormatQuantity(action.bytes)));
  return absl::OkStatus();
}

Status Actor::SetOwners(const Action& action) {
  kube::JsonPatch patch;
  patch.Test("/metadata/uid", action.uid)
      .Test("/metadata/resourceVersion", action.resource_version)
      .Add("/metadata/ownerReferences", OwnersJson(action.owners));
  BERTH_ASSIGN_OR_RETURN(const auto changed,
                         environment_.api.Patch<kube::core::PersistentVolumeClaim>(
                             {set_.key.ns, action.claim}, patch));
  ExpectStored(Write::Object::kClaim, changed.metadata());
  return absl::OkStatus();
}

Status Actor::RelabelPod(const Action& action) {
  const json patch = {
      {"metadata",
       {{"uid", action.uid},
        {"labels",
         {{kPodNameLabel, action.pod}, {kPodIndexLabel, std::to_string(action.ordinal)}}}}}};
  BERTH_ASSIGN_OR_RETURN(const kube::core::Pod changed,
                         environment_.api.Patch<kube::core::Pod>(
                             {set_.key.ns, action.pod}, kube::PatchType::kMerge, patch.dump()));
  ExpectStored(Write::Object::kPod, changed.metadata());
  return absl::OkStatus();
}

Status Actor::Report(const Action& action) {
  const std::string message = fmt::format("pod {}: {}", action.pod, action.message);
  Tell(EventType::kWarning, "FailedUpdate", message);
  return absl::FailedPreconditionError(message);
}

void Actor::ExpectStored(Write::Object object, const kube::meta::ObjectMeta& metadata) {
  Expect(
      {object, Write::Kind::kStored, metadata.name(), metadata.uid(), metadata.resourceversion()});
}

void Actor::Tell(EventType type, std::string_view reason, std::string_view message) {
  environment_.events.Record(set_.Reference(), type, reason, message);
}

}  // namespace berth::statefulset
