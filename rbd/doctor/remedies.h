#pragma once

#include <chrono>

#include "base/clock.h"
#include "base/status.h"
#include "rbd/connections.h"
#include "rbd/doctor/finding.h"
#include "rbd/nodes.h"
#include "rbd/volumes.h"

namespace berth {

struct RemedyContext {
  Connections& connections;
  Volumes& volumes;
  Nodes& nodes;
  const Clock& clock;
  std::chrono::seconds fence_duration;  // as Publishing's
};

// Does what `remedy` says, if what it was proposed for is still so: that is looked at again here,
// and every change of a record is a compare-and-set against what was looked at. OK: done.
// ABORTED saying what is different now: nothing was changed. Another error: it failed and may be
// repeated. Blocks as long as Ceph does, within the connections' timeout per operation;
// a purge takes time in proportion to what was written.
Status ApplyRemedy(const RemedyContext& context, const Remedy& remedy);

}  // namespace berth
