#include "csi/request_checks.h"

#include <limits.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace berth {
namespace {

using ::csi::v1::VolumeCapability;

constexpr size_t kMaxMapBytes = 4096;

bool HasControlCharacter(std::string_view value) {
  return std::any_of(value.begin(), value.end(),
                     [](unsigned char c) { return std::iscntrl(c) != 0; });
}

Status CheckAccessMode(const VolumeCapability& capability) {
  using Mode = VolumeCapability::AccessMode;
  const Mode::Mode mode = capability.access_mode().mode();
  switch (mode) {
    case Mode::SINGLE_NODE_WRITER:
    case Mode::SINGLE_NODE_READER_ONLY:
    case Mode::SINGLE_NODE_SINGLE_WRITER:
    case Mode::SINGLE_NODE_MULTI_WRITER:
    case Mode::MULTI_NODE_READER_ONLY:
      return absl::OkStatus();
    case Mode::MULTI_NODE_MULTI_WRITER:
      if (capability.has_block()) return absl::OkStatus();
      return absl::InvalidArgumentError(
          "access mode MULTI_NODE_MULTI_WRITER (ReadWriteMany) is served for raw block volumes "
          "only: several nodes that mount one ext4 destroy it; use volumeMode Block, or "
          "ReadWriteOnce");
    case Mode::UNKNOWN:
      return absl::InvalidArgumentError("volume_capability.access_mode is missing");
    case Mode::MULTI_NODE_SINGLE_WRITER:
    case csi::v1::
        VolumeCapability_AccessMode_Mode_VolumeCapability_AccessMode_Mode_INT_MIN_SENTINEL_DO_NOT_USE_:
    case csi::v1::
        VolumeCapability_AccessMode_Mode_VolumeCapability_AccessMode_Mode_INT_MAX_SENTINEL_DO_NOT_USE_:
      break;
  }
  return absl::InvalidArgumentError(
      fmt::format("access mode {} is not supported; use ReadWriteOnce, ReadWriteOncePod, "
                  "ReadOnlyMany, or ReadWriteMany with volumeMode Block",
                  Mode::Mode_Name(mode)));
}

// What mount(8) takes for an option but is another operation, or is Berth's to decide.
bool IsMountOperation(std::string_view flag) {
  constexpr std::array kOperations = {
      "bind",    "rbind",   "move",     "remount", "loop",   "offset",     "sizelimit",  "shared",
      "rshared", "private", "rprivate", "slave",   "rslave", "unbindable", "runbindable"};
  const std::string_view name = flag.substr(0, flag.find('='));
  return std::find(kOperations.begin(), kOperations.end(), name) != kOperations.end();
}

Status CheckMountFlags(const VolumeCapability::MountVolume& mount) {
  size_t bytes = 0;
  for (const std::string& flags : mount.mount_flags()) {
    bytes += flags.size();
    if (flags.empty() || HasControlCharacter(flags)) {
      return absl::InvalidArgumentError(fmt::format(
          "volume_capability.mount.mount_flags holds \"{}\", which is not a mount option", flags));
    }
    for (const absl::string_view flag : absl::StrSplit(flags, ',')) {
      if (IsMountOperation({flag.data(), flag.size()})) {
        return absl::InvalidArgumentError(
            fmt::format("volume_capability.mount.mount_flags holds \"{}\", which is an operation "
                        "and not an option of a file system; remove it from mountOptions",
                        std::string(flag)));
      }
    }
  }
  if (bytes > kMaxMapBytes) {
    return absl::InvalidArgumentError(fmt::format(
        "volume_capability.mount.mount_flags has {} bytes; the limit is {}", bytes, kMaxMapBytes));
  }
  return absl::OkStatus();
}

Status CheckMount(const VolumeCapability::MountVolume& mount) {
  if (!mount.fs_type().empty() && mount.fs_type() != "ext4") {
    return absl::InvalidArgumentError(fmt::format(
        "file system \"{}\" (csi.storage.k8s.io/fstype) is unknown; use ext4", mount.fs_type()));
  }
  if (!mount.volume_mount_group().empty()) {
    return absl::InvalidArgumentError(fmt::format(
        "volume_capability.mount.volume_mount_group \"{}\" is not supported: the node does not "
        "have the capability VOLUME_MOUNT_GROUP",
        mount.volume_mount_group()));
  }
  return CheckMountFlags(mount);
}

}  // namespace

