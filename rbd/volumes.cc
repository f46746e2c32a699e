#include "rbd/volumes.h"

#include <spdlog/fmt/fmt.h>

#include <utility>
#include <vector>

#include "rbd/foreign_image.h"
#include "rbd/image.h"
#include "rbd/volume_claims.h"

namespace berth {
namespace {

constexpr int kMaxAttempts =
    8;  // each one more means that another caller changed the record meanwhile

Status Different(const CreateVolumeOptions& options, const std::string& what) {
  return absl::AlreadyExistsError(
      fmt::format("volume \"{}\" exists in pool \"{}\" but was asked for differently: {}",
                  options.request_name, options.pool, what));
}

Status NotOurs(const std::string& image, const CreateVolumeOptions& options) {
  return absl::AlreadyExistsError(fmt::format(
      "pool \"{}\" holds an image \"{}\" that was not made by Berth", options.pool, image));
}

// CSI, CreateVolume: the same name with incompatible arguments is ALREADY_EXISTS.
Status CheckSameRequest(const VolumeRecord& record, const CreateVolumeOptions& options) {
  if (record.request_name != options.request_name) {
    return Different(options, fmt::format("its image belongs to \"{}\"", record.request_name));
  }
  if (record.request != options.request) {
    return Different(options,
                     fmt::format("then \"{}\", now \"{}\"", record.request, options.request));
  }
  if (record.size_bytes < options.required_bytes) {
    return Different(options, fmt::format("it has {} bytes, now at least {} are required",
                                          record.size_bytes, options.required_bytes));
  }
  if (options.limit_bytes != 0 && record.size_bytes > options.limit_bytes) {
    return Different(options, fmt::format("it has {} bytes, now the limit is {}", record.size_bytes,
                                          options.limit_bytes));
  }
  return absl::OkStatus();
}

VolumeRecord NewRecord(const std::string& image, const CreateVolumeOptions& options,
                       int64_t now_s) {
  VolumeRecord record;
  record.image = image;
  record.request_name = options.request_name;
  record.request = options.request;
  record.state = VolumeState::kCreating;
  record.size_bytes = options.size_bytes;
  record.owner = options.owner;
  record.trash_retention_s = options.trash_retention_s;
  record.attempted_s = now_s;
  return record;
}

// Begins a record for a name that has none. An image that is there already is somebody else's.
StatusOr<VolumeRecord> BeginCreate(Pool& pool, const std::string& image,
                                   const CreateVolumeOptions& options, int64_t now_s) {
  const StatusOr<std::string> foreign = ReadImageId(pool.io, image);
  if (foreign.ok()) {
    return NotOurs(image, options);
  }
  if (foreign.status().code() != absl::StatusCode::kNotFound) return foreign.status();
  VolumeRecord record = NewRecord(image, options, now_s);
  BERTH_RETURN_IF_ERROR(pool.registry.Insert(record));
  return record;
}

// Says in a record that is still `creating` that its image is being made again: nobody gives it up
// then (Volumes::AbandonCreate).
StatusOr<VolumeRecord> NoteAttempt(Pool& pool, const VolumeRecord& record, int64_t now_s) {
  if (record.attempted_s == now_s) return record;
  return pool.registry.Update(record.image, [now_s](VolumeRecord& now) {
    if (now.state == VolumeState::kCreating) now.attempted_s = now_s;
    return absl::OkStatus();
  });
}

// Makes the image of a record in state `creating`, whatever an earlier attempt left of it.
Status MakeImage(Pool& pool, const VolumeRecord& record, Writers writers) {
  Status made = CreateImage(pool.io, record.image, record.size_bytes, writers);
  if (made.code() != absl::StatusCode::kAlreadyExists) return made;
  const StatusOr<Image> whole = Image::Open(pool.io, record.image, Image::Mode::kReadOnly);
  if (whole.ok()) return absl::OkStatus();
  if (whole.status().code() != absl::StatusCode::kNotFound) return whole.status();
  BERTH_RETURN_IF_ERROR(RemoveHalfMadeImage(pool.io, record.image));
  return CreateImage(pool.io, record.image, record.size_bytes, writers);
}

Status InUse(const VolumeRecord& record) {
  return absl::FailedPreconditionError(fmt::format(
      "image \"{}\" is published to {}; unpublish it first", record.image, HoldersInWords(record)));
}

// The record goes `deleting` before anything happens to the image.
Status BeginDelete(VolumeRecord& record) {
  if (record.state == VolumeState::kForeign) {
    return absl::FailedPreconditionError(
        fmt::format("image \"{}\" was not made by Berth, so Berth does not delete it; use `rbd rm`",
                    record.image));
  }
  if (!HeldClaims(record).empty()) return InUse(record);
  record.state = VolumeState::kDeleting;
  return absl::OkStatus();
}

// Whether the image under this record's name is the record's own. A record that never got an id
// belongs to an image that was being made: what is there is its.
StatusOr<bool> OwnsImage(Pool& pool, const VolumeRecord& record, std::string& id) {
  const StatusOr<std::string> found = ReadImageId(pool.io, record.image);
  if (found.status().code() == absl::StatusCode::kNotFound) return false;
  if (!found.ok()) return found.status();
  if (id.empty()) id = *found;
  return id == *found;
}

Status TrashImage(Pool& pool, const VolumeRecord& record, const Clock& clock) {
  std::string id = record.image_id;
  BERTH_ASSIGN_OR_RETURN(const bool there, OwnsImage(pool, record, id));
  if (there) {
    BERTH_RETURN_IF_ERROR(MoveImageToTrash(pool.io, record.image));
  } else if (id.empty()) {
    BERTH_RETURN_IF_ERROR(RemoveHalfMadeImage(pool.io, record.image));
    return pool.registry.Remove(record);
  } else {
    BERTH_ASSIGN_OR_RETURN(const bool in_trash, IsInTrash(pool.io, id));
    if (!in_trash) return pool.registry.Remove(record);
  }
  TrashRecord trash;
  trash.image_id = id;
  trash.image = record.image;
  trash.purge_after_s = absl::ToUnixSeconds(clock.Now()) + record.trash_retention_s;
  trash.volume = record;
  return pool.registry.MoveToTrash(record, trash);
}

// Takes a record in state `deleting` to its end. Another caller that finishes first is success; one
// that did a part is found out by looking again.
Status FinishDelete(Pool& pool, const VolumeRecord& record, const Clock& clock) {
  Status status;
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    status = TrashImage(pool, record, clock);
    if (!absl::IsNotFound(status) && !absl::IsAborted(status)) return status;
    const StatusOr<VolumeRecord> now = pool.registry.Get(record.image);
    if (absl::IsNotFound(now.status())) return absl::OkStatus();
    if (!now.ok()) return now.status();
    if (now->state != VolumeState::kDeleting) return absl::OkStatus();  // a new one of that name
  }
  return status;
}

// Ceph refused the image for good (no space, quota, a limit): leaves nothing of it, by way of a
// delete. Only while the record still is `creating`: another caller may have finished the same
// volume, and what it made stays. What fails here, a retry of the create or a delete does.
void AbandonCreate(Pool& pool, const VolumeRecord& record, const Clock& clock) {
  const StatusOr<VolumeRecord> deleting = pool.registry.Update(record.image, [](VolumeRecord& now) {
    if (now.state != VolumeState::kCreating) return absl::AbortedError("it is finished");
    return BeginDelete(now);
  });
  if (deleting.ok()) FinishDelete(pool, *deleting, clock).IgnoreError();
}

StatusOr<VolumeRecord> FinishCreate(Pool& pool, const VolumeRecord& record, Writers writers,
                                    const Clock& clock) {
  if (Status made = MakeImage(pool, record, writers); !made.ok()) {
    if (!OutcomeIsUnknown(made.code())) AbandonCreate(pool, record, clock);
    return made;
  }
  BERTH_ASSIGN_OR_RETURN(const std::string id, ReadImageId(pool.io, record.image));
  return pool.registry.Update(record.image, [&id](VolumeRecord& now) {
    if (now.state == VolumeState::kReady && now.image_id == id) return absl::OkStatus();
    if (now.state != VolumeState::kCreating) {
      return absl::AbortedError(
          fmt::format("image \"{}\" was deleted while it was made; try again", now.image));
    }
    now.state = VolumeState::kReady;
    now.image_id = id;
    return absl::OkStatus();
  });
}

Status Purge(Pool& pool, const TrashRecord& record) {
  BERTH_RETURN_IF_ERROR(PurgeFromTrash(pool.io, record.image_id));
  const Status forgotten = pool.registry.ForgetTrash(record);
  // Another sweeper forgot it first.
  return absl::IsAborted(forgotten) ? absl::OkStatus() : forgotten;
}

}  // namespace

