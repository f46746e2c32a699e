#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "csi.pb.h"
#include "kube/core_v1.h"

namespace berth::provisioner {

// How pods want to use a volume, in Kubernetes' words.
struct Usage {
  std::vector<std::string> access_modes;  // ReadWriteOnce, ReadOnlyMany, ...
  bool block = false;                     // volumeMode Block
  std::string fs_type;                    // of a file system; empty: the driver's default
  std::vector<std::string> mount_options;
};

// One CSI capability for each access mode: what CreateVolume is asked for. ReadWriteOnce means
// SINGLE_NODE_MULTI_WRITER for a driver that tells the two apart and SINGLE_NODE_WRITER for others.
// INVALID_ARGUMENT for an unknown mode, none at all, or ReadWriteOncePod where the driver cannot
// promise it.
StatusOr<std::vector<csi::v1::VolumeCapability>> CapabilitiesFor(const Usage& usage,
                                                                 bool single_node_multi_writer);

// The one capability under which a PersistentVolume is attached, the widest that its modes ask
// for. INVALID_ARGUMENT for ReadOnlyMany together with a mode that writes on one node, which CSI
// cannot say, and for ReadWriteOncePod together with any other.
StatusOr<csi::v1::VolumeCapability> CapabilityOf(const kube::core::PersistentVolume& volume,
                                                 bool single_node_multi_writer);

}  // namespace berth::provisioner
