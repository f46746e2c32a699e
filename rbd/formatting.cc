#include "rbd/formatting.h"

#include <spdlog/fmt/fmt.h>

#include "rbd/image.h"

namespace berth {
namespace {

Status CheckHolder(const VolumeRecord& record, const std::string& node, uint64_t epoch) {
  const WriterClaim& claim = record.writer;
  if (claim.state == ClaimState::kOpen && claim.node == node && claim.epoch == epoch) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(fmt::format(
      "image \"{}\" is not open under node \"{}\"'s claim at epoch {}: the claim is {} at epoch {}",
      record.image, node, epoch, ClaimStateName(claim.state), claim.epoch));
}

Status BeginFormat(VolumeRecord& record, const std::string& node, uint64_t epoch,
                   const std::string& type, const std::string& uuid) {
  BERTH_RETURN_IF_ERROR(CheckHolder(record, node, epoch));
  FileSystemRecord& file_system = record.file_system;
  switch (file_system.state) {
    case FormatState::kNone:
      file_system = {FormatState::kFormatting, type, uuid, epoch};
      return absl::OkStatus();
    case FormatState::kFormatting:
      if (file_system.type != type) {
        return absl::FailedPreconditionError(
            fmt::format("making {} on image \"{}\" was begun before and is now asked for as {}",
                        file_system.type, record.image, type));
      }
      file_system.epoch = epoch;
      return absl::OkStatus();
    case FormatState::kFormatted:
      return absl::FailedPreconditionError(fmt::format(
          "image \"{}\" got an {} file system (UUID {}) at epoch {} and now looks blank: it is "
          "damaged "
          "or was overwritten, and Berth does not make a new one over it; look at a copy with `rbd "
          "export`",
          record.image, file_system.type, file_system.uuid, file_system.epoch));
  }
  return absl::InternalError("unreachable format state");
}

}  // namespace

StatusOr<std::string> Formatting::Begin(const VolumeHandle& volume, const std::string& node,
                                        uint64_t epoch, const std::string& type,
                                        const std::string& uuid,
                                        const std::optional<CephUser>& user) {
  BERTH_ASSIGN_OR_RETURN(const std::shared_ptr<Pool> pool, connections_.Open(volume, user));
  BERTH_ASSIGN_OR_RETURN(const VolumeRecord before, pool->registry.Get(volume.image));
  if (before.state == VolumeState::kForeign && before.file_system.state == FormatState::kNone) {
    BERTH_ASSIGN_OR_RETURN(const Image image,
                           Image::Open(pool->io, volume.image, Image::Mode::kReadOnly));
    BERTH_ASSIGN_OR_RETURN(const bool unallocated, image.IsUnallocated());
    if (!unallocated) {
      return absl::FailedPreconditionError(
          fmt::format("image {} was not made by Berth and something was written to it, though no "
                      "file system is "
                      "recognised: Berth does not format it; make the file system yourself",
                      volume.ImageSpec()));
    }
  }
  BERTH_ASSIGN_OR_RETURN(const VolumeRecord record,
                         pool->registry.Update(volume.image, [&](VolumeRecord& now) {
                           return BeginFormat(now, node, epoch, type, uuid);
                         }));
  return record.file_system.uuid;
}

Status Formatting::Complete(const VolumeHandle& volume, const std::string& node, uint64_t epoch,
                            const std::optional<CephUser>& user) {
  BERTH_ASSIGN_OR_RETURN(const std::shared_ptr<Pool> pool, connections_.Open(volume, user));
  return pool->registry
      .Update(volume.image,
              [&](VolumeRecord& now) {
                BERTH_RETURN_IF_ERROR(CheckHolder(now, node, epoch));
                if (now.file_system.state == FormatState::kNone) {
                  return absl::FailedPreconditionError(
                      fmt::format("no formatting of image \"{}\" was begun", now.image));
                }
                now.file_system.state = FormatState::kFormatted;
                return absl::OkStatus();
              })
      .status();
}

StatusOr<FileSystemRecord> Formatting::Get(const VolumeHandle& volume,
                                           const std::optional<CephUser>& user) {
  BERTH_ASSIGN_OR_RETURN(const std::shared_ptr<Pool> pool, connections_.Open(volume, user));
  BERTH_ASSIGN_OR_RETURN(const VolumeRecord record, pool->registry.Get(volume.image));
  return record.file_system;
}

}  // namespace berth
