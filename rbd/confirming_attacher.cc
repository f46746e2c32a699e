#include "rbd/confirming_attacher.h"

#include <memory>

#include "rbd/fence_upkeep.h"

namespace berth {

Status ConfirmingAttacher::Detach(const VolumeHandle& volume, absl::Time deadline) {
  const StatusOr<std::vector<Attachment>> before = inner_.List(deadline);
  BERTH_RETURN_IF_ERROR(inner_.Detach(volume, deadline));
  if (!before.ok()) return absl::OkStatus();
  for (const Attachment& attachment : *before) {
    if (attachment.volume != volume || attachment.instance.empty()) continue;
    if (const Status status = Confirm(attachment); !status.ok()) report_(volume, status);
  }
  return absl::OkStatus();
}

Status ConfirmingAttacher::Confirm(const Attachment& gone) {
  BERTH_ASSIGN_OR_RETURN(const std::shared_ptr<Pool> pool,
                         connections_.Open(gone.volume, std::nullopt));
  BERTH_ASSIGN_OR_RETURN(const bool fenced, pool->fences.Contains(gone.instance));
  return fenced ? ForgetFence(pool->fences, *pool->client, gone.instance) : absl::OkStatus();
}

}  // namespace berth
