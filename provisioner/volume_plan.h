#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kube/core_v1.h"
#include "provisioner/class_parameters.h"

namespace berth::provisioner {

struct VolumeView {
  const kube::core::PersistentVolume& volume;
  const std::vector<std::string>& attached_to;  // nodes of the VolumeAttachments that name it
  const std::string& driver;
};

// What a PersistentVolume needs. Bound with policy Delete: our finalizer, so that its object cannot
// go before its volume. Released with policy Delete: its volume deleted, then its object, then the
// finalizers, but never while a VolumeAttachment names it. Any other policy: our finalizer off.
struct VolumePlan {
  enum class Step { kNothing, kProtect, kUnprotect, kDelete, kWaitForDetach };
  Step step = Step::kNothing;
  // The attacher's finalizer comes off: the object is being deleted and nothing is attached.
  bool release_attacher = false;
};

VolumePlan PlanVolume(const VolumeView& view);

// The Secret for DeleteVolume, from the object's annotations.
std::optional<SecretName> DeletionSecretOf(const kube::core::PersistentVolume& volume);

}  // namespace berth::provisioner
