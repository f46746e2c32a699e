#include "rbd/revoking.h"

#include <spdlog/fmt/fmt.h>

#include "rbd/mapping_intent.h"
#include "rbd/volume_claims.h"

namespace berth {
namespace {

// The list stands still: while the claim is revoking the node can add nothing to it.
Status FenceInstances(const RevokeContext& context, const std::string& image,
                      const WriterClaim& claim) {
  for (const std::string& instance : claim.instances) {
    if (IsMappingIntent(instance)) continue;  // from here on its device is given to nobody
    if (IsDead(claim, instance)) {
      BERTH_RETURN_IF_ERROR(context.fencer.FenceIfMissing(instance, kDeadClientFence));
      continue;
    }
    BERTH_RETURN_IF_ERROR(context.fences.Fence(context.fencer,
                                               {.instance = instance,
                                                .image = image,
                                                .node = claim.node,
                                                .boot_id = claim.boot_id,
                                                .epoch = claim.epoch},
                                               context.now, context.fence_duration));
  }
  return absl::OkStatus();
}

Status Free(const RevokeContext& context, const std::string& image, const WriterClaim& claim) {
  return context.registry
      .Update(image,
              [&claim](VolumeRecord& now) {
                return CompleteRevokeVolume(now, claim.node, claim.epoch);
              })
      .status();
}

}  // namespace

Status RevokeClaim(const RevokeContext& context, const std::string& image, const std::string& node,
                   std::optional<uint64_t> only_epoch) {
  BERTH_ASSIGN_OR_RETURN(
      const VolumeRecord record, context.registry.Update(image, [&](VolumeRecord& now) {
        if (only_epoch && ClaimOf(now, node).epoch != *only_epoch) {
          return absl::AbortedError(fmt::format("image \"{}\" has been published anew", image));
        }
        return BeginRevokeVolume(now, node);
      }));
  for (const WriterClaim& claim : RevokingClaims(record, node)) {
    BERTH_RETURN_IF_ERROR(FenceInstances(context, image, claim));
    BERTH_RETURN_IF_ERROR(Free(context, image, claim));
  }
  return absl::OkStatus();
}

}  // namespace berth
