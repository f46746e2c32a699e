#include "provisioner/volume_object.h"

#include <map>
#include <optional>

#include "kube/quantity.h"
#include "kube/resource.h"
#include "provisioner/names.h"

namespace berth::provisioner {
namespace {

using kube::core::CSIPersistentVolumeSource;
using kube::core::PersistentVolume;
using kube::core::PersistentVolumeClaim;

void SetAnnotations(const Intent& intent, const std::optional<SecretName>& modify_secret,
                    kube::meta::ObjectMeta& metadata) {
  auto& annotations = *metadata.mutable_annotations();
  annotations[kProvisionedBy] = intent.driver;
  // Present also without a secret: that says that deletion needs none.
  const SecretName secret = intent.secret.value_or(SecretName());
  annotations[kDeletionSecretName] = secret.name;
  annotations[kDeletionSecretNamespace] = secret.ns;
  if (modify_secret) {
    annotations[kModifySecretName] = modify_secret->name;
    annotations[kModifySecretNamespace] = modify_secret->ns;
  }
}

void SetClaimRef(const PersistentVolumeClaim& claim, kube::core::ObjectReference& reference) {
  reference.set_apiversion("v1");
  reference.set_kind("PersistentVolumeClaim");
  reference.set_namespace_(claim.metadata().namespace_());
  reference.set_name(claim.metadata().name());
  reference.set_uid(claim.metadata().uid());
  reference.set_resourceversion(claim.metadata().resourceversion());
}

void SetSecret(const std::optional<SecretName>& secret,
               kube::core::SecretReference* (CSIPersistentVolumeSource::*field)(),
               CSIPersistentVolumeSource& source) {
  if (!secret) return;
  kube::core::SecretReference& reference = *(source.*field)();
  reference.set_name(secret->name);
  reference.set_namespace_(secret->ns);
}

Status SetSecrets(const ClassParameters& parameters, const PersistentVolumeClaim& claim,
                  const std::string& volume_name, CSIPersistentVolumeSource& source) {
  using Source = CSIPersistentVolumeSource;
  const std::map<SecretUse, kube::core::SecretReference* (Source::*)()> fields = {
      {SecretUse::kControllerPublish, &Source::mutable_controllerpublishsecretref},
      {SecretUse::kNodeStage, &Source::mutable_nodestagesecretref},
      {SecretUse::kNodePublish, &Source::mutable_nodepublishsecretref},
      {SecretUse::kControllerExpand, &Source::mutable_controllerexpandsecretref},
      {SecretUse::kNodeExpand, &Source::mutable_nodeexpandsecretref},
  };
  for (const auto& [use, field] : fields) {
    BERTH_ASSIGN_OR_RETURN(const auto secret, ResolveSecret(parameters, use, volume_name, claim));
    SetSecret(secret, field, source);
  }
  return absl::OkStatus();
}

// One term for each place that reaches the volume; within a place all keys must match.
void SetNodeAffinity(const csi::v1::Volume& volume, kube::core::PersistentVolumeSpec& spec) {
  for (const csi::v1::Topology& place : volume.accessible_topology()) {
    kube::core::NodeSelectorTerm& term =
        *spec.mutable_nodeaffinity()->mutable_required()->add_nodeselectorterms();
    const std::map<std::string, std::string> segments(place.segments().begin(),
                                                      place.segments().end());
    for (const auto& [key, value] : segments) {
      kube::core::NodeSelectorRequirement& requirement = *term.add_matchexpressions();
      requirement.set_key(key);
      requirement.set_operator_("In");
      requirement.add_values(value);
    }
  }
}

}  // namespace

StatusOr<PersistentVolume> MakeVolumeObject(const PersistentVolumeClaim& claim,
                                            const kube::storage::StorageClass& storage_class,
                                            const Intent& intent, const csi::v1::Volume& volume,
                                            const std::string& identity) {
  BERTH_ASSIGN_OR_RETURN(
      const ClassParameters parameters,
      ParseClassParameters({storage_class.parameters().begin(), storage_class.parameters().end()}));
  const std::string& name = intent.request.name();
  BERTH_ASSIGN_OR_RETURN(const auto modify_secret,
                         ResolveSecret(parameters, SecretUse::kControllerModify, name, claim));
  PersistentVolume object;
  object.mutable_metadata()->set_name(name);
  object.mutable_metadata()->add_finalizers(kDeletionFinalizer);
  SetAnnotations(intent, modify_secret, *object.mutable_metadata());

  kube::core::PersistentVolumeSpec& spec = *object.mutable_spec();
  const int64_t bytes = volume.capacity_bytes() > 0
                            ? volume.capacity_bytes()
                            : intent.request.capacity_range().required_bytes();
  (*spec.mutable_capacity())["storage"].set_string(kube::FormatQuantity(bytes));
  *spec.mutable_accessmodes() = claim.spec().accessmodes();
  *spec.mutable_mountoptions() = storage_class.mountoptions();
  SetClaimRef(claim, *spec.mutable_claimref());
  spec.set_storageclassname(storage_class.metadata().name());
  spec.set_persistentvolumereclaimpolicy(
      storage_class.reclaimpolicy().empty() ? "Delete" : storage_class.reclaimpolicy());
  if (!claim.spec().volumemode().empty()) spec.set_volumemode(claim.spec().volumemode());
  if (!claim.spec().volumeattributesclassname().empty()) {
    spec.set_volumeattributesclassname(claim.spec().volumeattributesclassname());
  }
  SetNodeAffinity(volume, spec);

  CSIPersistentVolumeSource& source = *spec.mutable_persistentvolumesource()->mutable_csi();
  source.set_driver(intent.driver);
  source.set_volumehandle(volume.volume_id());
  *source.mutable_volumeattributes() = volume.volume_context();
  (*source.mutable_volumeattributes())[kIdentityAttribute] = identity;
  if (claim.spec().volumemode() != "Block") source.set_fstype(parameters.fs_type);
  // Read-only for every pod when no mode of the claim writes.
  const auto& modes = claim.spec().accessmodes();
  source.set_readonly(modes.size() == 1 && modes.Get(0) == "ReadOnlyMany");
  BERTH_RETURN_IF_ERROR(SetSecrets(parameters, claim, name, source));
  return object;
}

}  // namespace berth::provisioner
