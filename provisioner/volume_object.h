#pragma once

#include <string>

#include "base/status.h"
#include "csi.pb.h"
#include "kube/core_v1.h"
#include "kube/storage_v1.h"
#include "provisioner/intent.h"

namespace berth::provisioner {

// The PersistentVolume for a volume that the driver made for `claim`: what external-provisioner
// writes, field by field. `identity` names this provisioner in the volume's attributes.
// INVALID_ARGUMENT when the class names a Secret that cannot be resolved.
StatusOr<kube::core::PersistentVolume> MakeVolumeObject(
    const kube::core::PersistentVolumeClaim& claim,
    const kube::storage::StorageClass& storage_class, const Intent& intent,
    const csi::v1::Volume& volume, const std::string& identity);

}  // namespace berth::provisioner
