#pragma once

#include <string>

#include "base/status.h"

namespace berth {

// Makes an ext4 file system with `uuid` on `device` and returns when it is complete. Whoever calls
// has proof that the device is blank. mkfs.ext4 is never stopped by a deadline, because half a file
// system is worse than a late one; it refuses a device that is mounted or that another mkfs works
// on. No block is kept for root: the volume belongs to one application. Nothing is discarded: a
// blank RBD image holds nothing to discard, and asking takes long. INTERNAL with mkfs's own words
// when it fails.
Status MakeExt4(const std::string& device, const std::string& uuid);

// A random UUID, as text.
StatusOr<std::string> NewUuid();

}  // namespace berth
