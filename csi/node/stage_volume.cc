#include "csi/node/stage_volume.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "csi/node/block_device.h"
#include "csi/node/file_system.h"
#include "csi/node/mount.h"
#include "csi/node/publish_volume.h"
#include "csi/node/target_path.h"

namespace berth {
namespace {

StageRecord NewRecord(const StageRequest& request, const NodeIdentity& node) {
  StageRecord record;
  record.volume = request.volume;
  record.epoch = request.epoch;
  record.boot_id = node.boot_id;
  record.staging_path = request.staging_path;
  record.access = request.access;
  return record;
}

// A device that cannot be written to cannot have its journal replayed, which ext4 wants even for a
// read-only mount unless it is told not to.
Status MountStaged(const StageRecord& record) {
  std::vector<std::string> options = record.access.mount_flags;
  if (record.access.read_only) options.insert(options.end(), {"ro", "noload"});
  return MountFileSystem(record.device, record.staging_path, record.access.fs_type, options);
}

}  // namespace

StatusOr<bool> IsStagedAt(const StageRecord& record) {
  BERTH_ASSIGN_OR_RETURN(const std::optional<Mount> found, FindMount(record.staging_path));
  if (!found) return false;
  if (record.device_number != 0 && found->device == record.device_number) return true;
  return absl::FailedPreconditionError(fmt::format(
      "{} ({}) is mounted at the staging path {} and is not volume {}: unmount it by hand",
      found->source, DeviceNumberText(found->device), record.staging_path,
      record.volume.ToString()));
}

StatusOr<std::optional<StageRecord>> VolumeStaging::RecordOfThisBoot(
    const VolumeHandle& volume) const {
  BERTH_ASSIGN_OR_RETURN(std::optional<StageRecord> record, records_.Get(volume));
  if (record && record->boot_id != node_.boot_id) {
    BERTH_RETURN_IF_ERROR(records_.Remove(volume));
    record.reset();
  }
  return record;
}

StatusOr<bool> VolumeStaging::Fits(const StageRecord& record, const StageRequest& request) const {
  if (record.epoch > request.epoch) {
    return absl::FailedPreconditionError(fmt::format(
        "volume {} is staged under epoch {}, and this request carries the older epoch {}",
        record.volume.ToString(), record.epoch, request.epoch));
  }
  if (record.epoch < request.epoch) return false;
  if (record.staging_path != request.staging_path) {
    return absl::FailedPreconditionError(
        fmt::format("volume {} is staged at {} and not at {}; unstage it there first",
                    record.volume.ToString(), record.staging_path, request.staging_path));
  }
  if (record.access == request.access) return true;
  const bool staged_as_block = record.access.block && !record.device.empty();
  BERTH_ASSIGN_OR_RETURN(const bool mounted, IsStagedAt(record));
  if (staged_as_block || mounted) {
    return absl::AlreadyExistsError(
        fmt::format("volume {} is staged at {} with another capability (access type, file system, "
                    "mount flags or read-only); unstage it first",
                    record.volume.ToString(), record.staging_path));
  }
  return false;
}

Status VolumeStaging::Stage(const StageRequest& request, absl::Time deadline) const {
  BERTH_RETURN_IF_ERROR(CheckIsDirectory("staging_target_path", request.staging_path));
  BERTH_ASSIGN_OR_RETURN(std::optional<StageRecord> record, RecordOfThisBoot(request.volume));
  if (record) {
    BERTH_ASSIGN_OR_RETURN(const bool fits, Fits(*record, request));
    if (!fits) {
      BERTH_RETURN_IF_ERROR(TakeDown(*record, deadline));
      record.reset();
    }
  }
  if (!record) {
    record = NewRecord(request, node_);
    BERTH_RETURN_IF_ERROR(IsStagedAt(*record).status());
    BERTH_RETURN_IF_ERROR(records_.Put(*record));
  } else if (!record->access.block) {
    BERTH_ASSIGN_OR_RETURN(const bool staged, IsStagedAt(*record));
    if (staged) return absl::OkStatus();
  }
  const Status status = AttachAndMount(*record, request, deadline);
  if (status.ok() || OutcomeIsUnknown(status.code())) return status;
  // Nobody unstages what was refused for good: the kubelet does so after an unknown outcome only.
  // Where this cannot be undone, pods use the volume, and with it goes what is left here.
  TakeDown(*record, deadline).IgnoreError();
  return status;
}

Status VolumeStaging::AttachAndMount(StageRecord& record, const StageRequest& request,
                                     absl::Time deadline) const {
  BERTH_ASSIGN_OR_RETURN(const Attachment attachment,
                         attacher_.Attach({.volume = request.volume,
                                           .node_id = node_.node_id,
                                           .boot_id = node_.boot_id,
                                           .epoch = request.epoch,
                                           .read_only = request.access.read_only,
                                           .user = request.user},
                                          deadline));
  BERTH_ASSIGN_OR_RETURN(const dev_t number, BlockDeviceNumber(attachment.device));
  if (record.device != attachment.device || record.device_number != number) {
    record.device = attachment.device;
    record.device_number = number;
    BERTH_RETURN_IF_ERROR(records_.Put(record));
  }
  if (record.access.block) return absl::OkStatus();
  BERTH_RETURN_IF_ERROR(PrepareUnlessInUse(record, request));
  return MountStaged(record);
}

// A file system that is mounted must be neither probed for a repair nor made.
Status VolumeStaging::PrepareUnlessInUse(const StageRecord& record,
                                         const StageRequest& request) const {
  BERTH_ASSIGN_OR_RETURN(const std::vector<Mount> mounts, MountsOfDevice(record.device_number));
  for (const Mount& mount : mounts) {
    if (record.targets.count(mount.target) != 0) return absl::OkStatus();
  }
  if (!mounts.empty()) {
    return absl::FailedPreconditionError(
        fmt::format("{}, the device of volume {}, is mounted at {}, which Berth did not do: "
                    "unmount it by hand",
                    record.device, record.volume.ToString(), mounts.front().target));
  }
  return PrepareFileSystem({.volume = request.volume,
                            .device = record.device,
                            .node_id = node_.node_id,
                            .epoch = request.epoch,
                            .fs_type = record.access.fs_type,
                            .read_only = record.access.read_only,
                            .user = request.user},
                           formatting_);
}

Status VolumeStaging::Unstage(const VolumeHandle& volume, const std::string& staging_path,
                              absl::Time deadline) const {
  BERTH_ASSIGN_OR_RETURN(const std::optional<StageRecord> record, RecordOfThisBoot(volume));
  if (record && record->staging_path != staging_path) {
    return absl::FailedPreconditionError(
        fmt::format("volume {} is staged at {} and not at {}; unstage it there", volume.ToString(),
                    record->staging_path, staging_path));
  }
  if (!record) {
    BERTH_ASSIGN_OR_RETURN(const std::optional<Mount> foreign, FindMount(staging_path));
    if (!foreign) return absl::OkStatus();
    return absl::FailedPreconditionError(
        fmt::format("{} is mounted at {}, and no record says that Berth staged volume {} there: "
                    "unmount it by hand",
                    foreign->source, staging_path, volume.ToString()));
  }
  return TakeDown(*record, deadline);
}

Status VolumeStaging::TakeDown(const StageRecord& record, absl::Time deadline) const {
  for (const auto& [target, publication] : record.targets) {
    BERTH_ASSIGN_OR_RETURN(const bool published, IsPublishedAt(record, target));
    if (!published) continue;
    return absl::FailedPreconditionError(
        fmt::format("volume {} is still published at {}; unpublish it first",
                    record.volume.ToString(), target));
  }
  bool staged = false;
  if (!record.access.block) {
    BERTH_ASSIGN_OR_RETURN(staged, IsStagedAt(record));
  }
  if (staged) {
    const bool lazily = Fails(record.volume, deadline);
    BERTH_RETURN_IF_ERROR(lazily ? LazilyUnmount(record.staging_path)
                                 : Unmount(record.staging_path));
  }
  BERTH_RETURN_IF_ERROR(attacher_.Detach(record.volume, deadline));
  return records_.Remove(record.volume);
}

// Whether the device fails I/O, as the attacher knows it. When the attacher cannot be asked the
// device is taken for sound: an unmount then writes back what it can.
bool VolumeStaging::Fails(const VolumeHandle& volume, absl::Time deadline) const {
  const StatusOr<std::vector<Attachment>> attachments = attacher_.List(deadline);
  if (!attachments.ok()) return false;
  return std::any_of(attachments->begin(), attachments->end(), [&](const Attachment& attachment) {
    return attachment.volume == volume && !attachment.healthy;
  });
}

}  // namespace berth
