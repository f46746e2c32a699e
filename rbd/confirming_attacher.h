#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/status.h"
#include "rbd/attacher.h"
#include "rbd/connections.h"

namespace berth {

// Another attacher that also tells the pool when a fenced client instance is gone, so that its
// fence need not be upheld any longer (rbd/fence_upkeep.h). What it tells is what the inner
// attacher proved: the attachment was there, and was detached. Thread-safe.
class ConfirmingAttacher final : public Attacher {
 public:
  // Both must outlive this. `report`: an instance could not be confirmed (volume, why); its fence
  // is upheld until the node boots. Any thread.
  ConfirmingAttacher(Attacher& inner, Connections& connections,
                     std::function<void(const VolumeHandle&, const Status&)> report)
      : inner_(inner), connections_(connections), report_(std::move(report)) {}

  StatusOr<Attachment> Attach(const AttachRequest& request, absl::Time deadline) override {
    return inner_.Attach(request, deadline);
  }
  Status Detach(const VolumeHandle& volume, absl::Time deadline) override;
  StatusOr<std::vector<Attachment>> List(absl::Time deadline) override {
    return inner_.List(deadline);
  }

 private:
  Status Confirm(const Attachment& gone);

  Attacher& inner_;
  Connections& connections_;
  const std::function<void(const VolumeHandle&, const Status&)> report_;
};

}  // namespace berth
