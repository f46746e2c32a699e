#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "base/status.h"
#include "rbd/fencer.h"
#include "rbd/fences.h"
#include "rbd/registry.h"

namespace berth {

// What a revocation stands on: one pool and RADOS namespace.
struct RevokeContext {
  Registry& registry;
  Fences& fences;
  const Fencer& fencer;
  absl::Time now;
  std::chrono::seconds fence_duration;
};

// Takes the claim of `node` on `image`; an empty `node` means everybody's. OK means that nothing
// the node writes from now on is acknowledged: it never opened the image for writing, closed it
// itself, or every client instance that it recorded is blocklisted and has a fence record. A
// missing watcher is no evidence and is not looked at. What other nodes that share the volume have
// stays untouched. OK when the node holds no claim. NOT_FOUND when there is no record. Any call
// that was cut off is finished by repeating it, in any process. With an `epoch`, which needs a
// node: only the node's claim of that epoch, ABORTED when it is another by now.
Status RevokeClaim(const RevokeContext& context, const std::string& image, const std::string& node,
                   std::optional<uint64_t> epoch = std::nullopt);

}  // namespace berth
