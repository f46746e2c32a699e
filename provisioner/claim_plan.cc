#include "provisioner/claim_plan.h"

#include <spdlog/fmt/fmt.h>

#include <utility>

#include "base/status.h"
#include "kube/json_patch.h"
#include "provisioner/names.h"

namespace berth::provisioner {
namespace {

using Step = ClaimPlan::Step;

ClaimPlan Reject(std::string message) {
  return {.step = Step::kReject, .message = std::move(message)};
}

bool IsForDriver(const kube::meta::ObjectMeta& claim, const std::string& driver) {
  return kube::Annotation(claim, kStorageProvisioner) == driver ||
         kube::Annotation(claim, kBetaStorageProvisioner) == driver;
}

std::string DataSource(const kube::core::PersistentVolumeClaimSpec& spec) {
  if (spec.has_datasourceref()) {
    return fmt::format("{} {}", spec.datasourceref().kind(), spec.datasourceref().name());
  }
  if (spec.has_datasource()) {
    return fmt::format("{} {}", spec.datasource().kind(), spec.datasource().name());
  }
  return "";
}

// A claim that carries an intent, and so perhaps a volume.
ClaimPlan PlanStarted(const ClaimView& view, Intent intent) {
  const bool deleted = view.claim.metadata().has_deletiontimestamp();
  const std::string& bound_to = view.claim.spec().volumename();
  if (view.volume_exists) {
    // The binder writes to the claim now; releasing it before would cost it a conflict.
    const bool binding = !deleted && view.claim.status().phase() != "Bound";
    return {.step = binding ? Step::kNothing : Step::kRelease};
  }
  const bool class_gone =
      view.storage_class == nullptr || view.storage_class->metadata().uid() != intent.class_uid;
  const bool unwanted = deleted || !bound_to.empty() || class_gone;
  return {.step = unwanted ? Step::kUndo : Step::kCreate, .intent = std::move(intent)};
}

ClaimPlan PlanNew(const ClaimView& view) {
  const kube::core::PersistentVolumeClaimSpec& spec = view.claim.spec();
  if (view.claim.metadata().has_deletiontimestamp() || !spec.volumename().empty()) return {};
  if (view.volume_exists || !IsForDriver(view.claim.metadata(), view.driver)) return {};
  if (view.storage_class == nullptr) {
    return Reject(fmt::format("StorageClass \"{}\" does not exist", spec.storageclassname()));
  }
  if (view.storage_class->provisioner() != view.driver) return {};
  if (view.storage_class->volumebindingmode() == "WaitForFirstConsumer" &&
      kube::Annotation(view.claim.metadata(), kSelectedNode).empty()) {
    return {};
  }
  if (spec.has_selector()) {
    return Reject("spec.selector is not supported for volumes that are made on demand");
  }
  if (const std::string source = DataSource(spec); !source.empty()) {
    return Reject(
        fmt::format("data source {}: making a volume from another one is not supported "
                    "yet",
                    source));
  }
  return {.step = Step::kBegin};
}

}  // namespace

ClaimPlan PlanClaim(const ClaimView& view) {
  const kube::meta::ObjectMeta& metadata = view.claim.metadata();
  const std::string text = kube::Annotation(metadata, kIntentAnnotation);
  if (text.empty() && !kube::HasFinalizer(metadata, kProvisioningFinalizer)) return PlanNew(view);

  StatusOr<Intent> intent = DecodeIntent(text);
  if (intent.ok() && intent->driver != view.driver) return {};
  if (intent.ok()) return PlanStarted(view, *std::move(intent));
  // Somebody damaged the annotation. A live claim gets a new one and repeats the same volume name.
  if (view.volume_exists) return {.step = Step::kRelease};
  if (!IsForDriver(metadata, view.driver)) return {};
  if (!metadata.has_deletiontimestamp()) return PlanNew(view);
  return Reject(fmt::format(
      "annotation {} cannot be read, so volume {} cannot be found and removed: remove it by hand, "
      "then the finalizer {}",
      kIntentAnnotation, VolumeNameFor(view.claim), kProvisioningFinalizer));
}

bool ClaimNeedsLook(const kube::core::PersistentVolumeClaim* before,
                    const kube::core::PersistentVolumeClaim& after) {
  if (before == nullptr || before->metadata().uid() != after.metadata().uid()) return true;
  for (const char* name : {kStorageProvisioner, kBetaStorageProvisioner, kSelectedNode}) {
    if (kube::Annotation(before->metadata(), name) != kube::Annotation(after.metadata(), name)) {
      return true;
    }
  }
  const auto started = [](const kube::core::PersistentVolumeClaim& claim) {
    return kube::HasFinalizer(claim.metadata(), kProvisioningFinalizer);
  };
  return (started(*before) && !started(after)) ||
         before->metadata().has_deletiontimestamp() != after.metadata().has_deletiontimestamp() ||
         before->spec().volumename() != after.spec().volumename() ||
         before->spec().storageclassname() != after.spec().storageclassname() ||
         before->status().phase() != after.status().phase();
}

CreateOutcome OutcomeOf(absl::StatusCode code) {
  if (code == absl::StatusCode::kOk) return CreateOutcome::kCreated;
  if (code == absl::StatusCode::kInvalidArgument) return CreateOutcome::kInfeasible;
  return OutcomeIsUnknown(code) ? CreateOutcome::kUnknown : CreateOutcome::kFailed;
}

}  // namespace berth::provisioner
