#include "sanity-tests/bench/attach/rbd_fuse.h"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "absl/time/clock.h"
#include "base/fd.h"

namespace berth {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);

std::string Words(const std::string& log_path) {
  std::stringstream words;
  words << std::ifstream(log_path).rdbuf();
  return words.str();
}

bool IsMountPoint(const std::string& directory) {
  struct stat self = {}, parent = {};
  return stat(directory.c_str(), &self) == 0 && stat((directory + "/..").c_str(), &parent) == 0 &&
         self.st_dev != parent.st_dev;
}

}  // namespace

// It ends with the measurement even if that is killed: `setpriv` asks the kernel for it.
StatusOr<RbdFuse> RbdFuse::Mount(const Image& image) {
  std::string directory = std::filesystem::temp_directory_path() / "berth-rbd-fuse-XXXXXX";
  if (mkdtemp(directory.data()) == nullptr) return ErrnoError(errno, "make " + directory);
  const Fd log(open(image.log_path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600));
  StatusOr<ChildProcess> process = ChildProcess::Start(
      {"setpriv", "--pdeathsig", "TERM", "env", "CEPH_KEYRING=" + image.admin_keyring_path,
       "rbd-fuse", "-f", "-c", image.conf_path, "-p", image.pool, "-r", image.name, directory},
      {{log.get(), STDOUT_FILENO}, {log.get(), STDERR_FILENO}});
  if (!process.ok()) {
    rmdir(directory.c_str());
    return process.status();
  }
  RbdFuse mounted(directory, image, *std::move(process));
  BERTH_RETURN_IF_ERROR(mounted.AwaitFile());
  return mounted;
}

RbdFuse::RbdFuse(RbdFuse&& other) noexcept
    : directory_(std::exchange(other.directory_, "")),
      image_(std::move(other.image_)),
      process_(std::move(other.process_)) {}

RbdFuse::~RbdFuse() {
  const Status status = Unmount();
  if (!status.ok()) spdlog::warn("{}", std::string(status.message()));
}

// The kernel reports each change of the mount table as an exceptional condition (proc(5)).
Status RbdFuse::AwaitFile() {
  const absl::Time deadline = absl::Now() + kPatience;
  const Fd mounts(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  if (!mounts.valid()) return ErrnoError(errno, "open /proc/self/mountinfo");
  while (!IsMountPoint(directory_)) {
    pollfd events[] = {{mounts.get(), POLLPRI, 0}, {process_.pidfd(), POLLIN, 0}};
    const int64_t left_ms = absl::ToInt64Milliseconds(deadline - absl::Now());
    if (left_ms <= 0) {
      return absl::UnavailableError("rbd-fuse did not mount in time: " + Words(image_.log_path));
    }
    if (poll(events, std::size(events), static_cast<int>(left_ms)) < 0 && errno != EINTR) {
      return ErrnoError(errno, "wait for rbd-fuse's mount");
    }
    if ((events[1].revents & POLLIN) != 0) {
      return absl::UnavailableError("rbd-fuse ended before it mounted: " + Words(image_.log_path));
    }
  }
  // The first look at the file is answered once rbd-fuse is connected.
  struct stat file_status = {};
  if (stat(file().c_str(), &file_status) != 0) {
    return ErrnoError(errno, fmt::format("look at {} through rbd-fuse", image_.name));
  }
  return absl::OkStatus();
}

Status RbdFuse::Unmount() {
  if (directory_.empty()) return absl::OkStatus();
  process_.Signal(SIGTERM).IgnoreError();
  const Status ended = process_.Wait(absl::Now() + kPatience).status();
  if (!ended.ok()) {
    process_.Signal(SIGKILL).IgnoreError();
    process_.Wait(absl::InfiniteFuture()).IgnoreError();
  }
  // Through the mount a removal would reach the image, so only an empty directory is removed.
  umount2(directory_.c_str(), MNT_DETACH);
  if (rmdir(directory_.c_str()) != 0) spdlog::warn("{} is left over", directory_);
  directory_.clear();
  return Annotate(ended, "end rbd-fuse");
}

}  // namespace berth
