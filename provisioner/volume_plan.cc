#include "provisioner/volume_plan.h"

#include "kube/json_patch.h"
#include "provisioner/names.h"

namespace berth::provisioner {
namespace {

using Step = VolumePlan::Step;

Step NextStep(const VolumeView& view) {
  const kube::meta::ObjectMeta& metadata = view.volume.metadata();
  const bool guarded = kube::HasFinalizer(metadata, kDeletionFinalizer);
  if (view.volume.spec().persistentvolumereclaimpolicy() != "Delete") {
    return guarded ? Step::kUnprotect : Step::kNothing;
  }
  const bool deleted = metadata.has_deletiontimestamp();
  if (view.volume.status().phase() == "Bound") {
    return guarded || deleted ? Step::kNothing : Step::kProtect;
  }
  // An object in deletion without our finalizer is none of ours any more.
  if (view.volume.status().phase() != "Released" || (deleted && !guarded)) return Step::kNothing;
  return view.attached_to.empty() ? Step::kDelete : Step::kWaitForDetach;
}

}  // namespace

VolumePlan PlanVolume(const VolumeView& view) {
  const auto& source = view.volume.spec().persistentvolumesource();
  if (!source.has_csi() || source.csi().driver() != view.driver) return {};
  VolumePlan plan;
  plan.step = NextStep(view);
  plan.release_attacher =
      view.volume.metadata().has_deletiontimestamp() && view.attached_to.empty() &&
      kube::HasFinalizer(view.volume.metadata(), AttacherFinalizer(view.driver));
  return plan;
}

std::optional<SecretName> DeletionSecretOf(const kube::core::PersistentVolume& volume) {
  const std::string name = kube::Annotation(volume.metadata(), kDeletionSecretName);
  if (name.empty()) return std::nullopt;
  return SecretName{kube::Annotation(volume.metadata(), kDeletionSecretNamespace), name};
}

}  // namespace berth::provisioner
