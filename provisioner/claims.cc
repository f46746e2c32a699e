#include "provisioner/claims.h"

#include <spdlog/fmt/fmt.h>

#include <utility>

#include "provisioner/names.h"
#include "provisioner/volume_object.h"

namespace berth::provisioner {
namespace {

using kube::EventType;
using kube::ObjectKey;
using kube::Outcome;
using kube::core::PersistentVolume;
using kube::core::PersistentVolumeClaim;

constexpr absl::Duration kInfeasibleRetry = absl::Minutes(5);

bool MayNeedWork(const PersistentVolumeClaim& claim) {
  return claim.spec().volumename().empty() ||
         kube::HasFinalizer(claim.metadata(), kProvisioningFinalizer);
}

bool SameVolume(const PersistentVolume& a, const PersistentVolume& b) {
  return a.spec().claimref().uid() == b.spec().claimref().uid() &&
         a.spec().persistentvolumesource().csi().volumehandle() ==
             b.spec().persistentvolumesource().csi().volumehandle();
}

}  // namespace

Claims::Claims(Environment environment, std::string identity, int workers)
    : environment_(environment),
      identity_(std::move(identity)),
      controller_(
          environment.clock,
          {.name = "claims",
           .workers = workers,
           .queue = {.base_delay = absl::Seconds(1), .max_delay = kInfeasibleRetry}},
          [this] { return Keys(); }, [this](const std::string& key) { return Reconcile(key); }) {
  Watch();
}

void Claims::Watch() {
  Caches& caches = environment_.caches;
  caches.claims.AddHandler([this](const auto& change) {
    if (change.after != nullptr && MayNeedWork(*change.after) &&
        ClaimNeedsLook(change.before.get(), *change.after)) {
      controller_.Enqueue(change.key().String());
    }
  });
  caches.classes.AddHandler([this, &caches](const auto& change) {
    for (const auto& claim : caches.claims.ByIndex(Caches::kByClass, change.key().name)) {
      controller_.Enqueue(kube::KeyOf(*claim).String());
    }
  });
  caches.volumes.AddHandler([this](const auto& change) {
    const kube::core::ObjectReference& claim =
        (change.after != nullptr ? change.after : change.before)->spec().claimref();
    if ((change.before == nullptr) == (change.after == nullptr) || claim.name().empty()) return;
    controller_.Enqueue(ObjectKey{claim.namespace_(), claim.name()}.String());
  });
}

std::vector<std::string> Claims::Keys() {
  std::vector<std::string> keys;
  for (const auto& claim : environment_.caches.claims.List()) {
    if (MayNeedWork(*claim)) keys.push_back(kube::KeyOf(*claim).String());
  }
  return keys;
}

Outcome Claims::Reconcile(const std::string& key) {
  Caches& caches = environment_.caches;
  const auto claim = caches.claims.Get(ObjectKey::Parse(key));
  if (claim == nullptr) return absl::OkStatus();
  const auto storage_class = caches.classes.Get({"", claim->spec().storageclassname()});
  const ClaimPlan plan = PlanClaim({*claim, storage_class.get(),
                                    caches.volumes.Get({"", VolumeNameFor(*claim)}) != nullptr,
                                    environment_.driver.name()});
  switch (plan.step) {
    case ClaimPlan::Step::kNothing:
      return absl::OkStatus();
    case ClaimPlan::Step::kReject:
      Failed(*claim, absl::InvalidArgumentError(plan.message)).IgnoreError();
      return absl::OkStatus();
    case ClaimPlan::Step::kBegin:
      return Begin(*claim, *storage_class);
    case ClaimPlan::Step::kCreate:
      return Create(*claim, *storage_class, *plan.intent);
    case ClaimPlan::Step::kUndo:
      return Undo(*claim, *plan.intent);
    case ClaimPlan::Step::kRelease:
      return Release(*claim);
  }
  return absl::OkStatus();
}

Outcome Claims::Begin(const Claim& claim, const StorageClass& storage_class) {
  const StatusOr<Intent> intent = MakeIntent(claim, storage_class, environment_.driver.name(),
                                             environment_.driver.capabilities());
  if (!intent.ok()) return {Failed(claim, intent.status()), kInfeasibleRetry};
  // Before anything is begun: a claim whose secret cannot be read has nothing to undo when it is
  // deleted.
  const Status secret = ReadSecret(environment_.api, intent->secret).status();
  if (!secret.ok()) return Failed(claim, secret);
  const kube::JsonPatch patch = kube::PatchFor(
      claim.metadata(), {.set_annotations = {{kIntentAnnotation, EncodeIntent(*intent)}},
                         .add_finalizers = {kProvisioningFinalizer}});
  const StatusOr<Claim> begun = environment_.api.Patch<Claim>(kube::KeyOf(claim), patch);
  if (absl::IsNotFound(begun.status())) return absl::OkStatus();
  if (!begun.ok()) return begun.status();
  environment_.events.Record(
      kube::ReferenceTo(claim), EventType::kNormal, "Provisioning",
      fmt::format("{} makes volume {}", intent->driver, intent->request.name()));
  return Create(*begun, storage_class, *intent);
}

Outcome Claims::Create(const Claim& claim, const StorageClass& storage_class,
                       const Intent& intent) {
  StatusOr<Secret> secret = ReadSecret(environment_.api, intent.secret);
  if (!secret.ok()) return Failed(claim, secret.status());
  csi::v1::CreateVolumeRequest request = intent.request;
  request.mutable_secrets()->swap(*secret);
  const StatusOr<csi::v1::CreateVolumeResponse> response =
      environment_.driver.CreateVolume(request);
  switch (OutcomeOf(response.status().code())) {
    case CreateOutcome::kCreated:
      return Finish(claim, storage_class, intent, response->volume());
    case CreateOutcome::kInfeasible:
      return {Failed(claim, response.status()), kInfeasibleRetry};
    case CreateOutcome::kFailed:
    case CreateOutcome::kUnknown:
      return Failed(claim, response.status());
  }
  return absl::OkStatus();
}

Outcome Claims::Finish(const Claim& claim, const StorageClass& storage_class, const Intent& intent,
                       const csi::v1::Volume& volume) {
  const int64_t required = intent.request.capacity_range().required_bytes();
  if (volume.capacity_bytes() > 0 && volume.capacity_bytes() < required) {
    // Taken for a call that is not over, as external-provisioner does: the intent stays.
    BERTH_RETURN_IF_ERROR(DeleteVolume(intent, volume.volume_id()));
    return Failed(claim, absl::UnavailableError(fmt::format(
                             "the driver made a volume of {} bytes, {} were asked for; removed",
                             volume.capacity_bytes(), required)));
  }
  const StatusOr<PersistentVolume> object =
      MakeVolumeObject(claim, storage_class, intent, volume, identity_);
  if (!object.ok()) return {Failed(claim, object.status()), kInfeasibleRetry};
  if (const Status stored = Store(*object); !stored.ok()) return Failed(claim, stored);
  environment_.events.Record(kube::ReferenceTo(claim), EventType::kNormal, "ProvisioningSucceeded",
                             fmt::format("volume {} is ready", object->metadata().name()));
  return absl::OkStatus();
}

Status Claims::Store(const PersistentVolume& volume) {
  Status created = environment_.api.Create(volume).status();
  if (!absl::IsAlreadyExists(created)) return created;
  // An earlier try, or another replica's, whose answer did not arrive.
  BERTH_ASSIGN_OR_RETURN(const PersistentVolume existing,
                         environment_.api.Get<PersistentVolume>(kube::KeyOf(volume)));
  return SameVolume(existing, volume) ? absl::OkStatus() : created;
}

Outcome Claims::Undo(const Claim& claim, const Intent& intent) {
  // The cache may be behind, and removing a volume that has its object would lose data.
  const Status volume_object =
      environment_.api.Get<PersistentVolume>({"", intent.request.name()}).status();
  if (volume_object.ok()) return Release(claim);
  if (!absl::IsNotFound(volume_object)) return volume_object;

  StatusOr<Secret> secret = ReadSecret(environment_.api, intent.secret);
  const bool secret_is_gone = absl::IsNotFound(secret.status());
  if (!secret.ok() && !secret_is_gone) return Failed(claim, secret.status());
  csi::v1::CreateVolumeRequest request = intent.request;
  if (secret.ok()) request.mutable_secrets()->swap(*secret);
  const StatusOr<csi::v1::CreateVolumeResponse> response =
      environment_.driver.CreateVolume(request);
  switch (OutcomeOf(response.status().code())) {
    case CreateOutcome::kCreated:
      BERTH_RETURN_IF_ERROR(DeleteVolume(intent, response->volume().volume_id()));
      return Release(claim);
    case CreateOutcome::kFailed:
    case CreateOutcome::kInfeasible:
      // Without its secret the driver may refuse even where the volume exists.
      if (secret_is_gone) return Failed(claim, secret.status());
      return Release(claim);
    case CreateOutcome::kUnknown:
      return Failed(claim, response.status());
  }
  return absl::OkStatus();
}

Status Claims::DeleteVolume(const Intent& intent, const std::string& volume_id) {
  csi::v1::DeleteVolumeRequest request;
  request.set_volume_id(volume_id);
  if (StatusOr<Secret> secret = ReadSecret(environment_.api, intent.secret); secret.ok()) {
    request.mutable_secrets()->swap(*secret);
  }
  return environment_.driver.DeleteVolume(request);
}

Status Claims::Release(const Claim& claim) {
  const Status released = environment_.api
                              .Change(claim, {.remove_annotations = {kIntentAnnotation},
                                              .remove_finalizers = {kProvisioningFinalizer}})
                              .status();
  return absl::IsNotFound(released) ? absl::OkStatus() : released;
}

Status Claims::Failed(const Claim& claim, const Status& error) {
  environment_.events.Record(kube::ReferenceTo(claim), EventType::kWarning, "ProvisioningFailed",
                             std::string(error.message()));
  return error;
}

}  // namespace berth::provisioner
