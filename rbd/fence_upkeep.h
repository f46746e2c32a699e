#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "absl/time/time.h"
#include "base/status.h"
#include "rbd/fencer.h"
#include "rbd/fences.h"
#include "rbd/registry.h"

namespace berth {

enum class FenceEvent {
  kGone,         // its instance is proved gone, and it was forgotten
  kBroughtBack,  // it was not in force any more (lapsed, or taken out by hand) and is again
  kFailed,
};

struct FenceUpkeep {
  const Fencer& fencer;
  absl::Time now;
  std::chrono::seconds duration;
  // The boot id under which a node is registered now; NOT_FOUND when it is not.
  std::function<StatusOr<std::string>(const std::string& node)> boot_id_of;
  // What happened to one fence; `status` is OK but for kFailed.
  std::function<void(const FenceRecord&, FenceEvent, const Status&)> report;
};

// Goes through the fences of one pool and RADOS namespace: forgets those whose node has booted
// since, because what was open before a boot is gone, and brings back those that Ceph does not know
// any more. One that fails is reported and does not hold up the others. Errors: those of listing
// them.
Status UpholdFences(Fences& fences, const FenceUpkeep& upkeep);

// The instance is proved gone: forgets its fence, and takes it out of Ceph's blocklist where the
// caps allow that, so that the OSD map does not grow for years.
Status ForgetFence(Fences& fences, const Fencer& fencer, const std::string& instance);

// The process of `instance` is dead, however it ended: forgets the record of its fence, if it has
// one. Ceph keeps the entry, for what the process had sent may still be on its way. False while a
// claim of `image` lists the instance: then it may still be fenced, and this is to be asked again.
StatusOr<bool> ForgetFenceOfDead(Registry& registry, Fences& fences, const std::string& image,
                                 const std::string& instance);

}  // namespace berth
