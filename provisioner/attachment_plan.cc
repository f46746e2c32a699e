#include "provisioner/attachment_plan.h"

#include <spdlog/fmt/fmt.h>

#include "kube/json_patch.h"
#include "provisioner/capability.h"
#include "provisioner/names.h"

namespace berth::provisioner {

AttachmentStep PlanAttachment(const kube::storage::VolumeAttachment& attachment,
                              const std::string& driver) {
  if (attachment.spec().attacher() != driver) return AttachmentStep::kNothing;
  if (!attachment.metadata().has_deletiontimestamp()) {
    return attachment.status().attached() ? AttachmentStep::kNothing : AttachmentStep::kAttach;
  }
  return kube::HasFinalizer(attachment.metadata(), AttacherFinalizer(driver))
             ? AttachmentStep::kDetach
             : AttachmentStep::kNothing;
}

bool NeedsLook(const kube::storage::VolumeAttachment* before,
               const kube::storage::VolumeAttachment& after) {
  return before == nullptr || before->metadata().uid() != after.metadata().uid() ||
         before->metadata().has_deletiontimestamp() != after.metadata().has_deletiontimestamp() ||
         before->status().attached() != after.status().attached();
}

StatusOr<std::string> NodeIdFor(const kube::storage::VolumeAttachment& attachment,
                                const kube::storage::CSINode* node, const std::string& driver) {
  if (node != nullptr) {
    for (const kube::storage::CSINodeDriver& registered : node->spec().drivers()) {
      if (registered.name() == driver) return registered.nodeid();
    }
  }
  std::string noted = kube::Annotation(attachment.metadata(), kNodeIdAnnotation);
  if (!noted.empty()) return noted;
  return absl::NotFoundError(fmt::format(
      "CSINode {} {}: is the driver's node plugin running there?", attachment.spec().nodename(),
      node == nullptr ? "does not exist" : "does not list driver " + driver));
}

StatusOr<csi::v1::ControllerPublishVolumeRequest> PublishRequest(
    const kube::core::PersistentVolume& volume, const std::string& node_id,
    const CsiDriver::Capabilities& capabilities, const std::string& driver) {
  const std::string& name = volume.metadata().name();
  const kube::core::CSIPersistentVolumeSource& source =
      volume.spec().persistentvolumesource().csi();
  if (source.driver() != driver) {
    return absl::InvalidArgumentError(
        fmt::format("PersistentVolume {} belongs to driver \"{}\"", name, source.driver()));
  }
  if (volume.metadata().has_deletiontimestamp()) {
    return absl::FailedPreconditionError(fmt::format("PersistentVolume {} is being deleted", name));
  }
  csi::v1::ControllerPublishVolumeRequest request;
  request.set_volume_id(source.volumehandle());
  request.set_node_id(node_id);
  BERTH_ASSIGN_OR_RETURN(*request.mutable_volume_capability(),
                         CapabilityOf(volume, capabilities.single_node_multi_writer));
  // CSI: the field may be set only for a driver with PUBLISH_READONLY.
  request.set_readonly(source.readonly() && capabilities.publish_readonly);
  *request.mutable_volume_context() = source.volumeattributes();
  return request;
}

}  // namespace berth::provisioner
