#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "rbd/record.h"
#include "rbd/writer_claim.h"

namespace berth {

// Who may use a volume, as pure transitions on its record; the registry makes each one a
// compare-and-set.
//
//             Publish(RWO or RWOP)              Publish(ROX or RWX)
//     writer ◀───────────────────── nobody ─────────────────────▶ shared: a claim for each node
//        └────────── Revoke ──────────▶ ◀── Revoke of the last ──────┘
//
// One node alone and several that share exclude each other, as readers and writers that share do. A
// claim for each node goes its way as the writer's does (rbd/writer_claim.h), so one node is taken
// out while the others go on. All functions change `record` only when they return OK.

// The claims that somebody holds, by node; empty when nobody does.
std::vector<WriterClaim> HeldClaims(const VolumeRecord& record);

// How `claim`, one of HeldClaims, was published.
AccessMode AccessOf(const VolumeRecord& record, const WriterClaim& claim);

// Whether `node` has the volume, or still has to give it back.
bool Holds(const VolumeRecord& record, const std::string& node);

// Who has it, for a message: `node "n1" (RWO, claim open at epoch 3)`. Somebody must.
std::string HoldersInWords(const VolumeRecord& record);

// The claim that is `node`'s, or else the writer's: the transitions then say whose it is. Valid
// while `record` is.
WriterClaim& ClaimOf(VolumeRecord& record, const std::string& node);

// `instance` has closed the image or never opened it; whoever says so need not know the epoch,
// because an instance belongs to one claim of one node. OK without change when no claim records it.
Status CloseInstance(VolumeRecord& record, const std::string& instance);

// ControllerPublishVolume: the epoch of the node's claim; a new one unless the node has the volume
// already in this mode. CSI's codes: FAILED_PRECONDITION naming the holders when another node has
// it in a way that this mode does not go with; ALREADY_EXISTS when `node` itself has it so; ABORTED
// while the claim that would be repeated or followed is being taken back.
StatusOr<uint64_t> PublishVolume(VolumeRecord& record, const std::string& node, AccessMode mode);

// ControllerUnpublishVolume, first step: BeginRevokeClaim on the node's claim; an empty `node`
// means every node's.
Status BeginRevokeVolume(VolumeRecord& record, const std::string& node);

// What has to be fenced after it: the claims of `node`, empty for all, that are being taken back.
std::vector<WriterClaim> RevokingClaims(const VolumeRecord& record, const std::string& node);

// Last step for one of those: CompleteRevokeClaim. OK without change when another controller has
// done it.
Status CompleteRevokeVolume(VolumeRecord& record, const std::string& node, uint64_t epoch);

}  // namespace berth
