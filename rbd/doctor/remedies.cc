#include "rbd/doctor/remedies.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "rbd/doctor/diagnosis.h"
#include "rbd/fence_upkeep.h"
#include "rbd/image.h"
#include "rbd/image_directory.h"
#include "rbd/revoking.h"
#include "rbd/volume_claims.h"

namespace berth {
namespace {

// What a remedy works on: its pool is open.
struct Case {
  const RemedyContext& context;
  const Remedy& remedy;
  Pool& pool;

  VolumeHandle Volume() const {
    VolumeHandle volume = remedy.where;
    volume.image = remedy.key;
    return volume;
  }
};

Status NotSo(const std::string& what) {
  return absl::AbortedError(fmt::format("nothing was changed: {}", what));
}

// NOT_FOUND of what a remedy was for: somebody else was faster.
Status GoneIsNotSo(const Status& status) {
  return absl::IsNotFound(status) ? NotSo(std::string(status.message())) : status;
}

Status ForgetForeignRecord(const Case& one, const VolumeRecord& record) {
  if (!HeldClaims(record).empty()) return NotSo("it is published to " + HoldersInWords(record));
  const StatusOr<std::string> id = ReadImageId(one.pool.io, record.image);
  if (id.ok()) return NotSo(fmt::format("image \"{}\" exists", record.image));
  if (!absl::IsNotFound(id.status())) return id.status();
  BERTH_ASSIGN_OR_RETURN(const ImageHeader header, ReadImageHeader(one.pool.io, record.image_id));
  if (header.exists) return NotSo("its image has another name now, or lies in the trash");
  return one.pool.registry.Remove(record);
}

Status ForgetRecord(const Case& one) {
  BERTH_ASSIGN_OR_RETURN(const VolumeRecord record, one.pool.registry.Get(one.remedy.key));
  switch (record.state) {
    case VolumeState::kForeign:
      return ForgetForeignRecord(one, record);
    case VolumeState::kCreating:
      return one.context.volumes.AbandonCreate(
          one.Volume(), one.context.clock.Now() - kAbandonedCreate, std::nullopt);
    case VolumeState::kReady:
    case VolumeState::kDeleting:
      return NotSo("its record is of a volume that was made");
  }
  return absl::InternalError("unreachable volume state");
}

StatusOr<TrashRecord> FindTrash(const Case& one) {
  BERTH_ASSIGN_OR_RETURN(const std::vector<TrashRecord> trash, one.pool.registry.ListTrash());
  for (const TrashRecord& record : trash) {
    if (record.image_id == one.remedy.key) return record;
  }
  return absl::NotFoundError(
      fmt::format("there is no trash record of image id {}", one.remedy.key));
}

Status ForgetTrash(const Case& one) {
  BERTH_ASSIGN_OR_RETURN(const TrashRecord record, FindTrash(one));
  BERTH_ASSIGN_OR_RETURN(const bool in_trash, IsInTrash(one.pool.io, record.image_id));
  if (in_trash) return NotSo("its image is in the trash");
  BERTH_ASSIGN_OR_RETURN(const ImageHeader header, ReadImageHeader(one.pool.io, record.image_id));
  if (header.exists) return NotSo("its image exists: somebody restored it from the trash");
  return one.pool.registry.ForgetTrash(record);
}

// The claim of the epoch that was seen; no two nodes are given the same.
StatusOr<WriterClaim> FindClaim(const Case& one) {
  BERTH_ASSIGN_OR_RETURN(const VolumeRecord record, one.pool.registry.Get(one.remedy.key));
  for (const WriterClaim& claim : HeldClaims(record)) {
    if (claim.epoch == one.remedy.epoch) return claim;
  }
  return NotSo(fmt::format("nobody has it at epoch {} any more", one.remedy.epoch));
}

// Takes that claim, and no later one.
Status Revoke(const Case& one, const WriterClaim& claim) {
  return RevokeClaim({.registry = one.pool.registry,
                      .fences = one.pool.fences,
                      .fencer = *one.pool.client,
                      .now = one.context.clock.Now(),
                      .fence_duration = one.context.fence_duration},
                     one.remedy.key, claim.node, claim.epoch);
}

Status FinishRevoke(const Case& one) {
  BERTH_ASSIGN_OR_RETURN(const WriterClaim claim, FindClaim(one));
  if (claim.state != ClaimState::kRevoking) {
    return NotSo(fmt::format("its claim is {}", ClaimStateName(claim.state)));
  }
  return Revoke(one, claim);
}

Status RevokeFromFencedNode(const Case& one) {
  BERTH_ASSIGN_OR_RETURN(const WriterClaim claim, FindClaim(one));
  BERTH_ASSIGN_OR_RETURN(const std::optional<NodeFence> fence,
                         one.context.nodes.FindFence(one.Volume(), claim.node, std::nullopt));
  if (!fence) return NotSo(fmt::format("node \"{}\" is not fenced", claim.node));
  return Revoke(one, claim);
}

StatusOr<FenceRecord> FindFenceRecord(const Case& one) {
  BERTH_ASSIGN_OR_RETURN(const std::vector<FenceRecord> fences, one.pool.fences.List());
  for (const FenceRecord& fence : fences) {
    if (fence.instance == one.remedy.key) return fence;
  }
  return absl::NotFoundError(fmt::format("there is no fence record of {}", one.remedy.key));
}

Status RestoreFence(const Case& one) {
  BERTH_ASSIGN_OR_RETURN(FenceRecord fence, FindFenceRecord(one));
  BERTH_ASSIGN_OR_RETURN(const auto blocklist, one.pool.client->Blocklist());
  if (blocklist.contains(fence.instance)) return NotSo("Ceph's blocklist has it");
  return one.pool.fences.BringBack(*one.pool.client, std::move(fence), one.context.clock.Now(),
                                   one.context.fence_duration);
}

Status ForgetOutlivedFence(const Case& one) {
  BERTH_ASSIGN_OR_RETURN(const FenceRecord fence, FindFenceRecord(one));
  const StatusOr<NodeRecord> node =
      one.context.nodes.Find(one.remedy.where, fence.node, std::nullopt);
  if (!node.ok()) return GoneIsNotSo(node.status());
  if (fence.boot_id.empty() || fence.boot_id == node->boot_id) {
    return NotSo(fmt::format("node \"{}\" has not booted since", fence.node));
  }
  return ForgetFence(one.pool.fences, *one.pool.client, fence.instance);
}

Status CheckNamesNoNode(Pool& pool, const std::string& node) {
  Status named;
  BERTH_RETURN_IF_ERROR(pool.registry.ForEach(
      [&](const VolumeRecord& record) {
        if (Holds(record, node)) named = NotSo(fmt::format("it holds {}", record.image));
        return named.ok();
      },
      [&](const std::string&, const Status& unreadable) { named = unreadable; }));
  BERTH_RETURN_IF_ERROR(named);
  BERTH_ASSIGN_OR_RETURN(const std::vector<FenceRecord> fences, pool.fences.List());
  const bool fenced = std::any_of(fences.begin(), fences.end(),
                                  [&](const FenceRecord& fence) { return fence.node == node; });
  return fenced ? NotSo("a fence of one of its clients waits for it") : absl::OkStatus();
}

// The one remedy of a whole cluster: a node registers in all pools.
Status ForgetNode(const RemedyContext& context, const Remedy& remedy) {
  BERTH_ASSIGN_OR_RETURN(const std::vector<VolumeHandle> namespaces,
                         context.connections.ListNamespaces(remedy.where.cluster));
  for (const VolumeHandle& where : namespaces) {
    BERTH_ASSIGN_OR_RETURN(const std::shared_ptr<Pool> pool,
                           context.connections.Open(where, std::nullopt));
    const Status status = CheckNamesNoNode(*pool, remedy.key);
    if (!absl::IsPermissionDenied(status)) BERTH_RETURN_IF_ERROR(status);
  }
  return GoneIsNotSo(
      context.nodes.Forget(remedy.where.cluster, remedy.key, context.clock.Now() - kGoneNode));
}

Status ApplyInPool(const Case& one) {
  switch (one.remedy.kind) {
    case RemedyKind::kForgetRecord:
      return ForgetRecord(one);
    case RemedyKind::kFinishDelete:
      return one.context.volumes.FinishDeletion(one.Volume(), std::nullopt);
    case RemedyKind::kPurgeTrash:
      return one.context.volumes.PurgeTrashed(one.remedy.where, one.remedy.key, std::nullopt);
    case RemedyKind::kForgetTrash:
      return ForgetTrash(one);
    case RemedyKind::kFinishRevoke:
      return FinishRevoke(one);
    case RemedyKind::kRevokeClaim:
      return RevokeFromFencedNode(one);
    case RemedyKind::kRestoreFence:
      return RestoreFence(one);
    case RemedyKind::kForgetFence:
      return ForgetOutlivedFence(one);
    case RemedyKind::kForgetNode:
      break;
  }
  return absl::InternalError("unreachable remedy");
}

}  // namespace

Status ApplyRemedy(const RemedyContext& context, const Remedy& remedy) {
  if (remedy.key.empty()) return absl::InvalidArgumentError("the remedy says not for what");
  if (remedy.kind == RemedyKind::kForgetNode) return ForgetNode(context, remedy);
  BERTH_ASSIGN_OR_RETURN(const std::shared_ptr<Pool> pool,
                         context.connections.Open(remedy.where, std::nullopt));
  return GoneIsNotSo(ApplyInPool({context, remedy, *pool}));
}

}  // namespace berth
