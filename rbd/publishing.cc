#include "rbd/publishing.h"

#include <spdlog/fmt/fmt.h>

#include <utility>

#include "rbd/foreign_image.h"
#include "rbd/image.h"
#include "rbd/revoking.h"
#include "rbd/volume_claims.h"

namespace berth {
namespace {

Status CheckPublishable(const VolumeRecord& record, const VolumeHandle& volume) {
  switch (record.state) {
    case VolumeState::kReady:
    case VolumeState::kForeign:
      return absl::OkStatus();
    case VolumeState::kCreating:
      return absl::NotFoundError(fmt::format(
          "volume \"{}\" is not made yet: its CreateVolume has not finished", volume.ToString()));
    case VolumeState::kDeleting:
      return absl::NotFoundError(fmt::format("volume \"{}\" is being deleted", volume.ToString()));
  }
  return absl::InternalError("unreachable volume state");
}

// A foreign image's owner may have removed it and made another under its name. The record then
// follows, while nobody holds a claim; the epoch goes on.
Status FollowForeignImage(const Pool& pool, const VolumeHandle& volume, VolumeRecord& now) {
  if (now.state != VolumeState::kForeign || !HeldClaims(now).empty()) {
    return absl::OkStatus();
  }
  BERTH_ASSIGN_OR_RETURN(VolumeRecord image, DescribeForeignImage(pool, volume));
  if (image.image_id == now.image_id) return absl::OkStatus();
  image.writer = now.writer;
  image.unknown = now.unknown;
  now = std::move(image);
  return absl::OkStatus();
}

// The volume is gone, and with it everything that could be written to.
Status GoneIsFine(const Status& status, const VolumeHandle& volume) {
  return status.code() == absl::StatusCode::kNotFound ? absl::OkStatus()
                                                      : Annotate(status, volume.ToString());
}

}  // namespace

Status Publishing::CheckAccess(const VolumeHandle& volume, AccessMode mode,
                               const std::optional<CephUser>& user) {
  if (mode != AccessMode::kReadWriteMany) return absl::OkStatus();
  BERTH_ASSIGN_OR_RETURN(const std::shared_ptr<Pool> pool, connections_.Open(volume, user));
  BERTH_ASSIGN_OR_RETURN(const Image image,
                         Image::Open(pool->io, volume.image, Image::Mode::kReadOnly));
  BERTH_ASSIGN_OR_RETURN(const bool lock, image.HasExclusiveLock());
  if (!lock) return absl::OkStatus();
  return absl::FailedPreconditionError(fmt::format(
      "volume \"{0}\" was not made for several writers: they would hand the exclusive lock of "
      "image {1} to and fro; make a ReadWriteMany volume, or give the lock up while nobody uses "
      "the image: `rbd feature disable {1} fast-diff object-map exclusive-lock`",
      volume.ToString(), volume.ImageSpec()));
}

StatusOr<uint64_t> Publishing::Publish(const VolumeHandle& volume, const std::string& node,
                                       AccessMode mode, const std::optional<CephUser>& user) {
  BERTH_RETURN_IF_ERROR(CheckAccess(volume, mode, user));
  BERTH_ASSIGN_OR_RETURN(const std::shared_ptr<Pool> pool, connections_.Open(volume, user));
  uint64_t epoch = 0;
  const StatusOr<VolumeRecord> record = pool->registry.UpdateOrInsert(
      volume.image, [&] { return DescribeForeignImage(*pool, volume); },
      [&](VolumeRecord& now) -> Status {
        BERTH_RETURN_IF_ERROR(CheckPublishable(now, volume));
        BERTH_RETURN_IF_ERROR(FollowForeignImage(*pool, volume, now));
        BERTH_ASSIGN_OR_RETURN(epoch, PublishVolume(now, node, mode));
        return absl::OkStatus();
      });
  if (!record.ok()) return Annotate(record.status(), volume.ToString());
  BERTH_RETURN_IF_ERROR(RefuseFencedNode(volume, node, user));
  return epoch;
}

// Asked after the claim was taken: a fence that was set before is seen here, and one that is set
// later finds the claim. The node has not been told of it yet, so it is taken back without harm.
Status Publishing::RefuseFencedNode(const VolumeHandle& volume, const std::string& node,
                                    const std::optional<CephUser>& user) {
  BERTH_ASSIGN_OR_RETURN(const std::optional<NodeFence> fence,
                         nodes_.FindFence(volume, node, user));
  if (!fence) return absl::OkStatus();
  BERTH_RETURN_IF_ERROR(Unpublish(volume, node, user));
  return absl::FailedPreconditionError(fmt::format(
      "node \"{}\" was fenced by an administrator ({}); it gets no volumes until `berth unfence "
      "{}`",
      node, fence->reason, node));
}

Status Publishing::Unpublish(const VolumeHandle& volume, const std::string& node,
                             const std::optional<CephUser>& user) {
  BERTH_ASSIGN_OR_RETURN(const std::shared_ptr<Pool> pool, connections_.Open(volume, user));
  return GoneIsFine(RevokeClaim({.registry = pool->registry,
                                 .fences = pool->fences,
                                 .fencer = *pool->client,
                                 .now = clock_.Now(),
                                 .fence_duration = fence_duration_},
                                volume.image, node),
                    volume);
}

}  // namespace berth
