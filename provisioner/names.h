// Names that a cluster's other programs and people know: they may not change.
#pragma once

#include <string>
#include <string_view>

namespace berth::provisioner {

// On a claim from before CreateVolume until its volume has a PersistentVolume or is proved gone.
inline constexpr char kProvisioningFinalizer[] = "berth.storage/provisioning";
inline constexpr char kIntentAnnotation[] = "berth.storage/provisioning-intent";

// Written by kube-controller-manager on claims.
inline constexpr char kStorageProvisioner[] = "volume.kubernetes.io/storage-provisioner";
inline constexpr char kBetaStorageProvisioner[] = "volume.beta.kubernetes.io/storage-provisioner";
inline constexpr char kSelectedNode[] = "volume.kubernetes.io/selected-node";

// Those of external-provisioner and external-attacher, so that either side can take over from the
// other.
inline constexpr char kProvisionedBy[] = "pv.kubernetes.io/provisioned-by";
inline constexpr char kDeletionSecretName[] =
    "volume.kubernetes.io/provisioner-deletion-secret-name";
inline constexpr char kDeletionSecretNamespace[] =
    "volume.kubernetes.io/provisioner-deletion-secret-namespace";
inline constexpr char kModifySecretName[] = "volume.kubernetes.io/controller-modify-secret-name";
inline constexpr char kModifySecretNamespace[] =
    "volume.kubernetes.io/controller-modify-secret-namespace";
inline constexpr char kDeletionFinalizer[] = "external-provisioner.volume.kubernetes.io/finalizer";
inline constexpr char kIdentityAttribute[] = "storage.kubernetes.io/csiProvisionerIdentity";
inline constexpr char kNodeIdAnnotation[] = "csi.alpha.kubernetes.io/node-id";

// "external-attacher/" and the driver's name, in which every character but letters, digits and "-"
// is "-", and which gets an "X" when it would end in "-".
std::string AttacherFinalizer(std::string_view driver);

}  // namespace berth::provisioner
