#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "base/status.h"
#include "rbd/fencer.h"
#include "rbd/omap.h"

namespace berth {

// A client instance that was cut off because its node might still write with it. The record
// outlives the claim: the instance may be a paused process that wakes up much later, so the fence
// is upheld (rbd/fence_upkeep.h) until the instance is known to be gone.
struct FenceRecord {
  std::string instance;  // the key: the address as the blocklist takes it
  std::string image;     // what it had open
  std::string node;
  std::string boot_id;  // of the node when the instance opened the image
  uint64_t epoch = 0;   // of the claim that was taken from it
  int64_t since_s = 0;  // Unix time of the first fence
  int64_t until_s = 0;  // Unix time until which Ceph keeps it; 0: not known to have begun yet
  bool operator==(const FenceRecord&) const = default;
};

// The fences of one pool and RADOS namespace, in one RADOS object. Thread-safe, also across
// processes. Blocks as its OmapStore does.
class Fences {
 public:
  explicit Fences(std::unique_ptr<OmapStore> store) : store_(std::move(store)) {}

  // Cuts `fence.instance` off for `duration` from `now`, the record first: whoever dies in between
  // leaves a record that the upkeep makes true. Of one that is there since_s stays. Errors as
  // Fencer::Fence.
  Status Fence(const Fencer& fencer, FenceRecord fence, absl::Time now,
               std::chrono::seconds duration);

  // Fences an instance anew that Ceph does not know any more. A record that was removed meanwhile
  // stays away. Errors as Fencer::Fence.
  Status BringBack(const Fencer& fencer, FenceRecord fence, absl::Time now,
                   std::chrono::seconds duration);

  StatusOr<std::vector<FenceRecord>> List();
  StatusOr<bool> Contains(const std::string& instance);

  // Forgets the record: the instance is proved gone. OK when there is none.
  Status Remove(const std::string& instance);

 private:
  Status NoteUntil(FenceRecord fence, absl::Time now, std::chrono::seconds duration);
  Status Put(const FenceRecord& fence, bool create);

  std::unique_ptr<OmapStore> store_;
};

}  // namespace berth
