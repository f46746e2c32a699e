#include "rbd/revoking.h"

#include "rbd/mapping_intent.h"
#include "rbd/writer_claim.h"

namespace berth {

Status RevokeClaim(const RevokeContext& context, const std::string& image,
                   const std::string& node) {
  BERTH_ASSIGN_OR_RETURN(const VolumeRecord record,
                         context.registry.Update(image, [&](VolumeRecord& now) {
                           return BeginRevokeClaim(now.writer, node);
                         }));
  const WriterClaim& claim = record.writer;
  if (claim.state != ClaimState::kRevoking || (!node.empty() && claim.node != node)) {
    return absl::OkStatus();
  }
  // The list stands still from here on: while the claim is revoking the node can add nothing to it.
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
  const uint64_t epoch = claim.epoch;
  return context.registry
      .Update(image,
              [epoch](VolumeRecord& now) {
                // Another controller may have finished this very revocation.
                return now.writer.epoch > epoch ? absl::OkStatus()
                                                : CompleteRevokeClaim(now.writer, epoch);
              })
      .status();
}

}  // namespace berth
