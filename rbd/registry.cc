#include "rbd/registry.h"

#include <spdlog/fmt/fmt.h>

#include <cstdint>
#include <utility>

namespace berth {
namespace {

constexpr uint32_t kShards = 32;   // fixed: a record's shard must never change
constexpr int kMaxAttempts = 200;  // each lost race means that another caller made progress
constexpr char kVolumePrefix[] = "v/";
constexpr char kTrashPrefix[] = "t/";

std::string VolumeKey(const std::string& image) { return kVolumePrefix + image; }
std::string TrashKey(const std::string& image_id) { return kTrashPrefix + image_id; }
std::string ShardName(uint32_t shard) { return fmt::format("berth.registry.{:02}", shard); }

// FNV-1a: the same on every machine and in every version, which std::hash does not promise.
uint32_t StableHash(const std::string& text) {
  uint32_t hash = 2166136261U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return hash;
}

Status NoRecord(const std::string& image) {
  return absl::NotFoundError(fmt::format("the registry has no record of image \"{}\"", image));
}

}  // namespace

std::string RegistryShard(const std::string& image) {
  return ShardName(StableHash(image) % kShards);
}

StatusOr<VolumeRecord> Registry::Get(const std::string& image) {
  BERTH_ASSIGN_OR_RETURN(const std::optional<std::string> value,
                         store_->Get(RegistryShard(image), VolumeKey(image)));
  if (!value) return NoRecord(image);
  return ParseVolumeRecord(image, *value);
}

Status Registry::Insert(const VolumeRecord& record) {
  Status status = store_->Update(RegistryShard(record.image),
                                 {{VolumeKey(record.image), std::nullopt, record.ToJson()}});
  if (status.code() == absl::StatusCode::kAborted) {
    return absl::AlreadyExistsError(
        fmt::format("the registry has a record of image \"{}\" already", record.image));
  }
  return status;
}

StatusOr<VolumeRecord> Registry::Update(const std::string& image,
                                        const std::function<Status(VolumeRecord&)>& change) {
  return UpdateOrInsert(
      image, [&image]() -> StatusOr<VolumeRecord> { return NoRecord(image); }, change);
}

StatusOr<VolumeRecord> Registry::UpdateOrInsert(
    const std::string& image, const std::function<StatusOr<VolumeRecord>()>& make,
    const std::function<Status(VolumeRecord&)>& change) {
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    BERTH_ASSIGN_OR_RETURN(const std::optional<std::string> before,
                           store_->Get(RegistryShard(image), VolumeKey(image)));
    BERTH_ASSIGN_OR_RETURN(VolumeRecord record,
                           before ? ParseVolumeRecord(image, *before) : make());
    BERTH_RETURN_IF_ERROR(change(record));
    const std::string after = record.ToJson();
    if (before == after) return record;
    const Status status = store_->Update(RegistryShard(image), {{VolumeKey(image), before, after}});
    if (status.ok()) return record;
    if (status.code() != absl::StatusCode::kAborted) return status;
  }
  return absl::AbortedError(
      fmt::format("the record of image \"{}\" is changed by too many callers at once", image));
}

StatusOr<std::string> Registry::StoredText(const VolumeRecord& record) {
  BERTH_ASSIGN_OR_RETURN(const std::optional<std::string> stored,
                         store_->Get(RegistryShard(record.image), VolumeKey(record.image)));
  if (!stored) return NoRecord(record.image);
  BERTH_ASSIGN_OR_RETURN(const VolumeRecord now, ParseVolumeRecord(record.image, *stored));
  if (now.ToJson() != record.ToJson()) {
    return absl::AbortedError(
        fmt::format("the record of image \"{}\" was changed meanwhile; try again", record.image));
  }
  return *stored;
}

Status Registry::Remove(const VolumeRecord& record) {
  BERTH_ASSIGN_OR_RETURN(const std::string stored, StoredText(record));
  return store_->Update(RegistryShard(record.image),
                        {{VolumeKey(record.image), stored, std::nullopt}});
}

Status Registry::MoveToTrash(const VolumeRecord& record, const TrashRecord& trash) {
  BERTH_ASSIGN_OR_RETURN(const std::string stored, StoredText(record));
  return store_->Update(RegistryShard(record.image),
                        {{VolumeKey(record.image), stored, std::nullopt},
                         {TrashKey(trash.image_id), std::nullopt, trash.ToJson()}});
}

StatusOr<std::vector<TrashRecord>> Registry::ListTrash() {
  std::vector<TrashRecord> records;
  for (uint32_t shard = 0; shard < kShards; ++shard) {
    BERTH_RETURN_IF_ERROR(
        ForEachEntry(*store_, ShardName(shard), kTrashPrefix, [&](const OmapStore::Entry& entry) {
          StatusOr<TrashRecord> record =
              ParseTrashRecord(entry.key.substr(sizeof kTrashPrefix - 1), entry.value);
          // One that a newer program wrote is left to that program.
          if (record.ok()) records.push_back(*std::move(record));
          return true;
        }));
  }
  return records;
}

Status Registry::ForgetTrash(const TrashRecord& trash) {
  return store_->Update(RegistryShard(trash.image),
                        {{TrashKey(trash.image_id), trash.ToJson(), std::nullopt}});
}

Status Registry::ForEach(const std::function<bool(const VolumeRecord&)>& visit,
                         const std::function<void(const std::string&, const Status&)>& unreadable) {
  bool stopped = false;
  for (uint32_t shard = 0; shard < kShards && !stopped; ++shard) {
    BERTH_RETURN_IF_ERROR(
        ForEachEntry(*store_, ShardName(shard), kVolumePrefix, [&](const OmapStore::Entry& entry) {
          const std::string image = entry.key.substr(sizeof kVolumePrefix - 1);
          const StatusOr<VolumeRecord> record = ParseVolumeRecord(image, entry.value);
          if (!record.ok()) {
            unreadable(image, record.status());
            return true;
          }
          stopped = !visit(*record);
          return !stopped;
        }));
  }
  return absl::OkStatus();
}

}  // namespace berth
