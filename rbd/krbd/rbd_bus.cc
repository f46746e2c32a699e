#include "rbd/krbd/rbd_bus.h"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "base/fd.h"
#include "rbd/krbd/kernel_key.h"

namespace berth {
namespace {

namespace fs = std::filesystem;

// layering, exclusive-lock, object-map, fast-diff, deep-flatten: what CreateImage makes.
constexpr uint64_t kNeededFeatures = 0x1 | 0x4 | 0x8 | 0x10 | 0x20;

std::string FirstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

Status MapError(int error) {
  switch (error) {
    case ENOENT:
      return absl::NotFoundError("the kernel finds no such pool or image");
    case EACCES:
    case EPERM:
    case ENOKEY:
      return absl::PermissionDeniedError(
          "the monitors or OSDs refuse this user or key to the kernel's rbd");
    case ENXIO:
      return absl::FailedPreconditionError(
          "the kernel's rbd cannot do all features of this image (`dmesg` names them; `rbd info` "
          "lists them): use the mounter fuse");
    case EINVAL:
      return absl::FailedPreconditionError(
          "the kernel's rbd refuses the options that Berth gives it (`dmesg` names them; Linux "
          "5.11 "
          "has them all): use the mounter fuse");
    case EIO:  // what a client that finds no monitor answers
    case ETIMEDOUT:
      return absl::DeadlineExceededError("no monitor answered the kernel's rbd in time");
    default:
      return ErrnoError(error, "map the image by the kernel's rbd");
  }
}

}  // namespace

std::string RbdBus::Attribute(const std::string& id, const char* name) const {
  return FirstLine(fmt::format("{}/devices/{}/{}", directory_, id, name));
}

// Linux has two pairs of files and refuses one of them, by a parameter of the module.
bool RbdBus::UsesSingleMajor() const {
  return FirstLine("/sys/module/rbd/parameters/single_major") != "N";
}

Status RbdBus::CheckUsable() const {
  const std::string file =
      fmt::format("{}/{}", directory_, UsesSingleMajor() ? "add_single_major" : "add");
  if (const Fd fd(open(file.c_str(), O_WRONLY | O_CLOEXEC)); !fd.valid()) {
    if (errno == ENOENT) {
      return absl::FailedPreconditionError(fmt::format(
          "{} is missing: the kernel's module rbd is not loaded (`modprobe rbd`)", directory_));
    }
    return ErrnoError(errno, fmt::format("open {} for writing", file));
  }
  uint64_t features = 0;
  const std::string text = FirstLine(directory_ + "/supported_features");
  if (!absl::SimpleHexAtoi(text, &features) || (features & kNeededFeatures) != kNeededFeatures) {
    return absl::FailedPreconditionError(
        fmt::format("the kernel's rbd has the features {} and Berth's images need {:#x}",
                    text.empty() ? "none" : text, kNeededFeatures));
  }
  // 28 bytes as any key has, and nobody's.
  return KernelKey::Add("berth/probe", "AQAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAA==").status();
}

Status RbdBus::Write(const char* command, const std::string& line) const {
  const std::string path =
      fmt::format("{}/{}{}", directory_, command, UsesSingleMajor() ? "_single_major" : "");
  const Fd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.valid()) return ErrnoError(errno, fmt::format("open {}", path));
  const ssize_t written = write(file.get(), line.data(), line.size());
  return written >= 0 ? absl::OkStatus() : ErrnoError(errno, fmt::format("write to {}", path));
}

Status RbdBus::Map(const std::string& line) const {
  const Status status = Write("add", line);
  return ErrnoOf(status) == 0 ? status : MapError(ErrnoOf(status));
}

Status RbdBus::Unmap(const MappedDevice& device, Force force) const {
  const Status status = Write("remove", device.id + (force == Force::kYes ? " force" : ""));
  switch (ErrnoOf(status)) {
    case ENOENT:
      return absl::OkStatus();
    case EINPROGRESS:
      return absl::UnavailableError(
          fmt::format("{} is just being unmapped by somebody else; try again", device.path()));
    case EBUSY:
      return absl::FailedPreconditionError(fmt::format(
          "{} is still in use: it is mounted or open somewhere on this node", device.path()));
    default:
      return Annotate(status, fmt::format("unmap {}", device.path()));
  }
}

StatusOr<std::vector<MappedDevice>> RbdBus::List() const {
  std::vector<MappedDevice> mapped;
  std::error_code error;
  for (fs::directory_iterator entry(directory_ + "/devices", error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string id = entry->path().filename();
    const std::optional<Mapping> mapping =
        ParseMapping({.config_info = Attribute(id, "config_info"),
                      .pool = Attribute(id, "pool"),
                      .pool_ns = Attribute(id, "pool_ns"),
                      .name = Attribute(id, "name")});
    if (!mapping) continue;
    mapped.push_back({.mapping = *mapping,
                      .id = id,
                      .instance = Attribute(id, "client_addr"),
                      .image_id = Attribute(id, "image_id")});
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return ErrnoError(error.value(), fmt::format("list {}/devices", directory_));
  }
  return mapped;
}

}  // namespace berth
