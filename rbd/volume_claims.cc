#include "rbd/volume_claims.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "absl/strings/str_join.h"

namespace berth {
namespace {

StatusOr<uint64_t> DoesNotGoWith(const VolumeRecord& record, const std::string& node,
                                 AccessMode mode) {
  const std::string message = fmt::format(
      "the volume is published to {}, and {} does not go with that; it must be "
      "unpublished there first",
      HoldersInWords(record), AccessModeName(mode));
  return Holds(record, node) ? absl::AlreadyExistsError(message)
                             : absl::FailedPreconditionError(message);
}

// Several nodes' epochs come from one counter, so that none is given twice.
StatusOr<uint64_t> PublishShared(VolumeRecord& record, const std::string& node, AccessMode mode) {
  SharedClaims shared = record.shared.value_or(SharedClaims{.mode = mode, .claims = {}});
  std::vector<WriterClaim>& claims = shared.claims;
  auto claim =
      std::lower_bound(claims.begin(), claims.end(), node,
                       [](const WriterClaim& a, const std::string& name) { return a.node < name; });
  if (claim == claims.end() || claim->node != node) claim = claims.insert(claim, WriterClaim{});
  if (claim->state == ClaimState::kFree || claim->state == ClaimState::kClosed) {
    claim->epoch = record.writer.epoch;
  }
  BERTH_RETURN_IF_ERROR(PublishClaim(*claim, node));
  const uint64_t epoch = claim->epoch;
  record.writer.epoch = std::max(record.writer.epoch, epoch);
  record.shared = std::move(shared);
  return epoch;
}

StatusOr<uint64_t> PublishToOne(VolumeRecord& record, const std::string& node, AccessMode mode) {
  BERTH_RETURN_IF_ERROR(PublishClaim(record.writer, node));
  record.writer.one_pod = mode == AccessMode::kReadWriteOncePod;
  return record.writer.epoch;
}

// A claim that became free goes, and the volume is nobody's after the last.
void DropFreeClaims(VolumeRecord& record) {
  if (!record.shared) return;
  for (const WriterClaim& claim : record.shared->claims) {
    record.writer.epoch = std::max(record.writer.epoch, claim.epoch);
  }
  std::erase_if(record.shared->claims,
                [](const WriterClaim& claim) { return claim.state == ClaimState::kFree; });
  if (record.shared->claims.empty()) record.shared.reset();
}

}  // namespace

std::vector<WriterClaim> HeldClaims(const VolumeRecord& record) {
  if (record.shared) return record.shared->claims;
  if (record.writer.state == ClaimState::kFree) return {};
  return {record.writer};
}

AccessMode AccessOf(const VolumeRecord& record, const WriterClaim& claim) {
  if (record.shared) return record.shared->mode;
  return claim.one_pod ? AccessMode::kReadWriteOncePod : AccessMode::kReadWriteOnce;
}

bool Holds(const VolumeRecord& record, const std::string& node) {
  const std::vector<WriterClaim> held = HeldClaims(record);
  return std::any_of(held.begin(), held.end(),
                     [&](const WriterClaim& claim) { return claim.node == node; });
}

std::string HoldersInWords(const VolumeRecord& record) {
  return absl::StrJoin(HeldClaims(record), ", ", [&](std::string* out, const WriterClaim& claim) {
    *out += fmt::format("node \"{}\" ({}, claim {} at epoch {})", claim.node,
                        AccessModeName(AccessOf(record, claim)), ClaimStateName(claim.state),
                        claim.epoch);
  });
}

WriterClaim& ClaimOf(VolumeRecord& record, const std::string& node) {
  if (record.shared) {
    for (WriterClaim& claim : record.shared->claims) {
      if (claim.node == node) return claim;
    }
  }
  return record.writer;
}

Status CloseInstance(VolumeRecord& record, const std::string& instance) {
  for (const WriterClaim& held : HeldClaims(record)) {
    BERTH_RETURN_IF_ERROR(CloseClaim(ClaimOf(record, held.node), held.node, held.epoch, instance));
  }
  return absl::OkStatus();
}

StatusOr<uint64_t> PublishVolume(VolumeRecord& record, const std::string& node, AccessMode mode) {
  if (!IsShared(mode)) {
    return record.shared ? DoesNotGoWith(record, node, mode) : PublishToOne(record, node, mode);
  }
  const bool goes = record.shared ? record.shared->mode == mode : HeldClaims(record).empty();
  return goes ? PublishShared(record, node, mode) : DoesNotGoWith(record, node, mode);
}

Status BeginRevokeVolume(VolumeRecord& record, const std::string& node) {
  for (const WriterClaim& held : HeldClaims(record)) {
    BERTH_RETURN_IF_ERROR(BeginRevokeClaim(ClaimOf(record, held.node), node));
  }
  DropFreeClaims(record);
  return absl::OkStatus();
}

std::vector<WriterClaim> RevokingClaims(const VolumeRecord& record, const std::string& node) {
  std::vector<WriterClaim> claims = HeldClaims(record);
  std::erase_if(claims, [&](const WriterClaim& claim) {
    return claim.state != ClaimState::kRevoking || (!node.empty() && claim.node != node);
  });
  return claims;
}

Status CompleteRevokeVolume(VolumeRecord& record, const std::string& node, uint64_t epoch) {
  WriterClaim& claim = ClaimOf(record, node);
  if (claim.epoch > epoch) return absl::OkStatus();
  BERTH_RETURN_IF_ERROR(CompleteRevokeClaim(claim, epoch));
  DropFreeClaims(record);
  return absl::OkStatus();
}

}  // namespace berth
