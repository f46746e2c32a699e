#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "rbd/connections.h"
#include "rbd/nodes.h"
#include "rbd/publishing.h"

namespace berth {

// Fencing a whole node, for an administrator or a failover that knows it to be dead or wants it to
// be. Thread-safe.
class NodeFencing {
 public:
  NodeFencing(Connections& connections, Nodes& nodes, Publishing& publishing, const Clock& clock)
      : connections_(connections), nodes_(nodes), publishing_(publishing), clock_(clock) {}

  // What became of one volume that the node held. OK: nothing that the node writes to it from now
  // on is acknowledged. Called by one thread at a time, of any.
  using Report = std::function<void(const VolumeHandle&, const Status&)>;

  // From now on the node gets no volume, and those that it holds are taken from it, each as
  // ControllerUnpublishVolume does. OK when that is so for all of them; else the first error, while
  // the others were tried all the same: repeat it. INVALID_ARGUMENT for an empty node.
  Status Fence(const std::string& node, const std::string& reason, const Report& report);

  // The node may get volumes again. What was fenced stays fenced: a client instance that was cut
  // off never comes back, its successor has another address. OK when it was not fenced.
  Status Unfence(const std::string& node);

  // Every node that is fenced, cluster by cluster. A cluster that cannot be asked is reported.
  void List(const std::function<void(const std::string& cluster, const NodeFence&)>& visit,
            const std::function<void(const std::string& cluster, const Status&)>& report);

 private:
  Status FenceInCluster(const std::string& alias, const std::string& node,
                        const std::string& reason, const Report& report);
  Status FindHeld(const VolumeHandle& pool, const std::string& node, const Report& report,
                  std::vector<VolumeHandle>& held);

  Connections& connections_;
  Nodes& nodes_;
  Publishing& publishing_;
  const Clock& clock_;
};

}  // namespace berth
