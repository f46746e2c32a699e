#include "provisioner/volumes.h"

#include <spdlog/fmt/fmt.h>

#include "absl/strings/str_join.h"
#include "provisioner/names.h"

namespace berth::provisioner {
namespace {

using kube::Outcome;
using kube::core::PersistentVolume;

}  // namespace

Volumes::Volumes(Environment environment, int workers)
    : environment_(environment),
      controller_(
          environment.clock,
          {.name = "volumes", .workers = workers, .queue = {.base_delay = absl::Seconds(1)}},
          [this] { return Keys(); }, [this](const std::string& key) { return Reconcile(key); }) {
  environment_.caches.volumes.AddHandler([this](const auto& change) {
    if (change.after != nullptr) controller_.Enqueue(change.key().name);
  });
  environment_.caches.attachments.AddHandler([this](const auto& change) {
    if (change.after != nullptr) return;
    controller_.Enqueue(change.before->spec().source().persistentvolumename());
  });
}

std::vector<std::string> Volumes::Keys() {
  std::vector<std::string> keys;
  for (const auto& volume : environment_.caches.volumes.List()) {
    keys.push_back(volume->metadata().name());
  }
  return keys;
}

Outcome Volumes::Reconcile(const std::string& name) {
  const auto volume = environment_.caches.volumes.Get({"", name});
  if (volume == nullptr) return absl::OkStatus();
  std::vector<std::string> nodes;
  for (const auto& attachment : environment_.caches.attachments.ByIndex(Caches::kByVolume, name)) {
    nodes.push_back(attachment->spec().nodename());
  }
  const VolumePlan plan = PlanVolume({*volume, nodes, environment_.driver.name()});
  switch (plan.step) {
    case VolumePlan::Step::kDelete:
      return Delete(*volume);
    case VolumePlan::Step::kProtect:
      return Change(*volume, {.add_finalizers = {kDeletionFinalizer}});
    case VolumePlan::Step::kUnprotect:
      BERTH_RETURN_IF_ERROR(Change(*volume, {.remove_finalizers = {kDeletionFinalizer}}));
      break;
    case VolumePlan::Step::kWaitForDetach:
      // The detachment brings it back.
      Failed(*volume, absl::FailedPreconditionError(fmt::format(
                          "volume is still attached to node {}", absl::StrJoin(nodes, ", "))))
          .IgnoreError();
      break;
    case VolumePlan::Step::kNothing:
      break;
  }
  if (!plan.release_attacher) return absl::OkStatus();
  return Change(*volume, {.remove_finalizers = {AttacherFinalizer(environment_.driver.name())}});
}

Status Volumes::Delete(const Volume& volume) {
  csi::v1::DeleteVolumeRequest request;
  request.set_volume_id(volume.spec().persistentvolumesource().csi().volumehandle());
  StatusOr<Secret> secret = ReadSecret(environment_.api, DeletionSecretOf(volume));
  // A Secret that has gone does not keep the volume: the driver may not need it.
  if (!secret.ok() && !absl::IsNotFound(secret.status())) return Failed(volume, secret.status());
  if (secret.ok()) request.mutable_secrets()->swap(*secret);
  if (const Status deleted = environment_.driver.DeleteVolume(request); !deleted.ok()) {
    return Failed(volume, deleted);
  }
  const Status object_deleted = environment_.api.Delete<PersistentVolume>(
      kube::KeyOf(volume), {.uid = volume.metadata().uid()});
  if (absl::IsNotFound(object_deleted)) return absl::OkStatus();
  if (!object_deleted.ok()) return Failed(volume, object_deleted);
  return Change(volume, {.remove_finalizers = {kDeletionFinalizer,
                                               AttacherFinalizer(environment_.driver.name())}});
}

Status Volumes::Change(const Volume& volume, const kube::MetadataChange& change) {
  const Status changed = environment_.api.Change(volume, change).status();
  return absl::IsNotFound(changed) ? absl::OkStatus() : changed;
}

Status Volumes::Failed(const Volume& volume, const Status& error) {
  environment_.events.Record(kube::ReferenceTo(volume), kube::EventType::kWarning,
                             "VolumeFailedDelete", std::string(error.message()));
  return error;
}

}  // namespace berth::provisioner
