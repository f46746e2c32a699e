#include "csi/node/target_path.h"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/fd.h"

namespace berth {
namespace {

Status MakeError(int error, const std::string& path) {
  if (error == ENOENT) {
    return absl::FailedPreconditionError(fmt::format(
        "the parent directory of target_path {} is missing; it is the caller's to make", path));
  }
  return ErrnoError(error, fmt::format("make target_path {}", path));
}

Status WrongKind(const std::string& path, std::string_view wanted) {
  return absl::FailedPreconditionError(
      fmt::format("target_path {} exists and is not {}; remove it", path, wanted));
}

}  // namespace

Status CheckIsDirectory(std::string_view field, const std::string& path) {
  struct stat entry = {};
  if (lstat(path.c_str(), &entry) == 0) {
    if (S_ISDIR(entry.st_mode)) return absl::OkStatus();
    return absl::FailedPreconditionError(fmt::format("{} {} is not a directory", field, path));
  }
  if (errno == ENOENT || errno == ENOTDIR) {
    return absl::FailedPreconditionError(
        fmt::format("{} {} is missing; it is the caller's to make", field, path));
  }
  return absl::OkStatus();  // what is mounted there is dead: the mount table says more
}

Status MakeTargetDirectory(const std::string& path) {
  if (mkdir(path.c_str(), 0750) == 0) return absl::OkStatus();
  if (errno != EEXIST) return MakeError(errno, path);
  struct stat entry = {};
  if (lstat(path.c_str(), &entry) == 0 && !S_ISDIR(entry.st_mode)) {
    return WrongKind(path, "a directory");
  }
  return absl::OkStatus();
}

Status MakeTargetFile(const std::string& path) {
  const Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (fd.valid()) return absl::OkStatus();
  if (errno != EEXIST) return MakeError(errno, path);
  struct stat entry = {};
  if (lstat(path.c_str(), &entry) == 0 && !S_ISREG(entry.st_mode)) {
    return WrongKind(path, "a regular file");
  }
  return absl::OkStatus();
}

Status RemoveTarget(const std::string& path) {
  struct stat entry = {};
  if (lstat(path.c_str(), &entry) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return absl::OkStatus();
    return ErrnoError(errno, fmt::format("look at target_path {}", path));
  }
  const bool is_empty_file = S_ISREG(entry.st_mode) && entry.st_size == 0;
  if (!S_ISDIR(entry.st_mode) && !is_empty_file) {
    return absl::FailedPreconditionError(
        fmt::format("target_path {} is neither a directory nor an empty file, so Berth did not "
                    "make it and does not remove it",
                    path));
  }
  const int result = is_empty_file ? unlink(path.c_str()) : rmdir(path.c_str());
  if (result == 0 || errno == ENOENT) return absl::OkStatus();
  return ErrnoError(errno, fmt::format("remove target_path {}", path));
}

}  // namespace berth
