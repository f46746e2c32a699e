#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "rbd/omap.h"
#include "rbd/record.h"

namespace berth {

// The registry of one pool and RADOS namespace: a fixed number of shard objects
// `berth.registry.<nn>`, a record per volume. It alone decides what is true about a volume; records
// change only by compare-and-set. Thread-safe; several processes may use it at once. Blocks as its
// OmapStore does.
class Registry {
 public:
  explicit Registry(std::unique_ptr<OmapStore> store) : store_(std::move(store)) {}

  // NOT_FOUND when there is no record of `image`.
  StatusOr<VolumeRecord> Get(const std::string& image);

  // Adds a record. ALREADY_EXISTS when there is one.
  Status Insert(const VolumeRecord& record);

  // Reads the record, lets `change` alter it, writes it back; does so again when somebody else was
  // faster. What `change` returns, if not OK, is returned and nothing is written; a record that it
  // leaves as it was is not written either. NOT_FOUND when there is no record. Returns the record
  // as it is now. `change` may run several times and must only look at its argument.
  StatusOr<VolumeRecord> Update(const std::string& image,
                                const std::function<Status(VolumeRecord&)>& change);

  // As Update, but first lets `make` supply the record when there is none: for foreign images.
  StatusOr<VolumeRecord> UpdateOrInsert(const std::string& image,
                                        const std::function<StatusOr<VolumeRecord>()>& make,
                                        const std::function<Status(VolumeRecord&)>& change);

  // Removes `record` if it still is as given. ABORTED when it changed.
  Status Remove(const VolumeRecord& record);

  // Turns the record of a volume whose image is in the trash into a trash record, in one step, so
  // that its name is free. ABORTED when `record` changed.
  Status MoveToTrash(const VolumeRecord& record, const TrashRecord& trash);
  // Every trash record. Forgets one after its image was purged.
  StatusOr<std::vector<TrashRecord>> ListTrash();
  Status ForgetTrash(const TrashRecord& trash);

  // Every volume's record, shard by shard; `visit` returns false to stop. Records that cannot be
  // read are reported by `unreadable` (image, why) and do not hide the others.
  Status ForEach(const std::function<bool(const VolumeRecord&)>& visit,
                 const std::function<void(const std::string&, const Status&)>& unreadable);

 private:
  // The stored text of `record`, which another program may have written in another way. ABORTED
  // when it says something else now, NOT_FOUND when it is gone.
  StatusOr<std::string> StoredText(const VolumeRecord& record);

  std::unique_ptr<OmapStore> store_;
};

// The shard object that holds the records of `image`.
std::string RegistryShard(const std::string& image);

}  // namespace berth
