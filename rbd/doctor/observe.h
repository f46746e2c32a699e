#pragma once

#include <string>

#include "absl/time/time.h"
#include "base/clock.h"
#include "rbd/connections.h"
#include "rbd/doctor/observation.h"
#include "rbd/nodes.h"

namespace berth {

struct ObserveContext {
  Connections& connections;
  Nodes& nodes;
  const Clock& clock;
  std::string version;  // of this program
  absl::Time stop_at;   // what was not begun by then is left out, and said to be
};

// Reads everything that Berth has in cluster `alias`, and changes nothing. What cannot be read is
// in `unseen` and hides nothing else. Registry and images change while they are read: what looks
// inconsistent is read again, one by one, before it is believed. Blocks as long as Ceph does,
// within the connections' timeout per operation.
ObservedCluster ObserveCluster(const ObserveContext& context, const std::string& alias);

}  // namespace berth
