#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/status.h"
#include "rbd/connections.h"
#include "rbd/image.h"
#include "rbd/record.h"
#include "rbd/volume_handle.h"

namespace berth {

struct CreateVolumeOptions {
  std::string request_name;  // CSI's name: the key under which retries find what was begun
  std::string cluster;
  std::string pool;
  std::string rados_namespace;
  uint64_t size_bytes = 0;  // what is made, when nothing exists yet
  uint64_t required_bytes =
      0;                     // an existing volume of that name is the same request when its size is
  uint64_t limit_bytes = 0;  // at least this and, unless 0, at most that
  Writers writers = Writers::kOne;
  std::string request;  // everything else asked, in words: must be equal in a retry
  std::map<std::string, std::string> owner;
  int64_t trash_retention_s = 0;
  std::optional<CephUser> user;
};

// Volumes' life: created, looked up, deleted. Every step is resumable: the record is written first
// and removed last, and a call that was cut off anywhere is finished by the same call again, or by
// SweepTrash. Thread-safe; callers keep calls for one volume apart for speed (base/keyed_guard.h),
// not for correctness. Blocks as long as Ceph does, within the connections' timeout per operation.
class Volumes {
 public:
  Volumes(Connections& connections, const Clock& clock)
      : connections_(connections), clock_(clock) {}

  // The volume of this name, made if need be. ALREADY_EXISTS naming the difference when the name
  // was used with another request, or is the name of an image that Berth did not make.
  StatusOr<VolumeRecord> Create(const CreateVolumeOptions& options);

  // The record; of an image without one, a record of state kForeign that is not yet written.
  // NOT_FOUND when neither exists.
  StatusOr<VolumeRecord> Get(const VolumeHandle& volume, const std::optional<CephUser>& user);

  // Moves the image to the trash; it is purged by PurgeTrash after its retention. OK when there is
  // nothing of that name, or only the image of somebody else that Berth never made (it is not
  // touched: FAILED_PRECONDITION). FAILED_PRECONDITION naming the nodes while the volume is
  // published.
  Status Delete(const VolumeHandle& volume, const std::optional<CephUser>& user);

  // Finishes deletions in the pool of `volume` that were cut off before the trash (its image is not
  // looked at). `report` gets each image for which that failed and why; the next call tries again.
  Status FinishDeletions(const VolumeHandle& volume, const std::optional<CephUser>& user,
                         const std::function<void(const std::string&, const Status&)>& report);

  // FinishDeletions for one volume. ABORTED when it is not being deleted, NOT_FOUND when there is
  // no record.
  Status FinishDeletion(const VolumeHandle& volume, const std::optional<CephUser>& user);

  // Gives up a volume whose creation nobody finishes: removes its record, and what there is of an
  // image without id. ABORTED, with nothing changed, unless its record is `creating`, the last
  // attempt began before `last_attempt_before`, and there is no image of its name.
  Status AbandonCreate(const VolumeHandle& volume, absl::Time last_attempt_before,
                       const std::optional<CephUser>& user);

  // Purges what lies in the pool's trash past its retention. `report` as above.
  Status PurgeTrash(const VolumeHandle& volume, const std::optional<CephUser>& user,
                    const std::function<void(const std::string&, const Status&)>& report);

  // PurgeTrash for one image. ABORTED before its retention is over, NOT_FOUND when it is no image
  // of Berth's.
  Status PurgeTrashed(const VolumeHandle& volume, const std::string& image_id,
                      const std::optional<CephUser>& user);

 private:
  Connections& connections_;
  const Clock& clock_;
};

}  // namespace berth