Status CheckRequired(std::string_view field, std::string_view value, size_t max_bytes) {
  if (value.empty()) return absl::InvalidArgumentError(fmt::format("{} is missing", field));
  if (value.size() > max_bytes) {
    return absl::InvalidArgumentError(fmt::format("{} \"{}…\" has {} bytes; the limit is {}", field,
                                                  value.substr(0, 32), value.size(), max_bytes));
  }
  if (HasControlCharacter(value)) {
    return absl::InvalidArgumentError(fmt::format("{} holds a control character", field));
  }
  return absl::OkStatus();
}

Status CheckVolumeId(std::string_view volume_id) { return CheckRequired("volume_id", volume_id); }

Status CheckPath(std::string_view field, std::string_view path) {
  if (path.empty()) return absl::InvalidArgumentError(fmt::format("{} is missing", field));
  if (path.size() >= PATH_MAX) {
    return absl::InvalidArgumentError(
        fmt::format("{} has {} bytes; the limit is {}", field, path.size(), PATH_MAX - 1));
  }
  if (path.front() != '/' || HasControlCharacter(path)) {
    return absl::InvalidArgumentError(
        fmt::format("{} \"{}\" is not an absolute path", field, path));
  }
  for (const absl::string_view part :
       absl::StrSplit(absl::string_view(path.data(), path.size()), '/')) {
    if (part == "." || part == "..") {
      return absl::InvalidArgumentError(fmt::format(
          "{} \"{}\" holds the part \"{}\"; give the path itself", field, path, std::string(part)));
    }
  }
  return absl::OkStatus();
}

Status CheckMap(std::string_view field,
                const google::protobuf::Map<std::string, std::string>& map) {
  size_t bytes = 0;
  for (const auto& [key, value] : map) bytes += key.size() + value.size();
  if (bytes > kMaxMapBytes) {
    return absl::InvalidArgumentError(
        fmt::format("{} has {} bytes; the limit is {}", field, bytes, kMaxMapBytes));
  }
  return absl::OkStatus();
}

Status CheckCapability(const VolumeCapability& capability) {
  if (capability.access_type_case() == VolumeCapability::ACCESS_TYPE_NOT_SET) {
    return absl::InvalidArgumentError(
        "volume_capability is missing, or has no access type (mount or block)");
  }
  BERTH_RETURN_IF_ERROR(CheckAccessMode(capability));
  return capability.has_mount() ? CheckMount(capability.mount()) : absl::OkStatus();
}

AccessMode AccessModeOf(const VolumeCapability& capability) {
  using Mode = VolumeCapability::AccessMode;
  const Mode::Mode mode = capability.access_mode().mode();
  if (mode == Mode::MULTI_NODE_READER_ONLY) return AccessMode::kReadOnlyMany;
  if (mode == Mode::MULTI_NODE_MULTI_WRITER) return AccessMode::kReadWriteMany;
  if (mode == Mode::SINGLE_NODE_SINGLE_WRITER) return AccessMode::kReadWriteOncePod;
  return AccessMode::kReadWriteOnce;
}

bool IsReadOnly(const VolumeCapability& capability) {
  using Mode = VolumeCapability::AccessMode;
  const Mode::Mode mode = capability.access_mode().mode();
  return mode == Mode::SINGLE_NODE_READER_ONLY || mode == Mode::MULTI_NODE_READER_ONLY;
}

std::string FileSystemOf(const VolumeCapability& capability) {
  const std::string& type = capability.mount().fs_type();
  return type.empty() ? "ext4" : type;
}

StatusOr<uint64_t> EpochFromPublishContext(
    const google::protobuf::Map<std::string, std::string>& publish_context) {
  const auto found = publish_context.find(kEpochKey);
  if (found == publish_context.end()) {
    return absl::InvalidArgumentError(
        fmt::format("publish_context has no \"{}\"; it comes from ControllerPublishVolume, which "
                    "has to be called first (CSIDriver: attachRequired true)",
                    kEpochKey));
  }
  uint64_t epoch = 0;
  if (!absl::SimpleAtoi(found->second, &epoch) || epoch == 0) {
    return absl::InvalidArgumentError(fmt::format(
        "publish_context \"{}\" is \"{}\", which is not an epoch", kEpochKey, found->second));
  }
  return epoch;
}

}  // namespace berth
