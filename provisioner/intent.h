#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "csi.pb.h"
#include "kube/core_v1.h"
#include "kube/storage_v1.h"
#include "provisioner/class_parameters.h"
#include "provisioner/csi_driver.h"

namespace berth::provisioner {

// What is about to be asked of the driver for a claim. It is stored on the claim before
// CreateVolume is called, so that whoever comes after a crash repeats the very same request: it
// alone leads to the volume, because CSI has no look-up by name. Secrets are in it by name only.
struct Intent {
  std::string driver;
  std::string class_uid;
  std::optional<SecretName> secret;      // for CreateVolume and DeleteVolume
  csi::v1::CreateVolumeRequest request;  // without secrets
};

// "pvc-<uid>": the PersistentVolume's name and CreateVolume's idempotency key.
std::string VolumeNameFor(const kube::core::PersistentVolumeClaim& claim);

// The intent for a new volume of `storage_class`. INVALID_ARGUMENT names the parameter or field of
// class or claim that is wrong; OUT_OF_RANGE a size that does not fit.
StatusOr<Intent> MakeIntent(const kube::core::PersistentVolumeClaim& claim,
                            const kube::storage::StorageClass& storage_class,
                            const std::string& driver, const CsiDriver::Capabilities& capabilities);

// The annotation's text: JSON with a version. DATA_LOSS when a text is no intent of this version.
std::string EncodeIntent(const Intent& intent);
StatusOr<Intent> DecodeIntent(std::string_view text);

}  // namespace berth::provisioner
