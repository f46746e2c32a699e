#include "provisioner/capability.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_join.h"

namespace berth::provisioner {
namespace {

using AccessMode = csi::v1::VolumeCapability::AccessMode;

StatusOr<AccessMode::Mode> ModeOf(const std::string& mode, bool single_node_multi_writer) {
  if (mode == "ReadWriteMany") return AccessMode::MULTI_NODE_MULTI_WRITER;
  if (mode == "ReadOnlyMany") return AccessMode::MULTI_NODE_READER_ONLY;
  if (mode == "ReadWriteOnce") {
    return single_node_multi_writer ? AccessMode::SINGLE_NODE_MULTI_WRITER
                                    : AccessMode::SINGLE_NODE_WRITER;
  }
  if (mode == "ReadWriteOncePod") {
    if (single_node_multi_writer) return AccessMode::SINGLE_NODE_SINGLE_WRITER;
    return absl::InvalidArgumentError(
        "the driver does not support access mode ReadWriteOncePod (SINGLE_NODE_MULTI_WRITER)");
  }
  return absl::InvalidArgumentError(fmt::format("unknown access mode \"{}\"", mode));
}

csi::v1::VolumeCapability Capability(const Usage& usage, AccessMode::Mode mode) {
  csi::v1::VolumeCapability capability;
  capability.mutable_access_mode()->set_mode(mode);
  if (usage.block) {
    capability.mutable_block();
    return capability;
  }
  capability.mutable_mount()->set_fs_type(usage.fs_type);
  for (const std::string& option : usage.mount_options) {
    capability.mutable_mount()->add_mount_flags(option);
  }
  return capability;
}

}  // namespace

StatusOr<std::vector<csi::v1::VolumeCapability>> CapabilitiesFor(const Usage& usage,
                                                                 bool single_node_multi_writer) {
  if (usage.access_modes.empty()) return absl::InvalidArgumentError("there is no access mode");
  std::vector<csi::v1::VolumeCapability> capabilities;
  for (const std::string& name : usage.access_modes) {
    BERTH_ASSIGN_OR_RETURN(const AccessMode::Mode mode, ModeOf(name, single_node_multi_writer));
    capabilities.push_back(Capability(usage, mode));
  }
  return capabilities;
}

StatusOr<csi::v1::VolumeCapability> CapabilityOf(const kube::core::PersistentVolume& volume,
                                                 bool single_node_multi_writer) {
  const kube::core::PersistentVolumeSpec& spec = volume.spec();
  Usage usage;
  usage.access_modes = {spec.accessmodes().begin(), spec.accessmodes().end()};
  usage.block = spec.volumemode() == "Block";
  usage.fs_type = spec.persistentvolumesource().csi().fstype();
  usage.mount_options = {spec.mountoptions().begin(), spec.mountoptions().end()};
  const auto has = [&usage](std::string_view mode) {
    return std::find(usage.access_modes.begin(), usage.access_modes.end(), mode) !=
           usage.access_modes.end();
  };
  std::string widest;
  if (has("ReadWriteOncePod") && usage.access_modes.size() > 1) {
    widest.clear();
  } else if (has("ReadWriteMany")) {
    widest = "ReadWriteMany";
  } else if (usage.access_modes.size() == 1) {
    widest = usage.access_modes.front();
  }
  if (widest.empty()) {
    return absl::InvalidArgumentError(
        fmt::format("PersistentVolume {}: access modes {} cannot be attached together",
                    volume.metadata().name(), absl::StrJoin(usage.access_modes, ", ")));
  }
  BERTH_ASSIGN_OR_RETURN(const AccessMode::Mode mode, ModeOf(widest, single_node_multi_writer));
  return Capability(usage, mode);
}

}  // namespace berth::provisioner
