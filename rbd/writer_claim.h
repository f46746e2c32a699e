#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "rbd/record.h"

namespace berth {

// One node's claim as pure transitions; the registry makes each one a compare-and-set.
// rbd/volume_claims.h says which claim of a volume is a node's.
//
//            Publish(node)          BeginOpen            CompleteOpen
//     free ───────────────▶ published ───────▶ opening ───────────────▶ open
//      ▲                        │                │ ▲                     │ │
//      │                        │                │ └──── BeginOpen ──────┘ │ Close (last instance)
//      │  CompleteRevoke        ▼  BeginRevoke   ▼   (respawned process)   ▼
//      └──────────────────── revoking ◀─────────────────────────────── closed
//
// From BeginRevoke on, every transition of the node fails, so the list of instances stands still
// while it is being fenced. All functions change `claim` only when they return OK.

// Whether the holder has seen the process of `instance` dead.
bool IsDead(const WriterClaim& claim, const std::string& instance);

// Before the image is opened for reading, which the claim does not record: whether it is the node's
// at `epoch` and nobody is taking it back. FAILED_PRECONDITION else: then it must not be opened.
Status CheckClaim(const WriterClaim& claim, const std::string& node, uint64_t epoch);

// ControllerPublishVolume: `node` becomes the holder under a new epoch. OK without change when it
// is already (published, opening or open). FAILED_PRECONDITION naming the holder when another node
// holds it (CSI: ControllerPublishVolume, "Volume published to another node"); ABORTED while it is
// being revoked.
Status PublishClaim(WriterClaim& claim, const std::string& node);

// Before the image is opened: records the client instance that is going to open it, and that every
// instance before it is `dead` as far as the holder has seen it die. What a dead process left on
// its way to an OSD still has to be fenced, but it never writes again.
// FAILED_PRECONDITION when the claim is not the node's at `epoch` any more: then the image must not
// be opened.
Status BeginOpenClaim(WriterClaim& claim, const std::string& node, uint64_t epoch,
                      const std::string& boot_id, const std::string& instance,
                      const std::vector<std::string>& dead = {});

// After the image is open and its lock is held. FAILED_PRECONDITION as above: then it must be
// closed again.
Status CompleteOpenClaim(WriterClaim& claim, const std::string& node, uint64_t epoch,
                         const std::string& instance);

// The holder itself says that `instance` has closed the image or never opened it. A claim of
// another node or epoch is none of its business any more: OK without change.
Status CloseClaim(WriterClaim& claim, const std::string& node, uint64_t epoch,
                  const std::string& instance);

// ControllerUnpublishVolume, first step: stops the holder's transitions. An empty `node` means
// whoever holds it. OK without change when `node` is not the holder or the claim is free.
Status BeginRevokeClaim(WriterClaim& claim, const std::string& node);

// Last step, after every recorded instance was fenced: free, under a new epoch. ABORTED when the
// claim is not `revoking` at `epoch`.
Status CompleteRevokeClaim(WriterClaim& claim, uint64_t epoch);

}  // namespace berth
