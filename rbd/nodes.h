#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/status.h"
#include "rbd/connections.h"
#include "rbd/omap.h"

namespace berth {

// A node that runs berth-node, as it says of itself.
struct NodeRecord {
  std::string node_id;
  std::string boot_id;  // changes when the node boots: what an older one opened is gone
  std::string version;  // of berth-node
  int64_t seen_s = 0;   // Unix time of the last registration
};

// An administrator's word that a node must not get volumes until he says otherwise.
struct NodeFence {
  std::string node_id;
  std::string reason;   // for people
  int64_t since_s = 0;  // Unix time
};

// The nodes of a pool, in one RADOS object: the truth about nodes with and without Kubernetes.
// Thread-safe.
class Nodes {
 public:
  Nodes(Connections& connections, const Clock& clock) : connections_(connections), clock_(clock) {}

  // Writes `node` (seen now) into every pool for RBD that this user can write to, in every cluster,
  // so that a volume of any of them can be published there. `report` gets each cluster that could
  // not be reached; one that is down does not keep the others from being told. Call it at start and
  // then every so often, for pools that are made later.
  void Register(const NodeRecord& node,
                const std::function<void(const std::string&, const Status&)>& report);

  // The node as it registered in the pool of `volume`. NOT_FOUND naming the node when it never did
  // (CSI: ControllerPublishVolume, "Node does not exist").
  StatusOr<NodeRecord> Find(const VolumeHandle& volume, const std::string& node_id,
                            const std::optional<CephUser>& user);

  // Every node that is registered in any pool of `alias`, as it was seen last.
  StatusOr<std::vector<NodeRecord>> List(const std::string& alias);

  // Removes the registrations of a node that is gone from every pool of `alias`. ABORTED when one
  // of them is not older than `not_seen_since` or is being renewed: that one stays. NOT_FOUND when
  // there is none.
  Status Forget(const std::string& alias, const std::string& node_id, absl::Time not_seen_since);

  // Puts `fence` into every pool for RBD of cluster `alias`, or with Lift takes it out again. One
  // that is there already stays as it is.
  Status Fence(const std::string& alias, const NodeFence& fence);
  Status Lift(const std::string& alias, const std::string& node_id);

  // The fence of `node_id`, as the pool of `volume` knows it.
  StatusOr<std::optional<NodeFence>> FindFence(const VolumeHandle& volume,
                                               const std::string& node_id,
                                               const std::optional<CephUser>& user);
  // Of every node, in any pool of `alias`.
  StatusOr<std::vector<NodeFence>> ListFences(const std::string& alias);

 private:
  using Change = std::function<Status(OmapStore&)>;
  Status ForEachPool(const std::string& alias, const Change& change);
  Status RegisterInCluster(const std::string& alias, const NodeRecord& node);

  Connections& connections_;
  const Clock& clock_;
};

}  // namespace berth
