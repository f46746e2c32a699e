#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/status.h"
#include "rbd/connections.h"
#include "rbd/volume_handle.h"

namespace berth {

// ReadWriteOnce, kept by the storage: a node may write only while the writer claim in the registry
// is its own. Thread-safe, also across processes: only the registry decides.
class Publishing {
 public:
  // `fence_duration`: how long a client instance stays blocklisted, at least 7 days in production.
  Publishing(Connections& connections, std::chrono::seconds fence_duration)
      : connections_(connections), fence_duration_(fence_duration) {}

  // ControllerPublishVolume: the claim's epoch, which the node needs to open the image. A record is
  // made for a foreign image, and made anew when another image has its name now. NOT_FOUND, or
  // FAILED_PRECONDITION naming the holder.
  StatusOr<uint64_t> Publish(const VolumeHandle& volume, const std::string& node,
                             const std::optional<CephUser>& user);

  // ControllerUnpublishVolume: OK means that the old node cannot write any more: it never opened
  // the image, closed it itself, or every client instance it recorded is blocklisted. A missing
  // watcher is no evidence and is not looked at. An empty `node` means whoever holds it. OK when
  // the volume or its record is gone, or another node holds the claim.
  Status Unpublish(const VolumeHandle& volume, const std::string& node,
                   const std::optional<CephUser>& user);

 private:
  Connections& connections_;
  const std::chrono::seconds fence_duration_;
};

}  // namespace berth