StatusOr<VolumeRecord> Volumes::Create(const CreateVolumeOptions& options) {
  const std::string image = ImageNameFor(options.request_name);
  const VolumeHandle handle = {options.cluster, options.pool, options.rados_namespace, image};
  BERTH_ASSIGN_OR_RETURN(const std::shared_ptr<Pool> pool, connections_.Open(handle, options.user));
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    const int64_t now_s = absl::ToUnixSeconds(clock_.Now());
    StatusOr<VolumeRecord> record = pool->registry.Get(image);
    if (record.status().code() == absl::StatusCode::kNotFound) {
      record = BeginCreate(*pool, image, options, now_s);
      // Another caller began it between our look and our insert: look again.
      if (record.status().code() == absl::StatusCode::kAlreadyExists &&
          pool->registry.Get(image).ok()) {
        continue;
      }
    }
    if (!record.ok()) return record.status();
    switch (record->state) {
      case VolumeState::kCreating:
        BERTH_RETURN_IF_ERROR(CheckSameRequest(*record, options));
        record = NoteAttempt(*pool, *record, now_s);
        if (absl::IsNotFound(record.status())) continue;
        BERTH_RETURN_IF_ERROR(record.status());
        if (record->state != VolumeState::kCreating) continue;
        return FinishCreate(*pool, *record, options.writers, clock_);
      case VolumeState::kReady:
        BERTH_RETURN_IF_ERROR(CheckSameRequest(*record, options));
        return record;
      case VolumeState::kForeign:
        return NotOurs(image, options);
      case VolumeState::kDeleting:
        BERTH_RETURN_IF_ERROR(FinishDelete(*pool, *record, clock_));
        continue;
    }
  }
  return absl::AbortedError(fmt::format(
      "volume \"{}\" is created and deleted at the same time; try again", options.request_name));
}

