#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/fd.h"
#include "base/status.h"

namespace berth {

// A FUSE file system whose root is one regular file. It is never attached to any directory, so no
// mount table shows it and no scanner can hang on it.

// `count` descriptors of /dev/fuse, not yet part of a connection. FAILED_PRECONDITION saying what
// to do when the kernel's fuse module or the device is missing.
StatusOr<std::vector<Fd>> OpenFuseDevices(size_t count);

// Makes the connection of which all of `devices` are part from then on, each with a queue of its
// own. Returns the mount, which lives as long as it or a file opened from it is open; when the last
// is closed the connection ends and reads from `devices` answer ENODEV. Nobody needs to serve it
// yet.
StatusOr<Fd> MountFuseFile(const std::vector<Fd>& devices);

// The file itself. Waits until somebody serves the connection; ABORTED when all of its devices are
// closed meanwhile.
StatusOr<Fd> OpenFuseFile(const Fd& mount, bool read_only);

// Ends the connection of the file system with this device number (st_dev of its file): its requests
// and all later ones fail. NOT_FOUND when there is none.
Status AbortFuseConnection(uint64_t device);

}  // namespace berth
