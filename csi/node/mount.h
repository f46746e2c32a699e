// Mounts of this node's mount namespace, by libmount alone: no mount(8), no helpers, no /etc/fstab,
// no mtab. Blocking, thread-safe. A path may pass through symbolic links; its last part is taken as
// it is.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/status.h"

namespace berth {

struct Mount {
  std::string target;
  std::string source;  // as it was given to mount(2)
  std::string fs_type;
  std::string root;  // the part of the file system that is seen: "/" unless it is a bind of less
  dev_t device = 0;  // of the file system
  bool read_only = false;  // of this mount; the file system may be writable elsewhere
};

// The topmost mount at exactly `path`; nullopt when nothing is mounted there, or there is no such
// path.
StatusOr<std::optional<Mount>> FindMount(const std::string& path);

// All mounts of the file system on block device `device`.
StatusOr<std::vector<Mount>> MountsOfDevice(dev_t device);

// Mounts the file system on `device` at the directory `target`. `options` are those of mount(8)'s
// -o. The message holds what the kernel answered.
Status MountFileSystem(const std::string& device, const std::string& target,
                       const std::string& fs_type, const std::vector<std::string>& options);

// Mounts `source` (directory or file) at `target` (of the same kind) too.
Status BindMount(const std::string& source, const std::string& target, bool read_only);

// Takes the topmost mount at `path` away. FAILED_PRECONDITION when it is in use. The last mount of
// a file system writes back what is dirty before this returns, however long it takes.
Status Unmount(const std::string& path);

// Takes it out of the tree at once; the kernel ends it when nobody uses it any more (MNT_DETACH).
// For a device that fails I/O.
Status LazilyUnmount(const std::string& path);

}  // namespace berth
