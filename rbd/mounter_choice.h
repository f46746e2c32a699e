#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "base/status.h"
#include "rbd/attacher.h"

namespace berth {

enum class Mounter {
  kAuto,  // the best that the node really has
  kKrbd,  // the kernel's rbd: no process of ours does the I/O
  kFuse,  // librbd in berth-data, FUSE and a loop device: needs no module that distributions leave
          // out
};

// "auto", "krbd" or "fuse"; nullopt for anything else.
std::optional<Mounter> ParseMounter(std::string_view text);

struct ChosenMounter {
  Mounter mounter = Mounter::kFuse;  // never kAuto
  std::string why;                   // for the log
};

// What `wanted` means on a node where krbd is usable or not. FAILED_PRECONDITION when krbd alone is
// wanted and cannot be used.
StatusOr<ChosenMounter> ChooseMounter(Mounter wanted, const Status& krbd_usable);

// Attaches by `chosen`. A volume that `other` has attached, because the choice was another one
// then, stays with it until it is detached: attached by both, it would have two writers. So both
// must answer. Thread-safe as they are; callers hold the volume's guard.
class MounterChoice final : public Attacher {
 public:
  MounterChoice(Attacher& chosen, Attacher& other) : chosen_(chosen), other_(other) {}

  StatusOr<Attachment> Attach(const AttachRequest& request, absl::Time deadline) override;
  Status Detach(const VolumeHandle& volume, absl::Time deadline) override;
  StatusOr<std::vector<Attachment>> List(absl::Time deadline) override;

 private:
  StatusOr<Attacher*> HolderOf(const VolumeHandle& volume, absl::Time deadline);

  Attacher& chosen_;
  Attacher& other_;
};

}  // namespace berth
