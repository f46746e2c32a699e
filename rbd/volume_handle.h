#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/status.h"

namespace berth {

inline constexpr size_t kMaxVolumeHandleBytes = 128;  // CSI: volume_id

// A volume's name for people and for Kubernetes: `<cluster>/<pool>[/<namespace>]/<image>`. What
// follows the first '/' is what `rbd info` takes, so a PersistentVolume can be written by hand.
struct VolumeHandle {
  std::string cluster;          // alias of the cluster in --clusters, at most 20 bytes
  std::string pool;             // RBD pool
  std::string rados_namespace;  // RADOS namespace inside the pool; empty: the default one
  std::string image;            // image name

  // The handle as CSI's volume_id.
  std::string ToString() const;
  // Without the image, for messages about a pool: <cluster>/<pool>[/<namespace>].
  std::string PoolToString() const;
  // The image as `rbd info` takes it: pool[/namespace]/image.
  std::string ImageSpec() const;
  bool operator==(const VolumeHandle&) const = default;
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 takes the compiler's own 0 for a pointer
  auto operator<=>(const VolumeHandle&) const = default;
};

// Reads a handle. INVALID_ARGUMENT, naming the part that is wrong, for a missing or empty part,
// characters that RBD or a path cannot carry ('@', control characters, "." and ".."), or more than
// 128 bytes (CSI's limit for volume_id).
StatusOr<VolumeHandle> ParseVolumeHandle(std::string_view text);

// The image that a CreateVolume request of this name gets: the name itself where it is 1 to 63
// characters of [A-Za-z0-9._-] beginning with a letter or digit, else "b-" and 40 hex digits of its
// SHA-256. CSI allows 128 bytes of any kind, librbd stops at 96.
std::string ImageNameFor(std::string_view request_name);

}  // namespace berth
