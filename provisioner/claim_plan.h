#pragma once

#include <optional>
#include <string>

#include "base/status.h"
#include "kube/core_v1.h"
#include "kube/storage_v1.h"
#include "provisioner/intent.h"

namespace berth::provisioner {

// What is known about a claim when the next step is decided.
struct ClaimView {
  const kube::core::PersistentVolumeClaim& claim;
  const kube::storage::StorageClass* storage_class;  // null: there is none of that name
  bool volume_exists;                                // the PersistentVolume VolumeNameFor(claim)
  const std::string& driver;
};

// A claim's way to its volume, and back when it is deleted half-way:
//
//                ┌─► kReject (an event says what is wrong; a change brings it back)
//   (new) ── kBegin: intent and finalizer on the claim ──► kCreate: CreateVolume, PersistentVolume
//                                                             │
//   deleted, bound elsewhere, or its class gone ──► kUndo     │
//     CreateVolume until its outcome is known, DeleteVolume   ▼
//                                            kRelease: intent and finalizer removed
struct ClaimPlan {
  enum class Step { kNothing, kReject, kBegin, kCreate, kUndo, kRelease };
  Step step = Step::kNothing;
  std::string message = {};           // of kReject
  std::optional<Intent> intent = {};  // of kCreate and kUndo: the one on the claim
};

ClaimPlan PlanClaim(const ClaimView& view);

// Whether the change can mean work. That an intent appeared cannot: we wrote it, and are at it.
bool ClaimNeedsLook(const kube::core::PersistentVolumeClaim* before,
                    const kube::core::PersistentVolumeClaim& after);

// What a CreateVolume call says about the volume.
enum class CreateOutcome {
  kCreated,
  kFailed,      // there is no volume, and another try may succeed
  kInfeasible,  // there is no volume, and the request as it is will not succeed (INVALID_ARGUMENT)
  kUnknown,     // the driver may still be at it: only repeating the call tells
};
CreateOutcome OutcomeOf(absl::StatusCode code);

}  // namespace berth::provisioner
