#include "rbd/fence_upkeep.h"

#include <algorithm>
#include <map>
#include <vector>

#include "rbd/volume_claims.h"

namespace berth {
namespace {

bool HasBootedSince(const FenceRecord& fence, const FenceUpkeep& upkeep) {
  if (fence.boot_id.empty()) return false;
  const StatusOr<std::string> boot_id = upkeep.boot_id_of(fence.node);
  return boot_id.ok() && *boot_id != fence.boot_id;
}

void Report(const FenceUpkeep& upkeep, const FenceRecord& fence, FenceEvent event,
            const Status& status) {
  upkeep.report(fence, status.ok() ? event : FenceEvent::kFailed, status);
}

}  // namespace

Status UpholdFences(Fences& fences, const FenceUpkeep& upkeep) {
  BERTH_ASSIGN_OR_RETURN(const std::vector<FenceRecord> all, fences.List());
  if (all.empty()) return absl::OkStatus();
  BERTH_ASSIGN_OR_RETURN(const auto blocklist, upkeep.fencer.Blocklist());
  for (const FenceRecord& fence : all) {
    if (HasBootedSince(fence, upkeep)) {
      Report(upkeep, fence, FenceEvent::kGone, ForgetFence(fences, upkeep.fencer, fence.instance));
    } else if (!blocklist.contains(fence.instance)) {
      Report(upkeep, fence, FenceEvent::kBroughtBack,
             fences.BringBack(upkeep.fencer, fence, upkeep.now, upkeep.duration));
    }
  }
  return absl::OkStatus();
}

Status ForgetFence(Fences& fences, const Fencer& fencer, const std::string& instance) {
  // The record first: without an entry it would be brought back.
  BERTH_RETURN_IF_ERROR(fences.Remove(instance));
  const Status lifted = fencer.Lift(instance);
  return absl::IsPermissionDenied(lifted) ? absl::OkStatus() : lifted;
}

// The claim first: it lists the instance until the fence has its record.
StatusOr<bool> ForgetFenceOfDead(Registry& registry, Fences& fences, const std::string& image,
                                 const std::string& instance) {
  const StatusOr<VolumeRecord> record = registry.Get(image);
  if (!record.ok() && !absl::IsNotFound(record.status())) return record.status();
  if (record.ok()) {
    for (const WriterClaim& claim : HeldClaims(*record)) {
      const auto& listed = claim.instances;
      if (std::find(listed.begin(), listed.end(), instance) != listed.end()) return false;
    }
  }
  BERTH_RETURN_IF_ERROR(fences.Remove(instance));
  return true;
}

}  // namespace berth
