#pragma once

#include <chrono>

#include "base/clock.h"
#include "base/periodic_task.h"
#include "rbd/connections.h"
#include "rbd/nodes.h"

namespace berth {

// Upholds the fences of every cluster and pool (rbd/fence_upkeep.h), every minute from the moment
// it is made and on a thread of its own. Controllers beside each other do so all; one is enough.
// All references must outlive it.
class FenceKeeper {
 public:
  // `fence_duration`: as Publishing's.
  FenceKeeper(Connections& connections, Nodes& nodes, const Clock& clock,
              std::chrono::seconds fence_duration);

 private:
  absl::Duration Uphold();
  void UpholdIn(const VolumeHandle& pool);

  Connections& connections_;
  Nodes& nodes_;
  const Clock& clock_;
  const std::chrono::seconds fence_duration_;
  PeriodicTask task_;
};

}  // namespace berth
