#include "rbd/writer_claim.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

namespace berth {
namespace {

Status HeldElsewhere(const WriterClaim& claim) {
  return absl::FailedPreconditionError(
      fmt::format("the volume is published to node \"{}\" (claim {} at epoch {}); it must be "
                  "unpublished there first",
                  claim.node, ClaimStateName(claim.state), claim.epoch));
}

bool IsHeldBy(const WriterClaim& claim, const std::string& node, uint64_t epoch) {
  return claim.node == node && claim.epoch == epoch;
}

Status NotYours(const WriterClaim& claim, const std::string& node, uint64_t epoch) {
  return absl::FailedPreconditionError(
      fmt::format("the claim of node \"{}\" at epoch {} was taken back: it is now {} at epoch {}{}",
                  node, epoch, ClaimStateName(claim.state), claim.epoch,
                  claim.node.empty() ? "" : fmt::format(" of node \"{}\"", claim.node)));
}

bool Records(const WriterClaim& claim, const std::string& instance) {
  return std::find(claim.instances.begin(), claim.instances.end(), instance) !=
         claim.instances.end();
}

void Free(WriterClaim& claim) {
  const uint64_t epoch = claim.epoch + 1;
  claim = WriterClaim{};
  claim.epoch = epoch;
}

void GiveTo(WriterClaim& claim, const std::string& node) {
  Free(claim);
  claim.node = node;
  claim.state = ClaimState::kPublished;
}

}  // namespace

bool IsDead(const WriterClaim& claim, const std::string& instance) {
  return std::find(claim.dead.begin(), claim.dead.end(), instance) != claim.dead.end();
}

Status CheckClaim(const WriterClaim& claim, const std::string& node, uint64_t epoch) {
  if (!IsHeldBy(claim, node, epoch)) return NotYours(claim, node, epoch);
  switch (claim.state) {
    case ClaimState::kPublished:
    case ClaimState::kOpening:
    case ClaimState::kOpen:
    case ClaimState::kClosed:
      return absl::OkStatus();
    case ClaimState::kFree:
    case ClaimState::kRevoking:
      return NotYours(claim, node, epoch);
  }
  return absl::InternalError("unreachable claim state");
}

Status PublishClaim(WriterClaim& claim, const std::string& node) {
  switch (claim.state) {
    case ClaimState::kFree:
      GiveTo(claim, node);
      return absl::OkStatus();
    case ClaimState::kPublished:
    case ClaimState::kOpening:
    case ClaimState::kOpen:
      return claim.node == node ? absl::OkStatus() : HeldElsewhere(claim);
    case ClaimState::kClosed:
      // Staged and unstaged, and now wanted again without an unpublish between: nothing is open any
      // more.
      if (claim.node != node) return HeldElsewhere(claim);
      GiveTo(claim, node);
      return absl::OkStatus();
    case ClaimState::kRevoking:
      return absl::AbortedError(
          fmt::format("the volume is just being taken from node \"{}\"; try again", claim.node));
  }
  return absl::InternalError("unreachable claim state");
}

Status BeginOpenClaim(WriterClaim& claim, const std::string& node, uint64_t epoch,
                      const std::string& boot_id, const std::string& instance,
                      const std::vector<std::string>& dead) {
  BERTH_RETURN_IF_ERROR(CheckClaim(claim, node, epoch));
  claim.boot_id = boot_id;
  claim.state = ClaimState::kOpening;
  if (!Records(claim, instance)) claim.instances.push_back(instance);
  for (const std::string& gone : dead) {
    if (gone != instance && Records(claim, gone) && !IsDead(claim, gone)) {
      claim.dead.push_back(gone);
    }
  }
  return absl::OkStatus();
}

Status CompleteOpenClaim(WriterClaim& claim, const std::string& node, uint64_t epoch,
                         const std::string& instance) {
  if (!IsHeldBy(claim, node, epoch) || !Records(claim, instance)) {
    return NotYours(claim, node, epoch);
  }
  switch (claim.state) {
    case ClaimState::kOpening:
    case ClaimState::kOpen:
      claim.state = ClaimState::kOpen;
      return absl::OkStatus();
    case ClaimState::kFree:
    case ClaimState::kPublished:
    case ClaimState::kClosed:
    case ClaimState::kRevoking:
      return NotYours(claim, node, epoch);
  }
  return absl::InternalError("unreachable claim state");
}

Status CloseClaim(WriterClaim& claim, const std::string& node, uint64_t epoch,
                  const std::string& instance) {
  if (!IsHeldBy(claim, node, epoch) || !Records(claim, instance)) return absl::OkStatus();
  std::erase(claim.instances, instance);
  std::erase(claim.dead, instance);
  switch (claim.state) {
    case ClaimState::kOpening:
    case ClaimState::kOpen:
      if (claim.instances.empty()) claim.state = ClaimState::kClosed;
      return absl::OkStatus();
    case ClaimState::kRevoking:  // the fence of this instance is not needed any more
    case ClaimState::kFree:
    case ClaimState::kPublished:
    case ClaimState::kClosed:
      return absl::OkStatus();
  }
  return absl::InternalError("unreachable claim state");
}

Status BeginRevokeClaim(WriterClaim& claim, const std::string& node) {
  if (claim.state == ClaimState::kFree) return absl::OkStatus();
  if (!node.empty() && claim.node != node) return absl::OkStatus();
  if (claim.instances.empty()) {
    Free(claim);  // never opened, or closed by the holder itself: nothing to fence
  } else {
    claim.state = ClaimState::kRevoking;
  }
  return absl::OkStatus();
}

Status CompleteRevokeClaim(WriterClaim& claim, uint64_t epoch) {
  if (claim.state != ClaimState::kRevoking || claim.epoch != epoch) {
    return absl::AbortedError(fmt::format("the claim is {} at epoch {}, not revoking at epoch {}",
                                          ClaimStateName(claim.state), claim.epoch, epoch));
  }
  Free(claim);
  return absl::OkStatus();
}

}  // namespace berth
