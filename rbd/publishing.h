#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/status.h"
#include "rbd/connections.h"
#include "rbd/nodes.h"
#include "rbd/volume_handle.h"

namespace berth {

// Access modes, kept by the storage: a node may use a volume only while the registry has a claim of
// its own for it, and claims that do not go together are refused (rbd/volume_claims.h).
// Thread-safe, also across processes: only the registry decides.
class Publishing {
 public:
  // `fence_duration`: how long Ceph keeps a client instance blocklisted.
  Publishing(Connections& connections, Nodes& nodes, const Clock& clock,
             std::chrono::seconds fence_duration)
      : connections_(connections), nodes_(nodes), clock_(clock), fence_duration_(fence_duration) {}

  // ControllerPublishVolume: the claim's epoch, which the node needs to open the image. A record is
  // made for a foreign image, and made anew when another image has its name now. NOT_FOUND; errors
  // as CheckAccess and PublishVolume; or FAILED_PRECONDITION saying that an administrator has
  // fenced the node.
  StatusOr<uint64_t> Publish(const VolumeHandle& volume, const std::string& node, AccessMode mode,
                             const std::optional<CephUser>& user);

  // Whether the image can be used so. NOT_FOUND, or FAILED_PRECONDITION saying what to do when
  // several nodes are to write to one that has RBD's exclusive lock.
  Status CheckAccess(const VolumeHandle& volume, AccessMode mode,
                     const std::optional<CephUser>& user);

  // ControllerUnpublishVolume: RevokeClaim (rbd/revoking.h) on the volume's pool; OK too when the
  // volume or its record is gone.
  Status Unpublish(const VolumeHandle& volume, const std::string& node,
                   const std::optional<CephUser>& user);

 private:
  Status RefuseFencedNode(const VolumeHandle& volume, const std::string& node,
                          const std::optional<CephUser>& user);

  Connections& connections_;
  Nodes& nodes_;
  const Clock& clock_;
  const std::chrono::seconds fence_duration_;
};

}  // namespace berth
