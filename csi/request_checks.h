// Checks that several services share. Each returns INVALID_ARGUMENT with a message that names the
// field and the value (CSI, "Required fields" and "Size Limits": a string has at most 128 bytes, a
// map 4 KiB, unless a field says otherwise). All are pure and thread-safe.
#pragma once

#include <google/protobuf/map.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "csi.pb.h"
#include "rbd/record.h"

namespace berth {

// A volume_id: present, at most 128 bytes. Whether it is a handle of ours is ParseVolumeHandle's
// matter.
Status CheckVolumeId(std::string_view volume_id);

inline constexpr size_t kMaxStringBytes = 128;

// A required string without control characters, of CSI's usual limit where the field has no other:
// a name, a node id.
Status CheckRequired(std::string_view field, std::string_view value,
                     size_t max_bytes = kMaxStringBytes);

// A required absolute path without "." and ".." parts, of at most PATH_MAX bytes.
Status CheckPath(std::string_view field, std::string_view path);

// A map of at most 4 KiB. Its values are not named in the message: it may hold secrets.
Status CheckMap(std::string_view field, const google::protobuf::Map<std::string, std::string>& map);

// A volume capability that Berth can serve: access type and mode are set, several nodes that write
// ask for a raw block volume, the file system is known, and the mount flags are options of a file
// system. MULTI_NODE_SINGLE_WRITER is not served: readers beside a writer would see a file system
// that changes under them.
Status CheckCapability(const csi::v1::VolumeCapability& capability);

// How a volume is published to a node by a capability that was checked: SINGLE_NODE_SINGLE_WRITER
// is Kubernetes' ReadWriteOncePod, CSI's other modes of one node are ReadWriteOnce.
AccessMode AccessModeOf(const csi::v1::VolumeCapability& capability);

// Whether a capability that was checked allows no node to write.
bool IsReadOnly(const csi::v1::VolumeCapability& capability);

// The file system that `capability`, of access type mount, asks for: "ext4" when it names none.
std::string FileSystemOf(const csi::v1::VolumeCapability& capability);

// The number after "berth.storage/epoch" in a publish context: the epoch of the writer claim that
// ControllerPublishVolume took.
StatusOr<uint64_t> EpochFromPublishContext(
    const google::protobuf::Map<std::string, std::string>& publish_context);

// The key of the epoch in a publish context.
inline constexpr char kEpochKey[] = "berth.storage/epoch";

}  // namespace berth
