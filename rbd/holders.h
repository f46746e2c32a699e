#pragma once

#include <functional>
#include <string>

#include "base/status.h"
#include "rbd/connections.h"
#include "rbd/fences.h"
#include "rbd/record.h"
#include "rbd/volume_handle.h"

namespace berth {

// What could not be looked at: a cluster, pool or volume, and why.
using ReportProblem = std::function<void(const std::string& subject, const Status&)>;

// Every volume that some node holds, in every cluster, pool and namespace.
void ForEachHolder(Connections& connections,
                   const std::function<void(const VolumeHandle&, const VolumeRecord&)>& visit,
                   const ReportProblem& report);

// Every fenced client instance; `in_force`: Ceph's blocklist has it now.
void ForEachFence(
    Connections& connections,
    const std::function<void(const VolumeHandle&, const FenceRecord&, bool in_force)>& visit,
    const ReportProblem& report);

}  // namespace berth
