#pragma once

#include <string>

#include "base/status.h"
#include "csi.pb.h"
#include "kube/core_v1.h"
#include "kube/storage_v1.h"
#include "provisioner/csi_driver.h"

namespace berth::provisioner {

enum class AttachmentStep { kNothing, kAttach, kDetach };

// Attach until status.attached; once the object is being deleted, detach while it carries our
// finalizer, for then the volume may be attached whatever the status says.
AttachmentStep PlanAttachment(const kube::storage::VolumeAttachment& attachment,
                              const std::string& driver);

// Whether the change can mean work. What we write ourselves on a failure (attachError, detachError)
// cannot: it would be tried again at once and for ever.
bool NeedsLook(const kube::storage::VolumeAttachment* before,
               const kube::storage::VolumeAttachment& after);

// The driver's id of the node: from CSINode, else the one noted on the attachment (for a detach
// after the node has gone). `node` may be null. NOT_FOUND says what is missing.
StatusOr<std::string> NodeIdFor(const kube::storage::VolumeAttachment& attachment,
                                const kube::storage::CSINode* node, const std::string& driver);

// The request for ControllerPublishVolume, without secrets. FAILED_PRECONDITION for a volume that
// is being deleted, INVALID_ARGUMENT for one that the driver cannot attach.
StatusOr<csi::v1::ControllerPublishVolumeRequest> PublishRequest(
    const kube::core::PersistentVolume& volume, const std::string& node_id,
    const CsiDriver::Capabilities& capabilities, const std::string& driver);

}  // namespace berth::provisioner
