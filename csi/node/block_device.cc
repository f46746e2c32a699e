#include "csi/node/block_device.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <spdlog/fmt/fmt.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>

#include "base/fd.h"

namespace berth {

StatusOr<dev_t> BlockDeviceNumber(const std::string& path) {
  struct stat entry = {};
  if (stat(path.c_str(), &entry) != 0) {
    return ErrnoError(errno, fmt::format("look at block device {}", path));
  }
  if (!S_ISBLK(entry.st_mode)) {
    return absl::FailedPreconditionError(fmt::format("{} is not a block device", path));
  }
  return entry.st_rdev;
}

StatusOr<uint64_t> BlockDeviceSizeBytes(const std::string& path) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoError(errno, fmt::format("open block device {}", path));
  uint64_t bytes = 0;
  if (ioctl(fd.get(), BLKGETSIZE64, &bytes) != 0) {
    return ErrnoError(errno, fmt::format("ask {} for its size", path));
  }
  return bytes;
}

std::string DeviceNumberText(dev_t device) {
  return fmt::format("{}:{}", major(device), minor(device));
}

}  // namespace berth
