#include "csi/node/publish_volume.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "csi/node/block_device.h"
#include "csi/node/block_volume.h"
#include "csi/node/mount.h"
#include "csi/node/target_path.h"

namespace berth {
namespace {

Status SomethingElseIsMounted(const Mount& mount, const StageRecord& record) {
  return absl::FailedPreconditionError(fmt::format(
      "{} ({}) is mounted at target_path {} and is not volume {}: unmount it by hand", mount.source,
      DeviceNumberText(mount.device), mount.target, record.volume.ToString()));
}

// CSI's table of NodePublishVolume: which other publications forbid this one.
Status CheckOtherTargets(const StageRecord& record, const PublishRequest& request) {
  for (const auto& [target, publication] : record.targets) {
    if (target == request.target_path) continue;
    if (!request.at_most_one_path && !publication.at_most_one_path) continue;
    BERTH_ASSIGN_OR_RETURN(const bool published, IsPublishedAt(record, target));
    if (!published) continue;
    return absl::FailedPreconditionError(
        fmt::format("volume {} is published at {}, and its access mode allows one target path",
                    record.volume.ToString(), target));
  }
  return absl::OkStatus();
}

Status CheckAccess(const StageRecord& record, const PublishRequest& request) {
  if (record.access.block != request.access.block) {
    return absl::FailedPreconditionError(fmt::format(
        "volume {} is staged for {} access and asked for as {}", record.volume.ToString(),
        record.access.block ? "block" : "mount", request.access.block ? "block" : "mount"));
  }
  if (record.access.block && request.read_only && !record.access.read_only) {
    return absl::FailedPreconditionError(fmt::format(
        "raw block volume {} is staged writable and cannot be published read-only; use an "
        "access mode that does not write",
        record.volume.ToString()));
  }
  return absl::OkStatus();
}

Status Bind(const StageRecord& record, const PublishRequest& request) {
  if (record.access.block) return PublishBlock(record, request.target_path);
  BERTH_RETURN_IF_ERROR(MakeTargetDirectory(request.target_path));
  return BindMount(record.staging_path, request.target_path, request.read_only);
}

}  // namespace

StatusOr<bool> IsPublishedAt(const StageRecord& record, const std::string& target) {
  if (record.device_number == 0) return false;
  if (record.access.block) return IsBlockPublishedAt(record, target);
  BERTH_ASSIGN_OR_RETURN(const std::optional<Mount> mount, FindMount(target));
  return mount && mount->device == record.device_number;
}

StatusOr<StageRecord> VolumePublishing::StagedRecord(const PublishRequest& request,
                                                     absl::Time deadline) const {
  BERTH_ASSIGN_OR_RETURN(std::optional<StageRecord> record, records_.Get(request.volume));
  if (!record || record->boot_id != node_.boot_id) {
    return absl::FailedPreconditionError(
        fmt::format("volume {} is not staged on this node; NodeStageVolume has to be called first",
                    request.volume.ToString()));
  }
  if (record->staging_path != request.staging_path) {
    return absl::FailedPreconditionError(fmt::format("volume {} is staged at {} and not at {}",
                                                     request.volume.ToString(),
                                                     record->staging_path, request.staging_path));
  }
  BERTH_RETURN_IF_ERROR(CheckStagedDevice(*record, deadline));
  return *std::move(record);
}

// That the record's device is this volume: by the mount at the staging path, which keeps the
// device; for block, where nothing is mounted, by the attacher's word.
Status VolumePublishing::CheckStagedDevice(const StageRecord& record, absl::Time deadline) const {
  bool staged = false;
  if (record.access.block) {
    BERTH_ASSIGN_OR_RETURN(const std::vector<Attachment> attachments, attacher_.List(deadline));
    staged = std::any_of(attachments.begin(), attachments.end(), [&](const Attachment& attachment) {
      return attachment.volume == record.volume && attachment.epoch == record.epoch &&
             attachment.device == record.device;
    });
  } else {
    BERTH_ASSIGN_OR_RETURN(staged, IsStagedAt(record));
  }
  if (staged) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("staging of volume {} at {} is not complete; NodeStageVolume has to be called "
                  "again",
                  record.volume.ToString(), record.staging_path));
}

Status VolumePublishing::Publish(const PublishRequest& request, absl::Time deadline) const {
  BERTH_ASSIGN_OR_RETURN(StageRecord record, StagedRecord(request, deadline));
  BERTH_RETURN_IF_ERROR(CheckAccess(record, request));
  BERTH_RETURN_IF_ERROR(CheckOtherTargets(record, request));
  BERTH_ASSIGN_OR_RETURN(const std::optional<Mount> mount, FindMount(request.target_path));
  if (mount) {
    BERTH_ASSIGN_OR_RETURN(const bool ours, IsPublishedAt(record, request.target_path));
    if (!ours) return SomethingElseIsMounted(*mount, record);
    if (record.access.block || mount->read_only == request.read_only) return absl::OkStatus();
    return absl::AlreadyExistsError(fmt::format("volume {} is published at {} {} and asked for {}",
                                                record.volume.ToString(), request.target_path,
                                                mount->read_only ? "read-only" : "writable",
                                                request.read_only ? "read-only" : "writable"));
  }
  Publication& publication = record.targets[request.target_path];
  publication.read_only = request.read_only;
  publication.at_most_one_path = request.at_most_one_path;
  BERTH_RETURN_IF_ERROR(records_.Put(record));
  return Bind(record, request);
}

Status VolumePublishing::Unpublish(const VolumeHandle& volume,
                                   const std::string& target_path) const {
  BERTH_ASSIGN_OR_RETURN(std::optional<StageRecord> record, records_.Get(volume));
  const bool this_boot = record && record->boot_id == node_.boot_id;
  // Somebody may have bound it twice: mounts lie on one another.
  for (;;) {
    BERTH_ASSIGN_OR_RETURN(const std::optional<Mount> mount, FindMount(target_path));
    if (!mount) break;
    bool ours = false;
    if (this_boot) {
      BERTH_ASSIGN_OR_RETURN(ours, IsPublishedAt(*record, target_path));
    }
    if (!ours) {
      return absl::FailedPreconditionError(
          fmt::format("{} is mounted at target_path {}, and no record says that it is volume {}: "
                      "unmount it by hand",
                      mount->source, target_path, volume.ToString()));
    }
    BERTH_RETURN_IF_ERROR(Unmount(target_path));
  }
  BERTH_RETURN_IF_ERROR(RemoveTarget(target_path));
  if (record && record->targets.erase(target_path) > 0) return records_.Put(*record);
  return absl::OkStatus();
}

}  // namespace berth
