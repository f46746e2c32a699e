#include "rbd/publishing.h"

#include <spdlog/fmt/fmt.h>

#include <utility>

#include "rbd/foreign_image.h"
#include "rbd/writer_claim.h"

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
// follows, while nobody holds the claim; the epoch goes on.
Status FollowForeignImage(const Pool& pool, const VolumeHandle& volume, VolumeRecord& now) {
  if (now.state != VolumeState::kForeign || now.writer.state != ClaimState::kFree) {
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

StatusOr<uint64_t> Publishing::Publish(const VolumeHandle& volume, const std::string& node,
                                       const std::optional<CephUser>& user) {
  BERTH_ASSIGN_OR_RETURN(const std::shared_ptr<Pool> pool, connections_.Open(volume, user));
  const StatusOr<VolumeRecord> record = pool->registry.UpdateOrInsert(
      volume.image, [&] { return DescribeForeignImage(*pool, volume); },
      [&](VolumeRecord& now) {
        BERTH_RETURN_IF_ERROR(CheckPublishable(now, volume));
        BERTH_RETURN_IF_ERROR(FollowForeignImage(*pool, volume, now));
        return PublishClaim(now.writer, node);
      });
  if (!record.ok()) return Annotate(record.status(), volume.ToString());
  return record->writer.epoch;
}

Status Publishing::Unpublish(const VolumeHandle& volume, const std::string& node,
                             const std::optional<CephUser>& user) {
  BERTH_ASSIGN_OR_RETURN(const std::shared_ptr<Pool> pool, connections_.Open(volume, user));
  const StatusOr<VolumeRecord> record = pool->registry.Update(
      volume.image, [&](VolumeRecord& now) { return BeginRevokeClaim(now.writer, node); });
  if (!record.ok()) return GoneIsFine(record.status(), volume);
  const WriterClaim& claim = record->writer;
  if (claim.state != ClaimState::kRevoking || (!node.empty() && claim.node != node)) {
    return absl::OkStatus();
  }
  // The list stands still from here on: while the claim is revoking the node can add nothing to it.
  for (const std::string& instance : claim.instances) {
    BERTH_RETURN_IF_ERROR(
        Annotate(pool->client->Fence(instance, fence_duration_), volume.ToString()));
  }
  const uint64_t epoch = claim.epoch;
  const StatusOr<VolumeRecord> freed =
      pool->registry.Update(volume.image, [epoch](VolumeRecord& now) {
        // Another controller may have finished this very revocation.
        return now.writer.epoch > epoch ? absl::OkStatus() : CompleteRevokeClaim(now.writer, epoch);
      });
  return GoneIsFine(freed.status(), volume);
}

}  // namespace berth
