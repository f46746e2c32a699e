#include "csi/node/node_request.h"

#include <limits.h>

#include "csi/request_checks.h"
#include "csi/secrets.h"

namespace berth {
namespace {

using ::csi::v1::VolumeCapability;

Access AccessOf(const VolumeCapability& capability) {
  Access access;
  access.block = capability.has_block();
  if (capability.has_mount()) {
    access.fs_type = FileSystemOf(capability);
    const auto& flags = capability.mount().mount_flags();
    access.mount_flags.assign(flags.begin(), flags.end());
  }
  access.read_only = IsReadOnly(capability);
  return access;
}

// CSI 1.13, NodePublishVolume: the table of target paths.
bool AllowsOnePath(const VolumeCapability& capability) {
  return capability.access_mode().mode() !=
             VolumeCapability::AccessMode::SINGLE_NODE_MULTI_WRITER &&
         !IsShared(AccessModeOf(capability));
}

}  // namespace

Status CheckStage(const csi::v1::NodeStageVolumeRequest& request) {
  BERTH_RETURN_IF_ERROR(CheckVolumeId(request.volume_id()));
  BERTH_RETURN_IF_ERROR(CheckPath("staging_target_path", request.staging_target_path()));
  BERTH_RETURN_IF_ERROR(CheckCapability(request.volume_capability()));
  BERTH_RETURN_IF_ERROR(CheckMap("publish_context", request.publish_context()));
  BERTH_RETURN_IF_ERROR(CheckMap("volume_context", request.volume_context()));
  return CheckMap("secrets", request.secrets());
}

Status CheckUnstage(const csi::v1::NodeUnstageVolumeRequest& request) {
  BERTH_RETURN_IF_ERROR(CheckVolumeId(request.volume_id()));
  return CheckPath("staging_target_path", request.staging_target_path());
}

Status CheckPublish(const csi::v1::NodePublishVolumeRequest& request) {
  BERTH_RETURN_IF_ERROR(CheckVolumeId(request.volume_id()));
  BERTH_RETURN_IF_ERROR(CheckPath("target_path", request.target_path()));
  BERTH_RETURN_IF_ERROR(CheckCapability(request.volume_capability()));
  if (request.staging_target_path().empty()) {
    return absl::FailedPreconditionError(
        "staging_target_path is missing: this node stages volumes (STAGE_UNSTAGE_VOLUME)");
  }
  return CheckPath("staging_target_path", request.staging_target_path());
}

Status CheckUnpublish(const csi::v1::NodeUnpublishVolumeRequest& request) {
  BERTH_RETURN_IF_ERROR(CheckVolumeId(request.volume_id()));
  return CheckPath("target_path", request.target_path());
}

Status CheckGetStats(const csi::v1::NodeGetVolumeStatsRequest& request) {
  BERTH_RETURN_IF_ERROR(CheckVolumeId(request.volume_id()));
  // A path of another shape is one at which no volume is (CSI: NodeGetVolumeStats, NOT_FOUND).
  // kubelet's is longer than other strings may be, and CSI lets it.
  return CheckRequired("volume_path", request.volume_path(), PATH_MAX - 1);
}

StatusOr<StageRequest> ReadStageRequest(const csi::v1::NodeStageVolumeRequest& request) {
  StageRequest stage;
  BERTH_ASSIGN_OR_RETURN(stage.volume, ParseVolumeHandle(request.volume_id()));
  BERTH_ASSIGN_OR_RETURN(stage.epoch, EpochFromPublishContext(request.publish_context()));
  BERTH_ASSIGN_OR_RETURN(stage.user, UserFromSecrets(request.secrets()));
  stage.staging_path = request.staging_target_path();
  stage.access = AccessOf(request.volume_capability());
  return stage;
}

StatusOr<PublishRequest> ReadPublishRequest(const csi::v1::NodePublishVolumeRequest& request) {
  PublishRequest publish;
  BERTH_ASSIGN_OR_RETURN(publish.volume, ParseVolumeHandle(request.volume_id()));
  publish.staging_path = request.staging_target_path();
  publish.target_path = request.target_path();
  publish.access = AccessOf(request.volume_capability());
  publish.read_only = request.readonly() || publish.access.read_only;
  publish.at_most_one_path = AllowsOnePath(request.volume_capability());
  return publish;
}

}  // namespace berth