StatusOr<VolumeRecord> Volumes::Get(const VolumeHandle& volume,
                                    const std::optional<CephUser>& user) {
  BERTH_ASSIGN_OR_RETURN(const std::shared_ptr<Pool> pool, connections_.Open(volume, user));
  StatusOr<VolumeRecord> record = pool->registry.Get(volume.image);
  if (record.status().code() != absl::StatusCode::kNotFound) return record;
  return DescribeForeignImage(*pool, volume);
}

Status Volumes::Delete(const VolumeHandle& volume, const std::optional<CephUser>& user) {
  BERTH_ASSIGN_OR_RETURN(const std::shared_ptr<Pool> pool, connections_.Open(volume, user));
  const StatusOr<VolumeRecord> record = pool->registry.Update(volume.image, BeginDelete);
  if (record.ok()) return FinishDelete(*pool, *record, clock_);
  if (record.status().code() != absl::StatusCode::kNotFound) return record.status();
  StatusOr<VolumeRecord> foreign = DescribeForeignImage(*pool, volume);
  if (foreign.status().code() == absl::StatusCode::kNotFound) return absl::OkStatus();
  if (!foreign.ok()) return foreign.status();
  return BeginDelete(*foreign);
}

Status Volumes::FinishDeletions(
    const VolumeHandle& volume, const std::optional<CephUser>& user,
    const std::function<void(const std::string&, const Status&)>& report) {
  BERTH_ASSIGN_OR_RETURN(const std::shared_ptr<Pool> pool, connections_.Open(volume, user));
  std::vector<VolumeRecord> unfinished;
  BERTH_RETURN_IF_ERROR(pool->registry.ForEach(
      [&unfinished](const VolumeRecord& record) {
        if (record.state == VolumeState::kDeleting) unfinished.push_back(record);
        return true;
      },
      report));
  for (const VolumeRecord& record : unfinished) {
    const Status status = FinishDelete(*pool, record, clock_);
    if (!status.ok()) report(record.image, status);
  }
  return absl::OkStatus();
}

