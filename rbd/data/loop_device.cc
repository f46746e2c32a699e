#include "rbd/data/loop_device.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <spdlog/fmt/fmt.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/time/clock.h"

namespace berth {
namespace {

constexpr uint32_t kBlockBytes = 512;
constexpr char kOwnerName[] = "berth";  // what `losetup -l` can show about who made it

StatusOr<std::string> FreeDevice() {
  const Fd control(open("/dev/loop-control", O_RDWR | O_CLOEXEC));
  if (!control.valid()) {
    if (errno == ENOENT || errno == ENODEV || errno == ENXIO) {
      return absl::FailedPreconditionError(
          "/dev/loop-control is missing: load the kernel module loop on this node (`modprobe "
          "loop`), and give the pod the node's /dev");
    }
    return ErrnoError(errno, "open /dev/loop-control");
  }
  const int number = ioctl(control.get(), LOOP_CTL_GET_FREE);
  if (number < 0) {
    return absl::ResourceExhaustedError(
        fmt::format("this node has no free loop device: {}",
                    std::string(ErrnoError(errno, "LOOP_CTL_GET_FREE").message())));
  }
  return fmt::format("/dev/loop{}", number);
}

StatusOr<Fd> OpenDevice(const std::string& path, int flags) {
  Fd device(open(path.c_str(), flags | O_CLOEXEC));
  if (device.valid()) return device;
  if (errno == ENOENT) {
    return absl::FailedPreconditionError(
        fmt::format("the kernel made {}, but there is no such node: the pod needs the node's own "
                    "/dev",
                    path));
  }
  return ErrnoError(errno, fmt::format("open {}", path));
}

// What the device is made of; nullopt when of nothing.
StatusOr<std::optional<loop_info64>> ReadInfo(const Fd& device, const std::string& path) {
  loop_info64 info = {};
  if (ioctl(device.get(), LOOP_GET_STATUS64, &info) == 0) return info;
  if (errno == ENXIO) return std::optional<loop_info64>();
  return ErrnoError(errno, fmt::format("read what {} is made of", path));
}

// The device stays at its last close. OK when it is made of nothing any more. The kernel lets this
// flag alone be changed later, and waits for the I/O in flight (LOOP_SET_STATUS64).
Status StayAtLastClose(const Fd& device, const std::string& path, loop_info64 info) {
  info.lo_flags &= ~static_cast<uint32_t>(LO_FLAGS_AUTOCLEAR);
  if (ioctl(device.get(), LOOP_SET_STATUS64, &info) == 0 || errno == ENXIO) return absl::OkStatus();
  return ErrnoError(errno, fmt::format("let {} stay", path));
}

// It is cleared at its last close. False when somebody else took the device first.
StatusOr<bool> Configure(const Fd& device, const std::string& path, const Fd& file,
                         bool read_only) {
  loop_config config = {};
  config.fd = static_cast<uint32_t>(file.get());
  config.block_size = kBlockBytes;
  config.info.lo_flags =
      LO_FLAGS_DIRECT_IO | LO_FLAGS_AUTOCLEAR | (read_only ? LO_FLAGS_READ_ONLY : 0);
  std::memcpy(config.info.lo_file_name, kOwnerName, sizeof kOwnerName);
  if (ioctl(device.get(), LOOP_CONFIGURE, &config) == 0) return true;
  if (errno == EBUSY) return false;
  return ErrnoError(errno, fmt::format("make {} of the image", path));
}

Status InUse(const std::string& path) {
  return absl::FailedPreconditionError(
      fmt::format("{} is still in use: it is mounted or open somewhere on this node", path));
}

}  // namespace

StatusOr<FileIdentity> IdentifyFile(const Fd& file) {
  struct stat status = {};
  if (fstat(file.get(), &status) != 0) return ErrnoError(errno, "identify a file");
  return FileIdentity{.device = status.st_dev, .inode = status.st_ino};
}

StatusOr<NewLoopDevice> LoopDevice::Attach(const Fd& file, bool read_only, absl::Time deadline) {
  BERTH_ASSIGN_OR_RETURN(const FileIdentity backing, IdentifyFile(file));
  do {
    BERTH_ASSIGN_OR_RETURN(const std::string path, FreeDevice());
    BERTH_ASSIGN_OR_RETURN(Fd device, OpenDevice(path, O_RDWR));
    BERTH_ASSIGN_OR_RETURN(const bool taken, Configure(device, path, file, read_only));
    if (!taken) continue;
    BERTH_ASSIGN_OR_RETURN(const auto info, ReadInfo(device, path));
    if (info && (info->lo_flags & LO_FLAGS_DIRECT_IO)) {
      return NewLoopDevice(LoopDevice(path, backing), std::move(device));
    }
    return absl::FailedPreconditionError(fmt::format(
        "the kernel refuses direct I/O for {}; without it data would be cached twice", path));
  } while (absl::Now() < deadline);
  return absl::DeadlineExceededError("other programs took every free loop device first");
}

StatusOr<bool> LoopDevice::IsOurs(const Fd& device) const {
  BERTH_ASSIGN_OR_RETURN(const auto info, ReadInfo(device, path_));
  return info && backing_ == FileIdentity{.device = info->lo_device, .inode = info->lo_inode};
}

StatusOr<bool> LoopDevice::IsAttached() const {
  const Fd device(open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  if (device.valid()) return IsOurs(device);
  if (errno == ENOENT || errno == ENXIO) return false;
  return ErrnoError(errno, fmt::format("open {}", path_));
}

StatusOr<bool> LoopDevice::TakeSize() {
  BERTH_ASSIGN_OR_RETURN(const Fd device, OpenDevice(path_, O_RDONLY));
  BERTH_ASSIGN_OR_RETURN(const bool ours, IsOurs(device));
  if (!ours) return false;
  const off_t before = lseek(device.get(), 0, SEEK_END);
  if (ioctl(device.get(), LOOP_SET_CAPACITY, 0) != 0) {
    return ErrnoError(errno, fmt::format("let {} take its file's size", path_));
  }
  return lseek(device.get(), 0, SEEK_END) != before;
}

// The kernel does not say how often a device is open. So: an exclusive open rules out mounts; then
// LOOP_CLR_FD marks the device to be cleared at its last close, which ours is unless somebody else
// has it open. In that case the mark is taken off again.
Status LoopDevice::Detach() {
  {
    const Fd device(open(path_.c_str(), O_RDONLY | O_EXCL | O_CLOEXEC));
    if (!device.valid()) {
      if (errno == EBUSY) return InUse(path_);
      if (errno == ENOENT || errno == ENXIO) return absl::OkStatus();
      return ErrnoError(errno, fmt::format("open {}", path_));
    }
    BERTH_ASSIGN_OR_RETURN(const bool ours, IsOurs(device));
    if (!ours) return absl::OkStatus();
    if (ioctl(device.get(), LOOP_CLR_FD) != 0 && errno != ENXIO) {
      return ErrnoError(errno, fmt::format("clear {}", path_));
    }
  }
  BERTH_ASSIGN_OR_RETURN(const Fd device, OpenDevice(path_, O_RDONLY));
  BERTH_ASSIGN_OR_RETURN(auto info, ReadInfo(device, path_));
  if (!info || backing_ != FileIdentity{.device = info->lo_device, .inode = info->lo_inode}) {
    return absl::OkStatus();
  }
  BERTH_RETURN_IF_ERROR(StayAtLastClose(device, path_, *info));
  return InUse(path_);
}

Status NewLoopDevice::Keep() {
  BERTH_ASSIGN_OR_RETURN(const auto info, ReadInfo(open_, device_.path()));
  if (!info) return absl::AbortedError(fmt::format("{} was cleared by somebody", device_.path()));
  BERTH_RETURN_IF_ERROR(StayAtLastClose(open_, device_.path(), *info));
  open_ = Fd();
  return absl::OkStatus();
}

}  // namespace berth
