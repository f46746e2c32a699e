#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/status.h"

namespace berth {

// The number (major:minor) of the block device node at `path`. NOT_FOUND when nothing is there,
// FAILED_PRECONDITION when it is something else.
StatusOr<dev_t> BlockDeviceNumber(const std::string& path);

// Its size in bytes (BLKGETSIZE64).
StatusOr<uint64_t> BlockDeviceSizeBytes(const std::string& path);

// "7:3"
std::string DeviceNumberText(dev_t device);

}  // namespace berth
