#include "rbd/mounter_choice.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

namespace berth {

std::optional<Mounter> ParseMounter(std::string_view text) {
  if (text == "auto") return Mounter::kAuto;
  if (text == "krbd") return Mounter::kKrbd;
  if (text == "fuse") return Mounter::kFuse;
  return std::nullopt;
}

StatusOr<ChosenMounter> ChooseMounter(Mounter wanted, const Status& krbd_usable) {
  switch (wanted) {
    case Mounter::kAuto:
      if (krbd_usable.ok()) {
        return ChosenMounter{Mounter::kKrbd, "auto: the kernel's rbd is there and can be used"};
      }
      return ChosenMounter{Mounter::kFuse, fmt::format("auto: krbd cannot be used here: {}",
                                                       std::string(krbd_usable.message()))};
    case Mounter::kKrbd:
      if (!krbd_usable.ok()) return Annotate(krbd_usable, "mounter krbd");
      return ChosenMounter{Mounter::kKrbd, "asked for"};
    case Mounter::kFuse:
      return ChosenMounter{Mounter::kFuse, "asked for"};
  }
  return absl::InternalError("unreachable mounter");
}

StatusOr<Attacher*> MounterChoice::HolderOf(const VolumeHandle& volume, absl::Time deadline) {
  BERTH_ASSIGN_OR_RETURN(const std::vector<Attachment> attachments, other_.List(deadline));
  const bool held = std::any_of(attachments.begin(), attachments.end(),
                                [&](const auto& held_one) { return held_one.volume == volume; });
  return held ? &other_ : &chosen_;
}

StatusOr<Attachment> MounterChoice::Attach(const AttachRequest& request, absl::Time deadline) {
  BERTH_ASSIGN_OR_RETURN(Attacher* const holder, HolderOf(request.volume, deadline));
  return holder->Attach(request, deadline);
}

Status MounterChoice::Detach(const VolumeHandle& volume, absl::Time deadline) {
  BERTH_ASSIGN_OR_RETURN(Attacher* const holder, HolderOf(volume, deadline));
  return holder->Detach(volume, deadline);
}

StatusOr<std::vector<Attachment>> MounterChoice::List(absl::Time deadline) {
  BERTH_ASSIGN_OR_RETURN(std::vector<Attachment> attachments, chosen_.List(deadline));
  BERTH_ASSIGN_OR_RETURN(const std::vector<Attachment> others, other_.List(deadline));
  attachments.insert(attachments.end(), others.begin(), others.end());
  return attachments;
}

}  // namespace berth
