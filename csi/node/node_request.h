// What the Node service's requests say, in the words of VolumeStaging and VolumePublishing.
#pragma once

#include "base/status.h"
#include "csi.pb.h"
#include "csi/node/publish_volume.h"
#include "csi/node/stage_volume.h"

namespace berth {

// Checks of one message each, before anything is done: INVALID_ARGUMENT naming the field;
// FAILED_PRECONDITION for a NodePublishVolume without staging_target_path (CSI: the node has
// STAGE_UNSTAGE_VOLUME).
Status CheckStage(const csi::v1::NodeStageVolumeRequest& request);
Status CheckUnstage(const csi::v1::NodeUnstageVolumeRequest& request);
Status CheckPublish(const csi::v1::NodePublishVolumeRequest& request);
Status CheckUnpublish(const csi::v1::NodeUnpublishVolumeRequest& request);
Status CheckGetStats(const csi::v1::NodeGetVolumeStatsRequest& request);

// Require a request that was checked. INVALID_ARGUMENT when the volume_id is no handle, the publish
// context has no epoch, or the secrets hold only one of userID and userKey.
StatusOr<StageRequest> ReadStageRequest(const csi::v1::NodeStageVolumeRequest& request);
StatusOr<PublishRequest> ReadPublishRequest(const csi::v1::NodePublishVolumeRequest& request);

}  // namespace berth
