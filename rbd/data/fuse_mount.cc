#include "rbd/data/fuse_mount.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <spdlog/fmt/fmt.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "rbd/data/fuse_protocol.h"

namespace berth {
namespace {

Status OpenError(int error) {
  if (error == ENOENT || error == ENODEV || error == ENXIO) {
    return absl::FailedPreconditionError(
        "/dev/fuse is missing: load the kernel module fuse on this node (`modprobe fuse`), and "
        "give the pod the node's /dev");
  }
  return ErrnoError(error, "open /dev/fuse");
}

Status SetOption(const Fd& context, const char* name, const std::string& value) {
  if (fsconfig(context.get(), FSCONFIG_SET_STRING, name, value.c_str(), 0) == 0) {
    return absl::OkStatus();
  }
  return ErrnoError(errno, fmt::format("set the FUSE mount option {}={}", name, value));
}

}  // namespace

StatusOr<std::vector<Fd>> OpenFuseDevices(size_t count) {
  std::vector<Fd> devices;
  for (size_t i = 0; i < count; ++i) {
    Fd device(open("/dev/fuse", O_RDWR | O_CLOEXEC));
    if (!device.valid()) return OpenError(errno);
    devices.push_back(std::move(device));
  }
  return devices;
}

StatusOr<Fd> MountFuseFile(const std::vector<Fd>& devices) {
  const Fd context(fsopen("fuse", FSOPEN_CLOEXEC));
  if (!context.valid()) {
    return ErrnoError(errno, "make a FUSE file system (it needs CAP_SYS_ADMIN)");
  }
  BERTH_RETURN_IF_ERROR(SetOption(context, "source", "berth"));
  BERTH_RETURN_IF_ERROR(SetOption(context, "subtype", "berth"));
  BERTH_RETURN_IF_ERROR(SetOption(context, "fd", std::to_string(devices.front().get())));
  BERTH_RETURN_IF_ERROR(SetOption(context, "rootmode", "100600"));
  BERTH_RETURN_IF_ERROR(SetOption(context, "user_id", "0"));
  BERTH_RETURN_IF_ERROR(SetOption(context, "group_id", "0"));
  BERTH_RETURN_IF_ERROR(SetOption(context, "max_read", std::to_string(kFuseMaxTransferBytes)));
  if (fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    return ErrnoError(errno, "create the FUSE file system");
  }
  Fd mount(fsmount(context.get(), FSMOUNT_CLOEXEC,
                   MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
  if (!mount.valid()) return ErrnoError(errno, "mount the FUSE file system");
  for (size_t i = 1; i < devices.size(); ++i) {
    uint32_t source = static_cast<uint32_t>(devices.front().get());
    if (ioctl(devices[i].get(), FUSE_DEV_IOC_CLONE, &source) != 0) {
      return ErrnoError(errno, "add a descriptor to the FUSE connection");
    }
  }
  return mount;
}

StatusOr<Fd> OpenFuseFile(const Fd& mount, bool read_only) {
  const std::string path = fmt::format("/proc/self/fd/{}", mount.get());
  Fd file(open(path.c_str(), (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC));
  if (file.valid()) return file;
  if (errno == ENOTCONN || errno == ECONNABORTED) {
    return absl::AbortedError("the I/O process ended before its file could be opened");
  }
  return ErrnoError(errno, "open the file that the I/O process serves");
}

// By the kernel's control files, in a mount that only this call sees.
Status AbortFuseConnection(uint64_t device) {
  const Fd context(fsopen("fusectl", FSOPEN_CLOEXEC));
  if (!context.valid() || fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    return ErrnoError(errno, "make the FUSE control file system");
  }
  const Fd mount(fsmount(context.get(), FSMOUNT_CLOEXEC, 0));
  if (!mount.valid()) return ErrnoError(errno, "mount the FUSE control file system");
  const std::string path = fmt::format("{}/abort", minor(device));
  const Fd file(openat(mount.get(), path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.valid()) return ErrnoError(errno, fmt::format("open the FUSE control file {}", path));
  if (write(file.get(), "1", 1) == 1) return absl::OkStatus();
  return ErrnoError(errno, fmt::format("abort the FUSE connection {}", minor(device)));
}

}  // namespace berth
