#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/status.h"
#include "rbd/cluster_directory.h"
#include "rbd/formatting.h"
#include "rbd/volume_handle.h"

namespace berth {

struct FileSystemRequest {
  VolumeHandle volume;
  std::string device;
  std::string node_id;
  uint64_t epoch = 0;
  std::string fs_type;
  bool read_only = false;
  std::optional<CephUser> user;
};

// Brings the device of a volume to the state in which its file system can be mounted. What is on
// the device and what the volume's record says decide together:
//
//   on the device        | record: none       | record: formatting           | record: formatted
//   ---------------------+--------------------+------------------------------+--------------------
//   blank                | format             | format (mkfs was cut off)    | error: it was lost
//   bytes of no known use| error              | format (mkfs was cut off)    | error
//   the type asked for   | check              | check; ours: formatted       | check
//   anything else        | error              | error                        | error
//   unreadable           | error              | error                        | error
//
// "Format" is: the record says formatting, then mkfs, then the record says formatted; only after
// that it may be mounted. Nothing is made or repaired for a read-only request. Blocks as long as
// mkfs or fsck takes, whatever the deadline of the caller (CSI's callers give up after two minutes
// and repeat; the volume's guard lets the repeated call wait for this one). Errors:
// FAILED_PRECONDITION for a content that must not be touched; others as format.h, check.h and
// rbd/formatting.h say.
Status PrepareFileSystem(const FileSystemRequest& request, Formatting& formatting);

}  // namespace berth