Status Volumes::FinishDeletion(const VolumeHandle& volume, const std::optional<CephUser>& user) {
  BERTH_ASSIGN_OR_RETURN(const std::shared_ptr<Pool> pool, connections_.Open(volume, user));
  BERTH_ASSIGN_OR_RETURN(const VolumeRecord record, pool->registry.Get(volume.image));
  if (record.state != VolumeState::kDeleting) {
    return absl::AbortedError(fmt::format("volume \"{}\" is not being deleted", volume.ToString()));
  }
  return FinishDelete(*pool, record, clock_);
}

Status Volumes::AbandonCreate(const VolumeHandle& volume, absl::Time last_attempt_before,
                              const std::optional<CephUser>& user) {
  BERTH_ASSIGN_OR_RETURN(const std::shared_ptr<Pool> pool, connections_.Open(volume, user));
  const StatusOr<std::string> id = ReadImageId(pool->io, volume.image);
  if (id.ok()) {
    return absl::AbortedError(fmt::format("volume \"{}\" has an image", volume.ToString()));
  }
  if (!absl::IsNotFound(id.status())) return id.status();
  BERTH_ASSIGN_OR_RETURN(
      const VolumeRecord deleting, pool->registry.Update(volume.image, [&](VolumeRecord& now) {
        if (now.state != VolumeState::kCreating || now.attempted_s == 0 ||
            absl::FromUnixSeconds(now.attempted_s) > last_attempt_before) {
          return absl::AbortedError(
              fmt::format("volume \"{}\" was made, or somebody is making it", volume.ToString()));
        }
        return BeginDelete(now);
      }));
  return FinishDelete(*pool, deleting, clock_);
}

Status Volumes::PurgeTrashed(const VolumeHandle& volume, const std::string& image_id,
                             const std::optional<CephUser>& user) {
  BERTH_ASSIGN_OR_RETURN(const std::shared_ptr<Pool> pool, connections_.Open(volume, user));
  BERTH_ASSIGN_OR_RETURN(const std::vector<TrashRecord> trash, pool->registry.ListTrash());
  for (const TrashRecord& record : trash) {
    if (record.image_id != image_id) continue;
    if (record.purge_after_s > absl::ToUnixSeconds(clock_.Now())) {
      return absl::AbortedError(
          fmt::format("image id \"{}\" stays in the trash until {}", image_id,
                      absl::FormatTime(absl::FromUnixSeconds(record.purge_after_s))));
    }
    return Purge(*pool, record);
  }
  return absl::NotFoundError(
      fmt::format("the registry has no trash record of image id \"{}\" in {}", image_id,
                  volume.PoolToString()));
}

Status Volumes::PurgeTrash(const VolumeHandle& volume, const std::optional<CephUser>& user,
                           const std::function<void(const std::string&, const Status&)>& report) {
  BERTH_ASSIGN_OR_RETURN(const std::shared_ptr<Pool> pool, connections_.Open(volume, user));
  BERTH_ASSIGN_OR_RETURN(const std::vector<TrashRecord> trash, pool->registry.ListTrash());
  const int64_t now_s = absl::ToUnixSeconds(clock_.Now());
  for (const TrashRecord& record : trash) {
    if (record.purge_after_s > now_s) continue;
    const Status status = Purge(*pool, record);
    if (!status.ok()) report(record.image, status);
  }
  return absl::OkStatus();
}

}  // namespace berth
