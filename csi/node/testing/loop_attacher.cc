#include "csi/node/testing/loop_attacher.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>

#include "base/fd.h"

namespace berth {

LoopAttacher::~LoopAttacher() {
  for (auto& [volume, attached] : attached_) {
    EXPECT_TRUE(attached.device.Detach().ok()) << attached.device.path() << " is left behind";
  }
}

std::string LoopAttacher::PathOf(const VolumeHandle& volume) const {
  return directory_ + "/" + volume.image;
}

void LoopAttacher::MakeImage(const VolumeHandle& volume, uint64_t bytes) {
  const Fd file(open(PathOf(volume).c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  ASSERT_TRUE(file.valid());
  ASSERT_EQ(ftruncate(file.get(), static_cast<off_t>(bytes)), 0);
}

Attachment LoopAttacher::ToAttachment(const VolumeHandle& volume, const Attached& attached) const {
  return {.volume = volume,
          .epoch = attached.epoch,
          .device = attached.device.path(),
          .instance = "",
          .healthy = healthy_,
          .stalled = ""};
}

StatusOr<Attachment> LoopAttacher::Attach(const AttachRequest& request, absl::Time deadline) {
  hook_("before attach");
  auto found = attached_.find(request.volume);
  if (found == attached_.end()) {
    const Fd file(open(PathOf(request.volume).c_str(), O_RDWR | O_CLOEXEC));
    if (!file.valid()) return ErrnoError(errno, "no such image");
    BERTH_ASSIGN_OR_RETURN(NewLoopDevice device,
                           LoopDevice::Attach(file, request.read_only, deadline));
    BERTH_RETURN_IF_ERROR(device.Keep());
    found = attached_.emplace(request.volume, Attached{request.epoch, device.device()}).first;
  }
  if (found->second.epoch != request.epoch) {
    return absl::FailedPreconditionError("attached under another epoch: detach it first");
  }
  hook_("after attach");
  return ToAttachment(request.volume, found->second);
}

Status LoopAttacher::Detach(const VolumeHandle& volume, absl::Time) {
  hook_("before detach");
  const auto found = attached_.find(volume);
  if (found != attached_.end()) {
    BERTH_RETURN_IF_ERROR(found->second.device.Detach());
    attached_.erase(found);
  }
  hook_("after detach");
  return absl::OkStatus();
}

StatusOr<std::vector<Attachment>> LoopAttacher::List(absl::Time) {
  std::vector<Attachment> attachments;
  for (const auto& [volume, attached] : attached_) {
    attachments.push_back(ToAttachment(volume, attached));
  }
  return attachments;
}

}  // namespace berth
